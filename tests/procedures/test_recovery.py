"""Every node watches over the others: what becomes of the tasks of a worker that failed."""

from datetime import timedelta
from typing import Any

import pytest

from tests.procedures.acting import LEASE, RECOVERY_DELAY, Node, Refusal, Sql, ended
from tests.servers import Clock, Database

FREE_AFTER = LEASE + RECOVERY_DELAY


@pytest.fixture
def other(sql: Sql, node: Node) -> Node:
    """The node of another worker of the same group; ``node`` is the one that watches."""
    return Node(sql, worker_id=2)


def _watch(node: Node) -> float | None:
    """Renews the lease; the seconds until the next one of the others is over."""
    watch = node.sync(free=0, lease=LEASE).watch
    return None if watch is None else min(item.over_in for item in watch)


def _renew_until(node: Node, clock: Clock, seconds: float) -> float | None:
    """Time passes, and the node renews its lease in it; what the last renewal said to watch."""
    watch = None
    for _ in range(int(seconds / 5)):
        clock.advance(5)
        watch = _watch(node)
    return watch


def _flat(call: tuple[str, tuple[object, ...]]) -> tuple[Any, ...]:
    statement, values = call
    return statement, *values


def _refused(node: Node) -> Refusal:
    return node.sql.refusal(*_flat(node.lock_call()))


def _events(sql: Sql, columns: str) -> list[tuple[Any, ...]]:
    return sql.rows(f"SELECT {columns} FROM long_task.worker_event ORDER BY id")


def test_tasks_of_a_failed_worker_are_given_back_by_any_other(
    sql: Sql, stopped: Clock, node: Node, other: Node
) -> None:
    retried, failed = sql.insert(max_attempts=2, retry_delay="0"), sql.insert()
    other.claim()
    _renew_until(node, stopped, FREE_AFTER)
    assert sql.look(retried, "state_id, running_on, worker_id") == ("AW", None, None)
    assert sql.look(failed, "state_id, error") == ("CF", "Worker failed")
    assert [order.attempt for order in node.sync().start] == [2]
    assert sql.runs(retried, "attempt, worker_id, node_name, error") == [
        (1, 2, "node-2", "Worker failed")
    ]


def test_nothing_is_given_back_before_the_recovery_delay_has_passed(
    sql: Sql, stopped: Clock, node: Node, other: Node
) -> None:
    task_id = sql.insert()
    other.claim()
    assert _renew_until(node, stopped, FREE_AFTER - 5) == 5
    assert sql.look(task_id) == "AE"


