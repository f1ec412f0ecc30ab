"""Schedules as people see them: a real node starts what is due, when it is due."""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.node.conftest import StartNode
from tests.node.running_node import QUIET_LEASE, RunningNode
from tests.node.schedules import SECOND, add_ended, clone_starts, series, soon, starts, wait_for
from tests.node.tasks import Tasks, program, shell
from tests.servers import Database
from tests.waiting import wait_until

HELD = shell('while [ ! -e "$PG_TASKS_TASK_ID" ]; do sleep 0.02; done')
"""Runs until there is a file named after the task."""
SAY_TIME = shell('echo "${PG_TASKS_SCHEDULED_FOR-none}"')


def next_start(tasks: Tasks, task: int) -> datetime | None:
    found: datetime | None = tasks.row(task).next_start
    return found


def held(tasks: Tasks, **columns: object) -> int:
    """A task that a person has started, and that runs until ``release``."""
    task = tasks.add(HELD, **columns)
    tasks.in_state(task, "AE")
    return task


def release(node: RunningNode, task: int) -> None:
    (node.root / str(task)).touch()


@pytest.mark.usefixtures("node")
def test_a_task_with_a_period_is_started_again_and_again_each_start_once(tasks: Tasks) -> None:
    task = add_ended(tasks, ["true"])
    first = soon(tasks)
    tasks.set(task, next_start=first, shed_period_id="SEC", until=first + 3 * SECOND)
    wait_until(lambda: next_start(tasks, task) is None, describe="the last start")
    assert tasks.ended(task).state_id == "CS"
    made = starts(tasks, task)
    # A node that had to wait for a processor makes one start of two; it makes none twice.
    assert made == sorted(set(series(first, 4)).intersection(made)) != []
    assert {run.started_by for run in tasks.runs(task)} == {"schedule"}


@pytest.mark.usefixtures("node")
def test_every_start_is_made_if_each_is_to_be_run(tasks: Tasks) -> None:
    task, template = add_ended(tasks, ["true"]), tasks.add(["true"], state_id="DR", shed_clone=True)
    first = soon(tasks)
    for one in (task, template):
        tasks.set(one, missed="run each", until=first + 3 * SECOND)
        tasks.set(one, next_start=first, shed_period_id="SEC")
    wait_until(lambda: next_start(tasks, task) is None and next_start(tasks, template) is None)
    tasks.all_ended()
    assert starts(tasks, task) == clone_starts(tasks, template) == series(first, 4)
    assert tasks.row(template).state_id == "DR"


def test_an_earlier_start_that_is_written_while_the_node_sleeps_wakes_it(
    start_node: StartNode, tasks: Tasks
) -> None:
    start_node(**QUIET_LEASE)
    task = add_ended(tasks, ["true"])
    tasks.set(task, next_start=soon(tasks, 3600))
    tasks.ended(tasks.add(["true"]))
    first = soon(tasks, 0.3)
    tasks.set(task, next_start=first)
    wait_until(lambda: tasks.runs(task))
    assert starts(tasks, task) == [first]


@pytest.mark.parametrize("wake_up", ["shed_enabled", "insert"])
def test_a_schedule_that_is_resumed_or_inserted_wakes_the_node(
    start_node: StartNode, tasks: Tasks, wake_up: str
) -> None:
    start_node(**QUIET_LEASE)
    first = soon(tasks)
    template: dict[str, Any] = {"state_id": "DR", "shed_clone": True, "next_start": first}
    if wake_up == "insert":
        task = tasks.add(["true"], **template)
    else:
        task = tasks.add(["true"], **template, shed_enabled=False)
        wait_for(tasks, first)
        tasks.set(task, shed_enabled=True)
    wait_until(lambda: clone_starts(tasks, task) == [first])
    assert {row.state_id for row in tasks.all_ended()} == {"CS"}


