"""Failed attempts are repeated by the rule of their row."""

import pytest

from tests.node.running_node import RunningNode
from tests.node.tasks import Tasks, shell

THIRD_TIME_LUCKY = shell('echo "try $PG_TASKS_ATTEMPT"; test "$PG_TASKS_ATTEMPT" -ge 3')


@pytest.mark.parametrize("delay", ["0", "0.05 seconds"])
def test_a_task_that_fails_is_repeated_until_it_succeeds(
    node: RunningNode, tasks: Tasks, delay: str
) -> None:
    task = tasks.add(THIRD_TIME_LUCKY, max_attempts=5, retry_delay=delay)
    row = tasks.ended(task)
    assert (row.state_id, row.attempt, row.error, row.output) == ("CS", 3, None, "try 3\n")
    runs = tasks.runs(task)
    assert [run.state_id for run in runs] == ["CF", "CF", "CS"]
    assert [run.output for run in runs] == ["try 1\n", "try 2\n", "try 3\n"]
    assert [run.started_by for run in runs] == ["person", "retry", "retry"]


def test_a_task_that_goes_on_failing_fails_after_its_last_attempt(
    node: RunningNode, tasks: Tasks
) -> None:
    task = tasks.add(["false"], max_attempts=4, retry_delay="0")
    row = tasks.ended(task)
    assert (row.state_id, row.attempt, row.error) == ("CF", 4, "exit code 1")
    assert len(tasks.runs(task)) == 4


def test_the_wait_between_attempts_doubles(node: RunningNode, tasks: Tasks) -> None:
    task = tasks.add(["false"], max_attempts=4, retry_delay="0.1 seconds")
    tasks.ended(task)
    runs = tasks.runs(task)
    waits = [
        (after.started - before.finished).total_seconds()
        for before, after in zip(runs, runs[1:], strict=False)
    ]
    assert [wait >= least for wait, least in zip(waits, (0.1, 0.2, 0.4), strict=True)] == [True] * 3


def test_a_task_that_is_queued_again_has_all_its_attempts_again(
    node: RunningNode, tasks: Tasks
) -> None:
    task = tasks.add(["false"], max_attempts=2, retry_delay="0")
    tasks.ended(task)
    tasks.set(task, state_id="AW", worker_id=None)
    assert tasks.ended(task).attempt == 4


def test_a_task_that_waits_for_its_next_attempt_can_be_cancelled(
    node: RunningNode, tasks: Tasks
) -> None:
    task = tasks.add(["false"], max_attempts=2, retry_delay="1 hour")
    tasks.in_state(task, "AD")
    tasks.set(task, state_id="AC")
    row = tasks.ended(task)
    assert (row.state_id, row.attempt) == ("CC", 1)


def test_an_attempt_that_waits_holds_no_slot(node: RunningNode, tasks: Tasks) -> None:
    waiting = tasks.add_many([["false"]] * 8, max_attempts=2, retry_delay="1 hour")
    for task in waiting:
        tasks.in_state(task, "AD")
    assert tasks.ended(tasks.add(["true"])).state_id == "CS"
