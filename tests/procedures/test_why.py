"""long_task.why: one sentence about why a task is not running, for every reason there is."""

import pytest

from tests.procedures.acting import LEASE, Node, Sql
from tests.procedures.test_dependencies import link
from tests.servers import Clock

NOW = "2030-05-06 12:53:09+05:45"
LATER = "2030-05-06 13:53:09+05:45"


@pytest.fixture(autouse=True)
def _clock_is_stopped(stopped: Clock) -> None:
    """At NOW, as the server's time zone writes it."""


def _why(sql: Sql, task_id: int) -> str:
    return str(sql.value("SELECT long_task.why(%s)", task_id))


@pytest.mark.parametrize("task_id", [4711, None])
def test_a_task_that_does_not_exist_is_an_error(sql: Sql, task_id: int | None) -> None:
    refusal = sql.refusal("SELECT long_task.why(%s)", task_id)
    assert refusal.code == "LT006"
    assert refusal.message == f"there is no task {'null' if task_id is None else task_id}"
    assert refusal.hint == "Its history may still be in long_task.task_run."


def test_a_draft(sql: Sql) -> None:
    draft = sql.insert(state_id="DR")
    assert _why(sql, draft) == "It is a draft: set state_id to AW to queue it."


def test_delayed(sql: Sql) -> None:
    task_id = sql.insert(start_after=LATER)
    assert _why(sql, task_id) == f"It is delayed until {LATER} (start_after)."


def test_delayed_by_jitter(sql: Sql, node: Node) -> None:
    task_id = sql.insert(state_id="DR", command=["true"])
    sql.change(task_id, state_id="AW")
    sql.change(task_id, state_id="AC")
    sql.change(task_id, next_start=NOW, jitter="100 years")
    node.sync()
    assert _why(sql, task_id).startswith(f"Its start of {NOW} is delayed until 2")
    assert _why(sql, task_id).endswith(" (jitter).")


def test_it_waits_for_its_schedule(sql: Sql) -> None:
    task_id = sql.insert(state_id="DR", next_start=LATER)
    assert _why(sql, task_id).endswith(" passes over it for as long (shed_clone is false).")
    sql.change(task_id, shed_clone=True)
    assert _why(sql, task_id).endswith(f" queue it. Its schedule starts a copy at {LATER}.")
    sql.change(task_id, shed_clone=False, state_id="AW")
    sql.change(task_id, state_id="AC")
    assert _why(sql, task_id).endswith(f"{NOW}. Its schedule starts it at {LATER}.")
    sql.change(task_id, shed_enabled=False)
    assert _why(sql, task_id).endswith(f"{NOW}. Its schedule is paused (shed_enabled).")


def test_delayed_by_a_failure(sql: Sql, node: Node) -> None:
    task_id = sql.insert(max_attempts=2, retry_delay="1 hour")
    node.claim()
    node.report(task_id, exit_code=3)
    assert _why(sql, task_id) == (
        f"Attempt 1 failed (exit code 3); the next one is delayed until {LATER}."
    )


def test_delayed_until_now_and_nobody_there(sql: Sql, stopped: Clock) -> None:
    task_id = sql.insert(start_after=LATER, group_id=3)
    stopped.advance(3600)
    assert _why(sql, task_id) == "There is no live worker in group 3."


def test_blocked(sql: Sql) -> None:
    task_id = sql.insert()
    sql.force(task_id, state_id="AB")
    assert _why(sql, task_id) == ("What it needs has ended, and a node is about to look at it.")


@pytest.mark.parametrize("start_after", [None, LATER])
def test_its_old_process_is_still_there(sql: Sql, node: Node, start_after: str | None) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, state_id="CS")
    sql.change(task_id, state_id="AW", start_after=start_after)
    assert _why(sql, task_id) == "The process of attempt 1 on worker 1 has not exited yet."


def test_no_live_worker_in_its_group(sql: Sql, node: Node) -> None:
    assert _why(sql, sql.insert(group_id=7)) == "There is no live worker in group 7."


@pytest.mark.parametrize("how", ["left", "failed"])
def test_a_worker_that_is_gone_is_no_live_worker(
    sql: Sql, node: Node, stopped: Clock, how: str
) -> None:
    if how == "left":
        node.leave()
    else:
        stopped.advance(LEASE)
    assert _why(sql, sql.insert()) == "There is no live worker in group 0."


def test_its_worker_is_not_served(sql: Sql, node: Node) -> None:
    assert _why(sql, sql.insert(worker_id=2)) == (
        "The task is for worker 2 alone (worker_id), which no live node serves."
    )


def test_nobody_is_to_start_anything(sql: Sql, node: Node) -> None:
    Node(sql, worker_id=2)
    sql.run("UPDATE long_task.worker SET stop = id")
    assert _why(sql, sql.insert()) == (
        "No worker of group 0 starts anything: worker 1 has stop = 1, worker 2 has stop = 2."
    )
    assert _why(sql, sql.insert(worker_id=2)) == (
        "The task is for worker 2 alone (worker_id), and worker 2 has stop = 2."
    )


def test_all_slots_are_busy(sql: Sql, node: Node) -> None:
    for _ in range(4):
        sql.insert()
    node.claim()
    ahead = [sql.insert(), sql.insert(priority=-1)]
    sql.insert(priority=1)
    sql.insert(group_id=5)
    task_id = sql.insert()
    assert len(ahead) == 2
    assert _why(sql, task_id) == "All 4 slots of group 0 are busy; 2 tasks are ahead of it."
    pinned = sql.insert(worker_id=1)
    assert _why(sql, pinned) == "All 4 slots of worker 1 are busy; 0 tasks are ahead of it."


