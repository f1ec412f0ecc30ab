"""Starts that several nodes race for, and starts that came when a node or the database was away."""

import signal
from collections import Counter
from datetime import datetime, timedelta

import pytest

from tests.node.conftest import StartNode
from tests.node.running_node import SHORT_LEASE, RunningNode
from tests.node.schedules import SECOND, add_ended, clone_starts, series, soon, starts, wait_for
from tests.node.tasks import Tasks, shell
from tests.servers import Server, StopMode, control
from tests.waiting import wait_until

LONG_LEASE: dict[str, object] = {
    "lease_duration": 3600,
    "lease_renewal": 0.5,
    "recovery_delay": 3600,
}
"""Nobody waits for the end of this one: who serves after all has a proof, and asks often."""
HANGS_ONCE = shell('test "$PG_TASKS_ATTEMPT" != 1 || exec sleep 1000')
MINUTES = timedelta(minutes=10)


def schedule_each_second(tasks: Tasks, task: int, **columns: object) -> datetime:
    """From soon on; the first start."""
    first = soon(tasks)
    tasks.set(task, next_start=first, shed_period_id="SEC", missed="run each", **columns)
    return first


def add_template(tasks: Tasks) -> int:
    return tasks.add(["true"], state_id="DR", shed_clone=True)


def settle(tasks: Tasks) -> None:
    """Ends all schedules, and waits until nothing runs or is going to."""
    tasks.sql("UPDATE long_task.task SET shed_enabled = false")
    tasks.all_ended()


@pytest.mark.parametrize("count", [2, 3])
def test_nodes_that_race_for_starts_make_each_of_them_once(
    start_node: StartNode, tasks: Tasks, count: int
) -> None:
    for worker in range(1, count + 1):
        start_node(worker, 0, 8)
    first = soon(tasks, 1)
    tasks.add_many(
        [["true"]] * 200,
        state_id="DR",
        shed_clone=True,
        next_start=first,
        shed_period_id="SEC",
        until=first + SECOND,
        missed="run each",
    )
    waiting = "SELECT FROM long_task.task WHERE next_start IS NOT NULL LIMIT 1"
    wait_until(lambda: not tasks.sql(waiting), describe="the last start")
    assert {(row.state_id, row.attempt) for row in tasks.all_ended()} == {("CS", 1)}
    clones = tasks.sql(
        "SELECT shed_parent_id, scheduled_for FROM long_task.task WHERE shed_parent_id IS NOT NULL"
    )
    assert set(Counter(clones).values()) == {1}
    assert Counter(clone.scheduled_for for clone in clones) == {first: 200, first + SECOND: 200}


@pytest.mark.parametrize("clone", [False, True])
@pytest.mark.parametrize(
    ("missed", "made"),
    [("run each", [0, 1, 2, 3, 4]), ("run once", [4]), (None, [4]), ("skip", [])],
)
def test_a_node_that_comes_late_goes_by_the_rule_for_missed_starts(
    start_node: StartNode, tasks: Tasks, missed: str | None, made: list[int], clone: bool
) -> None:
    task = add_template(tasks) if clone else add_ended(tasks, ["true"])
    first = soon(tasks, -45 * 60)
    tasks.set(task, next_start=first, shed_period_id="MIN", shed_period_count=10, missed=missed)
    start_node()
    wait_until(lambda: tasks.row(task).next_start == first + 5 * MINUTES)
    wait_until(lambda: not tasks.sql("SELECT FROM long_task.task WHERE state_id LIKE 'A%'"))
    at_last = clone_starts(tasks, task) if clone else starts(tasks, task)
    assert at_last == [first + MINUTES * number for number in made]


def test_more_missed_starts_than_a_call_can_make_keep_a_node_from_nothing(
    start_node: StartNode, tasks: Tasks
) -> None:
    missed, unserved = 400, 99
    node = start_node(call_timeout=2)
    templates = tasks.add_many(
        [["true"]] * 250,
        state_id="DR",
        group_id=unserved,
        shed_clone=True,
        next_start=soon(tasks, -60 * missed + 30),
        shed_period_id="MIN",
        until=soon(tasks, 0),
        missed="run each",
    )
    assert tasks.ended(tasks.add(["true"])).state_id == "CS"
    made = "SELECT count(*) FROM long_task.task WHERE scheduled_for IS NOT NULL"
    wait_until(lambda: tasks.sql(made)[0].count == missed * len(templates), describe="all starts")
    assert "event=database_away" not in node.log()