def test_a_start_that_is_committed_after_the_one_that_the_node_slept_for_wakes_it(
    start_node: StartNode, tasks: Tasks, database: Database
) -> None:
    start_node(**QUIET_LEASE)
    first = tasks.add(["true"], state_id="DR", shed_clone=True)
    late = tasks.add(["true"], state_id="DR", shed_clone=True)
    tasks.set(first, next_start=soon(tasks, 0.5))
    with database.connect(autocommit=False) as person, person.cursor() as cursor:
        cursor.execute(
            "UPDATE long_task.task SET next_start = %s WHERE id = %s", (soon(tasks, 2), late)
        )
        wait_until(lambda: clone_starts(tasks, first), describe="the first start")
    wait_until(lambda: clone_starts(tasks, late), describe="the start that came later")


@pytest.mark.parametrize("written", ["before", "meanwhile"])
def test_a_node_without_a_free_slot_moves_schedules_on(
    start_node: StartNode, tasks: Tasks, written: str
) -> None:
    node = start_node(1, 0, 1, **QUIET_LEASE)
    template: dict[str, Any] = {"state_id": "DR", "shed_clone": True}
    if written == "before":
        first = soon(tasks, 2)
        task = tasks.add(["true"], **template, next_start=first)
        running = held(tasks)
    else:
        running = held(tasks)
        first = soon(tasks)
        task = tasks.add(["true"], **template, next_start=first)
    wait_until(lambda: next_start(tasks, task) is None)
    assert clone_starts(tasks, task) == [first]
    assert tasks.row(running).state_id == "AE"
    release(node, running)
    assert {row.state_id for row in tasks.all_ended()} == {"CS"}


@pytest.mark.usefixtures("node")
def test_a_process_is_told_the_time_it_was_scheduled_for_if_a_schedule_started_it(
    tasks: Tasks,
) -> None:
    task = tasks.add(SAY_TIME)
    tasks.ended(task)
    first = soon(tasks, 0).replace(microsecond=0) + SECOND
    tasks.set(task, next_start=first, shed_period_id="SEC", shed_period_count=3600)
    wait_until(lambda: len(tasks.runs(task)) == 2)
    tasks.set(task, next_start=soon(tasks, -0.1))
    wait_until(lambda: len(tasks.runs(task)) == 3)
    tasks.sql("SELECT long_task.run_now(%s)", task)
    wait_until(lambda: len(tasks.runs(task)) == 4)
    by_person, whole, fraction, by_hand = (run.output.strip() for run in tasks.runs(task))
    assert by_person == by_hand == "none"
    assert [None, *map(datetime.fromisoformat, (whole, fraction)), None] == starts(tasks, task)
    assert datetime.fromisoformat(fraction).utcoffset() == timedelta(0)


def test_a_node_that_runs_in_a_scheduled_task_does_not_pass_the_time_of_that_on(
    start_node: StartNode, tasks: Tasks
) -> None:
    start_node(environ={"PG_TASKS_SCHEDULED_FOR": "2030-01-31T12:00:00+00:00"})
    assert tasks.ended(tasks.add(SAY_TIME)).output == "none\n"


@pytest.mark.usefixtures("node")
def test_a_retry_is_told_the_time_of_the_start_that_failed(tasks: Tasks) -> None:
    task = add_ended(tasks, [*shell(f"{SAY_TIME[2]}; exit 1")])
    first = soon(tasks, 0)
    tasks.set(task, max_attempts=3, retry_delay="0", next_start=first)
    wait_until(lambda: len(tasks.runs(task)) == 3)
    assert {datetime.fromisoformat(run.output.strip()) for run in tasks.runs(task)} == {first}
    assert starts(tasks, task) == [first] * 3


@pytest.mark.usefixtures("node")
def test_a_task_that_has_ended_itself_and_works_on_keeps_the_time_of_each_run_apart(
    tasks: Tasks, database: Database, tmp_path: Path
) -> None:
    # Its next start comes when its row has ended, and its process has not.
    task = tasks.add(program("hand_on", "CS", 2, tmp_path), env={"TEST_DSN": database.dsn})
    tasks.in_state(task, "CS")
    first = soon(tasks, 0)
    tasks.set(task, next_start=first)
    wait_until(lambda: len(tasks.runs(task)) == 2)
    assert "overlap" not in (tmp_path / str(task)).read_text()
    assert [(run.started_by, run.scheduled_for) for run in tasks.runs(task)] == [
        ("person", None), ("schedule", first),
    ]  # fmt: skip


