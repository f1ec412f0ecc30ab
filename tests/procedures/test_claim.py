"""Claims: which task is started next, by whom, and what the node is told about it."""

from tests.procedures.acting import Node, Sql
from tests.servers import Clock


def test_smaller_priority_goes_first(sql: Sql, node: Node) -> None:
    late, soon, middle = (sql.insert(priority=number) for number in (7, -7, 0))
    assert node.claim() == [soon, middle, late]


def test_within_a_priority_the_first_that_became_ready_goes_first(sql: Sql, node: Node) -> None:
    first, second, third = (sql.insert(state_id="DR") for _ in range(3))
    for task_id in (second, third, first):
        sql.change(task_id, state_id="AW")
    assert node.claim() == [second, third, first]


def test_a_task_that_is_queued_again_goes_to_the_end(sql: Sql, node: Node) -> None:
    old = sql.insert()
    sql.change(old, state_id="AC")
    young = sql.insert()
    sql.change(old, state_id="AW")
    assert node.claim() == [young, old]


def test_a_change_that_is_no_entry_into_the_queue_keeps_the_place(sql: Sql, node: Node) -> None:
    first, second = sql.insert(), sql.insert()
    sql.change(first, state_id="AW", name="again", worker_id=None, start_after="2000-01-01")
    assert node.claim() == [first, second]


def test_no_more_is_claimed_than_there_are_free_slots(sql: Sql, node: Node) -> None:
    tasks = [sql.insert() for _ in range(5)]
    assert node.claim(free=0) == []
    assert node.claim(free=2) == tasks[:2]
    assert node.claim(free=2) == tasks[2:4]


def test_a_task_is_claimed_once(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    assert node.claim() == [task_id]
    assert node.claim() == []


def test_only_waiting_tasks_of_the_own_group_are_claimed(sql: Sql, node: Node) -> None:
    sql.insert(group_id=1)
    sql.insert(state_id="DR")
    sql.insert(start_after="2100-01-01")
    cancelled = sql.insert()
    sql.change(cancelled, state_id="AC")
    assert node.claim() == []


def test_a_pinned_task_is_claimed_by_its_worker_alone(sql: Sql, node: Node) -> None:
    other = Node(sql, worker_id=2)
    pinned = sql.insert(worker_id=2)
    assert node.claim() == []
    assert other.claim() == [pinned]


def test_a_pinned_task_is_claimed_by_its_worker_whatever_its_group(sql: Sql, node: Node) -> None:
    pinned = sql.insert(worker_id=1, group_id=99)
    assert node.claim() == [pinned]


def test_pinned_tasks_and_those_of_the_group_form_one_queue(sql: Sql, node: Node) -> None:
    tasks = [
        sql.insert(priority=number % 3, worker_id=1 if number % 2 else None) for number in range(12)
    ]
    expected = sorted(tasks, key=lambda task_id: (tasks.index(task_id) % 3, task_id))
    assert node.claim(free=5) == expected[:5]
    assert node.claim(free=7) == expected[5:]


def test_a_task_without_workers_of_its_own_does_not_hold_up_others(sql: Sql, node: Node) -> None:
    for _ in range(10):
        sql.insert(worker_id=77, priority=-1)
    free = sql.insert()
    assert node.claim(free=1) == [free]


def test_a_claim_writes_who_when_and_which_attempt(sql: Sql, stopped: Clock, node: Node) -> None:
    task_id = sql.insert()
    stopped.advance(10)
    node.claim()
    assert sql.look(
        task_id,
        "state_id, attempt, base_attempt, running_on, worker_id, pinned, started, finished,"
        " last_state_change",
    ) == ("AE", 1, 0, 1, 1, False, stopped.now(), None, stopped.now())


def test_a_claim_remembers_whether_the_task_was_pinned(sql: Sql, node: Node) -> None:
    pinned = sql.insert(worker_id=1)
    node.claim()
    assert sql.look(pinned, "pinned, worker_id") == (True, 1)


def test_an_order_says_all_that_a_process_needs(sql: Sql, node: Node) -> None:
    task_id = sql.insert(
        group_id=0,
        command=["echo", "%TASK", "x%TASK", "%task"],
        cwd="below",
        env={"A": "ü"},
        params={"deep": [1, None]},
        stdin="line\n",
        priority=-3,
        timeout="1 day 1.5 seconds",
        kill_grace="0",
    )
    (order,) = node.sync().start
    assert order._asdict() == {
        "task_id": task_id,
        "attempt": 1,
        "group_id": 0,
        "command": ["echo", str(task_id), "x%TASK", "%task"],
        "cwd": "below",
        "env": {"A": "ü"},
        "params": '{"deep": [1, null]}',
        "stdin": "line\n",
        "timeout": 86401.5,
        "kill_grace": 0,
        "scheduled_for": None,
        "run_id": None,
        "priority": -3,
        "error": None,
    }


def test_an_order_leaves_out_what_the_row_leaves_open(sql: Sql, node: Node) -> None:
    sql.insert()
    (order,) = node.sync().start
    assert (order.cwd, order.env, order.params, order.stdin, order.timeout, order.kill_grace) == (
        None, None, None, None, None, None,
    )  # fmt: skip


def test_a_batch_larger_than_the_queue_takes_all_of_it_in_order(sql: Sql, node: Node) -> None:
    tasks = [sql.insert() for _ in range(30)]
    assert node.claim(free=1000) == tasks