def test_a_renewal_says_when_the_next_lease_may_be_lost(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    assert node.sync(lease=LEASE).watch is None
    assert node.sync().watch is None
    Node(sql, worker_id=2)
    stopped.advance(10)
    Node(sql, worker_id=3)
    assert _watch(node) == FREE_AFTER - 10


def test_a_call_that_renews_nothing_gives_nothing_back(
    sql: Sql, stopped: Clock, node: Node, other: Node
) -> None:
    task_id = sql.insert()
    other.claim()
    _renew_until(node, stopped, FREE_AFTER - 5)
    stopped.advance(5)
    node.sync(free=0)
    assert sql.look(task_id) == "AE"


def test_the_old_holder_of_a_recovered_worker_is_refused(
    sql: Sql, stopped: Clock, node: Node, other: Node
) -> None:
    task_id = sql.insert(max_attempts=2, retry_delay="0")
    other.claim()
    _renew_until(node, stopped, FREE_AFTER)
    statement, values = other.sync_call(ended(task_id), lease=LEASE)
    assert sql.refusal(statement, *values).code == "LT001"
    assert sql.look(task_id, "state_id, attempt") == ("AW", 1)


def test_a_recovered_worker_is_free_at_once(
    sql: Sql, stopped: Clock, node: Node, other: Node
) -> None:
    _renew_until(node, stopped, FREE_AFTER)
    assert Node(sql, worker_id=2, lock=False).lock().epoch == 3


def test_a_task_for_a_failed_worker_alone_waits_for_it(
    sql: Sql, stopped: Clock, node: Node, other: Node
) -> None:
    task_id = sql.insert(worker_id=2, max_attempts=2, retry_delay="0")
    other.claim()
    _renew_until(node, stopped, FREE_AFTER)
    assert sql.look(task_id, "state_id, worker_id") == ("AW", 2)
    assert node.claim() == []


def test_nobody_is_judged_by_a_node_that_has_not_waited_itself(
    sql: Sql, stopped: Clock, node: Node, other: Node
) -> None:
    """After an outage, or a step of the database's clock, each has a whole lease to come back."""
    task_id = sql.insert()
    other.claim()
    stopped.advance(1000)
    node.lock()
    node.watched = ["2/1/0", "1/2/3"]
    assert _watch(node) == FREE_AFTER - 1000
    assert sql.look(task_id) == "AE"
    # The holder comes back first, and what happened meanwhile counts.
    assert other.lock(ended(task_id, exit_code=3)).epoch is not None
    assert sql.look(task_id, "state_id, exit_code") == ("CF", 3)


def test_a_lease_that_was_renewed_meanwhile_is_another_one(
    sql: Sql, stopped: Clock, node: Node, other: Node
) -> None:
    task_id = sql.insert()
    other.claim()
    _watch(node)
    seen = node.watched
    stopped.advance(10)
    other.sync(free=0, lease=LEASE)
    stopped.advance(15)
    _watch(node)
    stopped.advance(FREE_AFTER - 15)
    node.lock()
    node.watched = seen
    _watch(node)
    assert sql.look(task_id) == "AE"
    _watch(node)
    assert sql.look(task_id) == "CF"


def test_a_worker_is_given_to_nobody_who_has_not_waited_himself(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    stopped.advance(1000)
    standby = Node(sql, lock=False)
    refused = standby.lock()
    assert refused.epoch is None
    assert refused.held_lease is not None
    assert refused.held_lease[1:] == (FREE_AFTER - 1000, FREE_AFTER)
    standby.waited_for = ["1/1/0"]
    assert standby.lock().epoch is None
    assert standby.lock().epoch == 2


def test_a_row_that_a_person_holds_is_given_back_when_it_is_free(
    database: Database, serving: Sql, person: Sql
) -> None:
    node, other = Node(serving), Node(serving, worker_id=2)
    held, free = serving.insert(), serving.insert()
    other.claim()
    person.run("SELECT FROM long_task.task WHERE id = %s FOR UPDATE", held)
    clock = database.clock
    clock.set(clock.now() + timedelta(seconds=1))
    left = _renew_until(node, clock, FREE_AFTER)
    assert left is not None and left <= 0
    assert serving.look(held) == "AE"
    assert serving.look(free, "state_id, error") == ("CF", "Worker failed")
    # The worker is not given away while a task is its own.
    assert serving.value("SELECT active FROM long_task.worker WHERE id = 2")
    person.connection.commit()
    assert _watch(node) is None
    assert serving.look(held, "state_id, error") == ("CF", "Worker failed")


def test_a_report_that_waits_for_a_row_is_not_overtaken_by_those_who_watch(
    database: Database, serving: Sql, person: Sql
) -> None:
    node, other = Node(serving), Node(serving, worker_id=2)
    task_id = serving.insert()
    other.claim()
    _watch(node)
    database.clock.advance(FREE_AFTER)
    node.lock()
    person.run("SELECT FROM long_task.task WHERE id = %s FOR UPDATE", task_id)
    assert other.lock(ended(task_id)).epoch is None
    person.connection.commit()
    _watch(node)
    _watch(node)
    assert serving.look(task_id) == "AE"
    assert other.lock(ended(task_id)).epoch is not None
    assert serving.look(task_id, "state_id, exit_code") == ("CS", 0)


def test_an_old_report_after_a_recovery_changes_nothing(
    sql: Sql, stopped: Clock, node: Node, other: Node
) -> None:
    task_id = sql.insert(max_attempts=2, retry_delay="0")
    other.claim()
    _renew_until(node, stopped, FREE_AFTER)
    assert node.claim() == [task_id]
    assert other.lock(ended(task_id, 1, exit_code=0)).epoch is not None
    assert sql.look(task_id, "state_id, attempt, running_on") == ("AE", 2, 1)


def _rule(sql: Sql, body: str) -> None:
    sql.run(
        "CREATE OR REPLACE FUNCTION long_task.retry_lost_task(p_task long_task.task)"
        f" RETURNS interval LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
    )


@pytest.mark.parametrize(
    ("body", "columns"),
    [
        ("RETURN interval '0';", ("AW", 0)),
        ("RETURN interval '-1 h';", ("AW", 0)),
        ("RETURN interval '90 s';", ("AD", 90)),
        ("RETURN NULL;", ("CF", None)),
        ("RETURN p_task.attempt * interval '1 min' + p_task.worker_id * interval '1 s';",
         ("AD", 62)),
    ],
)  # fmt: skip
def test_a_rule_of_ones_own_decides_over_lost_tasks(
    sql: Sql, stopped: Clock, node: Node, other: Node, body: str, columns: tuple[str, float | None]
) -> None:
    _rule(sql, body)
    task_id = sql.insert(max_attempts=1)
    other.claim()
    _renew_until(node, stopped, FREE_AFTER)
    state, wait = sql.look(task_id, "state_id, extract(epoch FROM start_after - long_task.clock())")
    assert (state, wait) == columns


def test_a_rule_of_ones_own_decides_over_nothing_else(sql: Sql, node: Node) -> None:
    _rule(sql, "RETURN interval '0';")
    task_id = sql.insert()
    node.claim()
    node.report(task_id, exit_code=1)
    assert sql.look(task_id) == "CF"


@pytest.mark.parametrize("state", ["AS", "AC", "CS"])
def test_no_rule_starts_again_what_a_person_or_the_task_has_ended(
    sql: Sql, stopped: Clock, node: Node, other: Node, state: str
) -> None:
    _rule(sql, "RETURN interval '0';")
    task_id = sql.insert()
    other.claim()
    sql.change(task_id, state_id=state)
    _renew_until(node, stopped, FREE_AFTER)
    assert sql.look(task_id) == {"AS": "CF", "AC": "CC", "CS": "CS"}[state]


def test_a_rule_that_fails_keeps_no_task_from_going_on(
    sql: Sql, stopped: Clock, node: Node, other: Node
) -> None:
    _rule(sql, "RETURN (1 / (p_task.attempt - 1)) * interval '1 s';")
    task_id = sql.insert(max_attempts=2, retry_delay="0")
    other.claim()
    _renew_until(node, stopped, FREE_AFTER)
    assert sql.look(task_id) == "AW"
    assert ("hook failed", 2, "retry_lost_task: division by zero") in _events(
        sql, "kind, worker_id, detail"
    )


def test_what_happens_to_workers_is_written_down(
    sql: Sql, stopped: Clock, node: Node, other: Node
) -> None:
    sql.insert()
    other.claim()
    _renew_until(node, stopped, FREE_AFTER)
    stopped.advance(FREE_AFTER)
    successor = Node(sql)
    successor.leave()
    assert _events(sql, "kind, worker_id, epoch, node_name, task_count, detail") == [
        ("taken", 1, 1, "node-1", 0, None),
        ("taken", 2, 2, "node-2", 0, None),
        ("recovered", 2, 2, "node-2", 1,
         "node node-2 (pid 4711 on host) failed, and worker 1 saw it"),
        ("taken over", 1, 3, "node-1", 0, "from node node-1 (pid 4711 on host)"),
        ("left", 1, 3, "node-1", 0, None),
    ]  # fmt: skip


def test_a_holder_that_is_proven_dead_is_not_waited_for(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    task_id = sql.insert()
    node.claim()
    successor = Node(sql, lock=False)
    refused = successor.lock()
    assert refused.held_process == node.process
    assert successor.lock(dead="boot/1/4711/another").epoch is None
    assert successor.lock(dead=refused.held_process).epoch == 2
    assert sql.look(task_id, "state_id, error") == ("CF", "Worker failed")
    statement, values = node.sync_call()
    assert sql.refusal(statement, *values).code == "LT001"


def test_the_process_that_holds_a_worker_gets_it_again_at_once(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    assert node.lock(ended(task_id, exit_code=4)).epoch == 2
    assert sql.look(task_id, "state_id, exit_code") == ("CF", 4)


def test_a_call_that_was_left_behind_on_its_way_is_refused(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    late_sync, late_lock = node.sync_call(), node.lock_call()
    node.connect()
    assert sql.refusal(*_flat(late_sync)).code == "LT001"
    assert sql.row(*_flat(late_lock))[0] is None
    assert sql.look(task_id) == "AW"
    assert node.claim() == [task_id]


def test_a_node_that_connects_again_gives_no_worker_back_by_an_old_call(
    sql: Sql, node: Node
) -> None:
    epoch, connection = node.epoch, node.connection
    node.connect()
    leave = "SELECT long_task.leave_worker(1, %s, %s)"
    assert sql.value(leave, epoch, connection) is False
    assert node.leave()


def test_a_lease_is_renewed_over_a_new_connection_while_the_tasks_are_locked(
    serving: Sql, person: Sql
) -> None:
    node = Node(serving)
    person.run("LOCK TABLE long_task.task IN ACCESS EXCLUSIVE MODE")
    node.connect()
    assert node.connection == 2


@pytest.mark.parametrize("number", [0, 1, None])
def test_a_lease_is_not_renewed_over_an_old_connection(
    sql: Sql, node: Node, number: int | None
) -> None:
    statement = "SELECT long_task.renew_lease(1, %s, %s, 30)"
    assert sql.refusal(statement, node.epoch, number).code == "LT001"


def test_a_lease_that_is_over_is_not_renewed(sql: Sql, stopped: Clock, node: Node) -> None:
    stopped.advance(LEASE)
    statement = "SELECT long_task.renew_lease(1, %s, 2, 30)"
    assert sql.refusal(statement, node.epoch).code == "LT001"


def test_the_epoch_of_a_deleted_worker_never_comes_again(sql: Sql, node: Node) -> None:
    late = node.sync_call()
    node.leave()
    sql.run("DELETE FROM long_task.worker WHERE id = 1")
    Node(sql)
    assert sql.refusal(*_flat(late)).code == "LT001"


def test_a_worker_of_another_group_is_refused(sql: Sql, node: Node) -> None:
    intruder = Node(sql, group_id=5, lock=False)
    refusal = _refused(intruder)
    assert refusal.code == "LT011"
    assert refusal.message == "worker 1 serves group 0, held by node node-1 (pid 4711 on host)"
    assert refusal.hint == "A node for group 5 needs a worker id of its own."
    assert sql.rows("SELECT FROM long_task.worker_standby") == []


def test_a_name_belongs_to_one_worker_at_a_time(sql: Sql, stopped: Clock, node: Node) -> None:
    namesake = Node(sql, worker_id=2, lock=False)
    namesake.name = "node-1"
    refusal = _refused(namesake)
    assert refusal.code == "LT011"
    assert refusal.message == (
        "node name node-1 is taken by worker 1, node node-1 (pid 4711 on host)"
    )
    assert refusal.hint == "Give each node a node_name of its own."
    stopped.advance(FREE_AFTER)
    assert namesake.lock().epoch == 2


def test_who_stands_by_is_seen_for_as_long_as_it_asks(sql: Sql, stopped: Clock, node: Node) -> None:
    standby = Node(sql, slots=7, lock=False)
    standby.lock()
    columns = "id, status, slots, running, lease_left, age"
    live, waiting = sql.rows(f"SELECT {columns} FROM long_task.worker_status")
    assert live[:4] == (1, "live", 4, 0)
    assert waiting == (1, "standby", 7, 0, None, timedelta(0))
    stopped.advance(20)
    node.sync(lease=LEASE)
    standby.lock()
    assert sql.rows(f"SELECT {columns} FROM long_task.worker_status")[1] == (
        1, "standby", 7, 0, None, timedelta(seconds=20),
    )  # fmt: skip
    stopped.advance(LEASE)
    assert sql.values("SELECT status FROM long_task.worker_status") == ["failed"]


def test_who_takes_the_worker_stands_by_no_more(sql: Sql, stopped: Clock, node: Node) -> None:
    standby, gone = Node(sql, lock=False), Node(sql, lock=False)
    standby.lock()
    gone.lock()
    stopped.advance(FREE_AFTER)
    standby.lock()
    assert sql.rows("SELECT FROM long_task.worker_standby") == []


@pytest.mark.parametrize(("passed", "status"), [(18, "live"), (19, "failing"), (30, "failed")])
def test_a_worker_whose_node_is_late_is_failing(
    sql: Sql, stopped: Clock, node: Node, passed: float, status: str
) -> None:
    stopped.advance(passed)
    assert sql.row("SELECT status, extract(epoch FROM lease_age) FROM long_task.worker_status") == (
        status, passed,
    )  # fmt: skip


def test_a_failed_worker_can_be_deleted_with_all_it_had(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    task_id = sql.insert()
    node.claim()
    Node(sql, lock=False).lock()
    stopped.advance(FREE_AFTER)
    assert sql.run("DELETE FROM long_task.worker WHERE id = 1") == 1
    assert sql.look(task_id, "state_id, error") == ("CF", "Worker failed")
    assert sql.rows("SELECT FROM long_task.worker_status") == []
    assert _events(sql, "kind, task_count, detail")[-1] == (
        "recovered", 1, f"node node-1 (pid 4711 on host) failed, and {_me(sql)} deleted the worker",
    )  # fmt: skip


def test_a_person_may_give_the_tasks_of_a_failed_worker_back(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    task_id = sql.insert(max_attempts=2, retry_delay="0")
    node.claim()
    recover = "SELECT long_task.recover_worker_tasks(1)"
    stopped.advance(FREE_AFTER - 1)
    assert sql.refusal(recover).code == "LT001"
    stopped.advance(1)
    assert sql.value(recover) == 1
    assert sql.look(task_id, "state_id, running_on") == ("AW", None)
    assert sql.value(recover) == 0
    assert _events(sql, "kind, task_count, detail")[-1] == (
        "recovered", 1, f"node node-1 (pid 4711 on host) failed, and {_me(sql)} saw it",
    )  # fmt: skip


def _me(sql: Sql) -> str:
    return str(sql.value("SELECT session_user"))


def _watchers(sql: Sql, count: int) -> dict[int, set[int]]:
    """By worker, who watches over it, in a fleet of so many."""
    nodes = [Node(sql, number) for number in range(1, count + 1)]
    found: dict[int, set[int]] = {node.worker_id: set() for node in nodes}
    for node in nodes:
        for item in node.sync(free=0, lease=LEASE).watch or ():
            found[int(item.lease.split("/")[0])].add(node.worker_id)
    return found


def test_of_few_nodes_each_watches_over_all_others(sql: Sql) -> None:
    everybody = set(range(1, 12))
    assert _watchers(sql, 11) == {number: everybody - {number} for number in everybody}


def test_of_many_nodes_each_is_watched_by_ten_that_are_no_neighbours(sql: Sql) -> None:
    found = _watchers(sql, 60)
    assert {len(watchers) for watchers in found.values()} == {10}
    assert all(number not in watchers for number, watchers in found.items())
    # Whatever machine of ten nodes in a row fails, others see each of them.
    for first in range(1, 52):
        machine = set(range(first, first + 10))
        assert all(found[number] - machine for number in machine)


def _watched_by(node: Node) -> list[int]:
    return [int(item.lease.split("/")[0]) for item in node.sync(free=0, lease=LEASE).watch or ()]


@pytest.fixture
def alone(serving: Sql) -> Node:
    """The only one of seventy-five nodes that is alive; each other one had a task."""
    serving.run(
        "INSERT INTO long_task.task (state_id, command, worker_id)"
        " SELECT 'AW', '{true}', number FROM generate_series(2, 75) AS s(number)"
    )
    for number in range(2, 76):
        assert len(Node(serving, number).claim()) == 1
    return Node(serving, 1)


def _pass(database: Database, alone: Node, rounds: int) -> None:
    database.clock.advance(FREE_AFTER)
    assert alone.lock().epoch is not None
    for _ in range(rounds):
        alone.sync(free=0, lease=LEASE)


def test_the_dead_whose_rows_are_held_hide_no_others(
    database: Database, serving: Sql, person: Sql, alone: Node
) -> None:
    held = _watched_by(alone)
    assert len(held) == 10
    person.run("SELECT FROM long_task.task WHERE running_on = ANY (%s) FOR UPDATE", held)
    _pass(database, alone, 8)
    running = "SELECT running_on FROM long_task.task WHERE running_on IS NOT NULL"
    assert sorted(serving.values(running)) == sorted(held)
    person.connection.rollback()
    alone.sync(free=0, lease=LEASE)
    assert serving.values(running) == []


def test_of_the_dead_whose_rows_are_held_fifty_are_watched_at_most(
    database: Database, person: Sql, alone: Node
) -> None:
    person.run("SELECT FROM long_task.task FOR UPDATE")
    _pass(database, alone, 8)
    assert len(_watched_by(alone)) == 60
    person.connection.rollback()
    _pass(database, alone, 2)
    assert _watched_by(alone) == []


def test_those_that_are_over_and_were_not_waited_for_are_ten(
    database: Database, alone: Node
) -> None:
    database.clock.advance(FREE_AFTER)
    assert alone.lock().epoch is not None
    assert len(_watched_by(alone)) == 10
    alone.watched = []
    assert len(_watched_by(alone)) == 10


def test_whoever_was_watched_by_the_dead_is_watched_by_the_living_in_the_end(
    sql: Sql, clock: Clock
) -> None:
    nodes = [Node(sql, number) for number in range(1, 25)]
    alive = nodes[0]
    for node in nodes:
        node.sync(free=0, lease=LEASE)
    for _ in range(4):
        clock.advance(LEASE + RECOVERY_DELAY + 1)
        alive.lock()
        for _ in range(2):
            alive.sync(free=0, lease=LEASE)
    assert sql.values("SELECT worker_id FROM long_task.worker_lease WHERE active") == [1]