def test_a_worker_that_starts_nothing_has_no_slots_to_offer(sql: Sql, node: Node) -> None:
    Node(sql, worker_id=2, slots=1)
    sql.run("UPDATE long_task.worker SET stop = 1 WHERE id = 2")
    assert _why(sql, sql.insert()) == (
        "It is about to be started: 4 of 4 slots of group 0 are free."
    )


def test_a_long_queue_is_not_counted_to_its_end(sql: Sql) -> None:
    node = Node(sql, slots=0)
    sql.run(
        "INSERT INTO long_task.task (state_id, command)"
        " SELECT 'AW', '{true}' FROM generate_series(1, 1001)"
    )
    task_id = sql.insert()
    assert node.claim() == []
    assert _why(sql, task_id) == (
        "All 0 slots of group 0 are busy; more than 1000 tasks are ahead of it."
    )


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("AE", f"It is running: attempt 1 on worker 1 since {NOW}."),
        ("AS", f"It is running and was asked to stop: attempt 1 on worker 1, asked at {NOW}."),
        ("AC", f"It is being killed: attempt 1 on worker 1, since {NOW}."),
        ("CS", f"It completed at {NOW}."),
        ("CF", f"It failed at {NOW}: the task itself said so."),
    ],
)
def test_it_runs_or_has_ended(sql: Sql, node: Node, state: str, sentence: str) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, state_id=state)
    assert _why(sql, task_id) == sentence


def test_it_failed(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    node.report(task_id, exit_code=9, ended_ago=0)
    assert _why(sql, task_id) == f"It failed at {NOW}: exit code 9."


def test_it_was_cancelled(sql: Sql) -> None:
    task_id = sql.insert()
    sql.change(task_id, state_id="AC")
    assert _why(sql, task_id) == f"It was cancelled at {NOW}."


@pytest.mark.parametrize("state", ["AE", "AC", "AS", "CS"])
def test_a_task_of_a_failed_worker_is_not_said_to_run(
    sql: Sql, stopped: Clock, node: Node, state: str
) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, state_id=state)
    stopped.advance(LEASE)
    ended = sql.value("SELECT locked_until::text FROM long_task.worker WHERE id = 1")
    assert _why(sql, task_id) == (
        f"Worker 1, which ran attempt 1, failed: its lease ended at {ended}."
        " The attempt is written off by the first live node that sees it."
    )


def test_blocked_by_one_task_or_several(sql: Sql, node: Node) -> None:
    first, second = sql.insert(name="extract"), sql.insert()
    one, both, either = sql.insert(), sql.insert(), sql.insert(needs="any")
    link(sql, one, first)
    link(sql, both, first, second)
    link(sql, either, first, second)
    assert _why(sql, one) == f"It waits for task {first} (extract), which is AW."
    assert _why(sql, both) == f"It waits for 2 tasks, such as task {first} (extract), which is AW."
    assert _why(sql, either).startswith(f"It waits for any of 2 tasks, such as task {first}")


def test_left_waiting_and_cancelled_by_what_it_needs(sql: Sql, node: Node) -> None:
    first, left, cancelled = sql.insert(name="extract"), sql.insert(unmet="wait"), sql.insert()
    link(sql, left, first)
    link(sql, cancelled, first)
    sql.change(first, state_id="AC")
    reason = f"needs success of task {first} (extract), which was cancelled"
    assert _why(sql, left) == f"It waits (unmet) because it {reason}."
    assert _why(sql, cancelled) == f"It was cancelled at {NOW}: {reason}."


def test_waiting_for_a_key(sql: Sql, node: Node) -> None:
    first, second = (sql.insert(concurrency_key="db") for _ in range(2))
    node.claim()
    assert _why(sql, second) == (
        "It waits for concurrency_key 'db', with which at most 1 may run at once:"
        f" task {first} does."
    )


def test_waiting_for_the_limit_of_its_group(sql: Sql, node: Node) -> None:
    sql.run("INSERT INTO long_task.group_limit VALUES (0, 1)")
    sql.insert()
    waiting = sql.insert()
    node.claim()
    why = "Group 0 runs at most 1 tasks at once (group_limit), and runs 1."
    assert _why(sql, waiting) == why
    sql.run("DELETE FROM long_task.task WHERE running_on IS NOT NULL")
    assert _why(sql, waiting) == why, "its process has yet to die"


def test_a_template_of_a_workflow(sql: Sql) -> None:
    sql.run("INSERT INTO long_task.workflow (name) VALUES ('etl')")
    task_id = sql.insert(workflow="etl", state_id="DR", shed_clone=True, next_start=LATER)
    assert _why(sql, task_id) == (
        f"It is a template, which starts workflow etl. Its schedule starts it at {LATER}."
    )


def test_waiting_for_a_key_that_nobody_may_have(sql: Sql, node: Node) -> None:
    sql.run("INSERT INTO long_task.concurrency_limit VALUES ('db', 0)")
    waiting = sql.insert(concurrency_key="db")
    node.claim()
    assert _why(sql, waiting).endswith("at most 0 may run at once: none (concurrency_limit).")


def test_waiting_for_a_key_that_a_deleted_task_still_has(sql: Sql, node: Node) -> None:
    first, waiting = (sql.insert(concurrency_key="db") for _ in range(2))
    node.claim()
    sql.run("DELETE FROM long_task.task WHERE id = %s", first)
    assert _why(sql, waiting).endswith(f"at most 1 may run at once: task {first} does.")