def test_a_start_delayed_by_jitter_is_made_without_another_wake_up(
    start_node: StartNode, tasks: Tasks
) -> None:
    start_node(**QUIET_LEASE)
    task = add_ended(tasks, ["true"])
    template = tasks.add(["true"], state_id="DR", shed_clone=True)
    first = soon(tasks)
    for one in (task, template):
        tasks.set(one, jitter="1 second", next_start=first)
    wait_until(lambda: tasks.runs(task) and clone_starts(tasks, template))
    assert {row.state_id for row in tasks.all_ended()} == {"CS"}
    assert starts(tasks, task) == clone_starts(tasks, template) == [first]
    assert all(run.started >= first for run in tasks.sql("SELECT started FROM long_task.task_run"))


@pytest.mark.parametrize(
    ("rules", "itself", "copies"),
    [
        ({}, [], []),
        ({"overlap": "skip"}, [], []),
        ({"overlap": "queue one"}, [2], []),
        ({"missed": "run each"}, [0, 1, 2], []),
        ({"missed": "run each", "overlap": "clone"}, [], [0, 1, 2]),
    ],
)
def test_starts_that_find_the_task_running_go_by_its_rule(
    node: RunningNode, tasks: Tasks, rules: dict[str, object], itself: list[int], copies: list[int]
) -> None:
    task = held(tasks, **rules)
    first = soon(tasks)
    last = first + 2 * SECOND
    tasks.set(task, next_start=first, shed_period_id="SEC", until=last)
    wait_for(tasks, last)
    row = wait_until(lambda: tasks.row(task), lambda row: row.shed_waiting or not row.next_start)
    assert (row.state_id, row.attempt, bool(row.shed_waiting)) == ("AE", 1, bool(itself))
    assert len(clone_starts(tasks, task)) == len(copies)
    for one in tasks.sql("SELECT id FROM long_task.task"):
        release(node, one.id)
    wait_until(lambda: next_start(tasks, task) is None)
    assert {row.state_id for row in tasks.all_ended()} == {"CS"}
    assert starts(tasks, task) == [None, *(first + SECOND * number for number in itself)]
    assert clone_starts(tasks, task) == [first + SECOND * number for number in copies]


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("waiting", [False, True])
def test_a_run_that_is_cancelled_does_not_end_the_schedule(tasks: Tasks, waiting: bool) -> None:
    task = add_ended(tasks, ["sleep", "1000"])
    first = soon(tasks, 0)
    tasks.set(task, overlap="queue one" if waiting else None)
    tasks.set(task, next_start=first, shed_period_id="SEC")
    for attempt in (1, 2):
        wait_until(
            lambda: tasks.row(task),
            lambda row: (
                row.state_id == "AE"
                and row.attempt == attempt  # noqa: B023
                and bool(row.shed_waiting) == waiting
            ),
        )
        tasks.set(task, state_id="AC")
        wait_until(lambda: len(tasks.runs(task)) == attempt)  # noqa: B023
    tasks.set(task, shed_enabled=False)
    tasks.sql("UPDATE long_task.task SET state_id = 'AC' WHERE state_id LIKE 'A%'")
    tasks.ended(task)
    made = starts(tasks, task)
    assert len(set(made)) == len(made)
    assert {run.state_id for run in tasks.runs(task)} == {"CC"}


def test_a_cron_line_is_started_at_the_full_minute(
    start_node: StartNode, tasks: Tasks, database: Database
) -> None:
    def end_minute() -> datetime:
        now = database.clock.now().astimezone(timezone.utc)
        full = now.replace(second=0, microsecond=0) + 60 * SECOND
        database.clock.advance((full - now - SECOND / 2).total_seconds())
        return full

    start_node(**QUIET_LEASE)
    full = end_minute()
    task = add_ended(tasks, ["true"])
    tasks.set(task, cron="* * * * *")
    wait_until(lambda: len(tasks.runs(task)) == 1)
    assert starts(tasks, task) == [full]
    assert next_start(tasks, task) == full + 60 * SECOND
    end_minute()
    # The node sleeps as long as it was told before the clock was set.
    tasks.sql("NOTIFY long_task_group_0")
    wait_until(lambda: len(tasks.runs(task)) == 2)
    assert starts(tasks, task) == series(full, 2, 60 * SECOND)