def test_copies_of_long_tasks_keep_a_node_from_nothing(start_node: StartNode, tasks: Tasks) -> None:
    node = start_node(call_timeout=2)
    due = soon(tasks, 1)
    templates = tasks.add_many(
        [["true"]] * 12,
        state_id="DR",
        group_id=99,
        shed_clone=True,
        next_start=due,
        stdin="x" * 12_000_000,
    )
    held = tasks.add(["sleep", "1"])
    wait_until(lambda: all(clone_starts(tasks, one) == [due] for one in templates))
    assert tasks.ended(held).state_id == "CS"
    assert "event=database_away" not in node.log()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_no_start_is_missed_or_doubled_because_the_database_was_away(
    own_server: Server, own_node: RunningNode, own_tasks: Tasks, mode: StopMode
) -> None:
    task, template = add_ended(own_tasks, ["true"]), add_template(own_tasks)
    first, other = (schedule_each_second(own_tasks, one) for one in (task, template))
    wait_until(lambda: starts(own_tasks, task) and clone_starts(own_tasks, template))
    control(own_server.embedded, "stop", "-m", mode)
    own_node.says("event=database_away")
    own_server.embedded.start()
    own_tasks.reconnect()
    # As if it had been away for longer.
    own_tasks.sql("UPDATE test_clock.state SET shift = shift + interval '5 seconds'")
    back = soon(own_tasks, 1)
    wait_for(own_tasks, back)
    wait_until(lambda: own_tasks.row(task).next_start > back < own_tasks.row(template).next_start)
    settle(own_tasks)
    for begun, made in (
        (first, starts(own_tasks, task)),
        (other, clone_starts(own_tasks, template)),
    ):
        assert len(made) > 6
        assert made == series(begun, len(made))


def test_a_schedule_goes_on_with_the_node_that_stands_by(
    start_node: StartNode, launch: StartNode, tasks: Tasks
) -> None:
    first_node = start_node(**LONG_LEASE)
    standby = launch(**LONG_LEASE)
    standby.says("event=standby")
    task = add_ended(tasks, HANGS_ONCE)
    first = schedule_each_second(tasks, task)
    tasks.in_state(task, "AE")
    first_node.signal(signal.SIGKILL)
    standby.serves()
    wait_until(lambda: len(tasks.runs(task)) >= 4)
    settle(tasks)
    made = starts(tasks, task)
    assert made == series(first, len(made))
    assert [run.error for run in tasks.runs(task)] == ["Worker failed"] + [None] * (len(made) - 1)


@pytest.mark.parametrize("max_attempts", [1, 2])
def test_schedules_go_on_with_another_worker_when_a_node_is_killed(
    start_node: StartNode, tasks: Tasks, max_attempts: int
) -> None:
    nodes = [start_node(worker, 0, 4, **SHORT_LEASE) for worker in (1, 2)]
    task, template = add_ended(tasks, HANGS_ONCE), add_template(tasks)
    tasks.set(task, max_attempts=max_attempts, retry_delay="0")
    other = schedule_each_second(tasks, template)
    first = schedule_each_second(tasks, task)
    running_on = tasks.in_state(task, "AE").running_on
    nodes[running_on - 1].signal(signal.SIGKILL)
    wait_until(lambda: len(tasks.runs(task)) > 4)
    wait_until(lambda: len(clone_starts(tasks, template)) > 4)
    settle(tasks)
    made = starts(tasks, task)
    repeated = max_attempts - 1
    assert made == [first] * repeated + series(first, len(made) - repeated)
    clones = clone_starts(tasks, template)
    assert clones == series(other, len(clones))
    assert tasks.runs(task)[0].error == "Worker failed"
