"""Which task is started, where and when."""

from pathlib import Path

import pytest

from tests.node.conftest import StartNode
from tests.node.running_node import RunningNode
from tests.node.tasks import Tasks, program, shell

ORDER = shell('echo "$PG_TASKS_TASK_ID" >> order')


def order(node: RunningNode) -> list[int]:
    """The tasks that ran ``ORDER``, in the order in which they did."""
    return [int(line) for line in (node.root / "order").read_text().split()]


def test_the_smallest_priority_goes_first_and_then_who_came_first(
    start_node: StartNode, tasks: Tasks
) -> None:
    queued = [(tasks.add(ORDER, priority=priority), priority) for priority in (5, 0, -3, 5, 0, -3)]
    node = start_node(1, 0, 1)
    tasks.all_ended()
    assert order(node) == [task for task, _ in sorted(queued, key=lambda one: (one[1], one[0]))]


def test_who_came_first_is_told_by_the_time_of_becoming_ready(
    start_node: StartNode, tasks: Tasks
) -> None:
    draft = tasks.add(ORDER, state_id="DR")
    first, second = tasks.add(ORDER), tasks.add(ORDER)
    tasks.set(draft, state_id="AW")
    node = start_node(1, 0, 1)
    tasks.all_ended()
    assert order(node) == [first, second, draft]


@pytest.mark.parametrize("slots", [1, 3])
def test_there_are_never_more_processes_than_slots(
    start_node: StartNode, tasks: Tasks, tmp_path: Path, slots: int
) -> None:
    start_node(1, 0, slots)
    tasks.add_many([program("slots", tmp_path, slots, 0.02)] * 20 * slots)
    rows = tasks.all_ended()
    assert {row.exit_code for row in rows} == {0}


def test_as_many_processes_as_slots_run_at_once(start_node: StartNode, tasks: Tasks) -> None:
    start_node(1, 0, 5)
    meet = shell("touch met-$PG_TASKS_TASK_ID; while [ $(ls met-* | wc -l) -lt 5 ]; do :; done")
    tasks.add_many([meet] * 5)
    assert {row.state_id for row in tasks.all_ended()} == {"CS"}


def test_slots_hold_when_tasks_fail_are_cancelled_and_cannot_be_started(
    start_node: StartNode, tasks: Tasks, tmp_path: Path
) -> None:
    start_node(1, 0, 2)
    place = program("slots", tmp_path, 2, 0.05)
    ids = tasks.add_many([place, ["no-such-program"], shell("exit 3"), place] * 10)
    for task in ids[::5]:
        tasks.sql(
            "UPDATE long_task.task SET state_id = 'AC' WHERE id = %s AND state_id LIKE 'A%%'", task
        )
    rows = tasks.all_ended()
    assert 9 not in {row.exit_code for row in rows}


def test_a_task_for_one_worker_is_run_by_no_other(start_node: StartNode, tasks: Tasks) -> None:
    start_node(1, 0, 4)
    start_node(2, 0, 1)
    pinned = tasks.add_many([["true"]] * 10, worker_id=2)
    nobodys = tasks.add(["true"], worker_id=3)
    for task in pinned:
        row = tasks.ended(task)
        assert (row.worker_id, tasks.runs(task)[0].worker_id) == (2, 2)
    assert tasks.row(nobodys).state_id == "AW"


def test_a_task_for_one_worker_is_retried_by_that_one(start_node: StartNode, tasks: Tasks) -> None:
    start_node(1, 0, 4)
    start_node(2, 0, 1)
    task = tasks.add(["false"], worker_id=2, max_attempts=4, retry_delay="0")
    tasks.ended(task)
    assert [run.worker_id for run in tasks.runs(task)] == [2, 2, 2, 2]


def test_a_worker_takes_the_tasks_of_its_group_only(start_node: StartNode, tasks: Tasks) -> None:
    start_node(1, 5, 4)
    others = tasks.add(["true"], group_id=6)
    own = tasks.add(["true"], group_id=5)
    assert tasks.ended(own).worker_id == 1
    assert tasks.row(others).state_id == "AW"
    tasks.set(others, group_id=5)
    assert tasks.ended(others).worker_id == 1


def test_two_workers_share_the_tasks_of_their_group(
    start_node: StartNode, tasks: Tasks, tmp_path: Path
) -> None:
    start_node(1, 0, 2)
    start_node(2, 0, 2)
    tasks.add_many([program("witness", tmp_path, 0.05)] * 40)
    rows = tasks.all_ended()
    assert {row.state_id for row in rows} == {"CS"}
    assert {row.worker_id for row in rows} == {1, 2}


def test_a_task_is_not_started_before_its_time(node: RunningNode, tasks: Tasks) -> None:
    (soon,) = tasks.sql("SELECT long_task.clock() + interval '0.4 seconds' AS at")
    task = tasks.add(["true"], start_after=soon.at)
    assert tasks.row(task).state_id == "AD"
    assert tasks.ended(task).started >= soon.at


def test_a_time_that_is_moved_to_the_front_starts_the_task(node: RunningNode, tasks: Tasks) -> None:
    (later,) = tasks.sql("SELECT long_task.clock() + interval '1 hour' AS at")
    task = tasks.add(["true"], start_after=later.at)
    assert tasks.row(task).state_id == "AD"
    tasks.set(task, start_after=None)
    assert tasks.ended(task).state_id == "CS"


def test_a_draft_is_not_started_until_it_is_queued(node: RunningNode, tasks: Tasks) -> None:
    draft = tasks.add(["true"], state_id="DR", priority=-100)
    tasks.ended(tasks.add(["true"], priority=100))
    assert (tasks.row(draft).state_id, tasks.row(draft).attempt) == ("DR", 0)
    tasks.set(draft, state_id="AW")
    assert tasks.ended(draft).state_id == "CS"


def test_a_task_that_is_cancelled_while_it_waits_never_runs(
    start_node: StartNode, tasks: Tasks
) -> None:
    cancelled, other = tasks.add(ORDER), tasks.add(ORDER)
    tasks.set(cancelled, state_id="AC")
    node = start_node(1, 0, 1)
    tasks.ended(other)
    assert order(node) == [other]
    assert (tasks.row(cancelled).state_id, tasks.runs(cancelled)) == ("CC", [])


def test_a_task_that_has_ended_can_be_queued_again(node: RunningNode, tasks: Tasks) -> None:
    task = tasks.add(shell('echo "$PG_TASKS_ATTEMPT"; test "$PG_TASKS_ATTEMPT" = 2'))
    assert tasks.ended(task).state_id == "CF"
    tasks.set(task, state_id="AW", worker_id=None)
    row = tasks.ended(task)
    assert (row.state_id, row.attempt, row.output, row.error) == ("CS", 2, "2\n", None)
    assert [(run.attempt, run.state_id) for run in tasks.runs(task)] == [(1, "CF"), (2, "CS")]


def test_a_task_can_be_edited_between_two_runs(node: RunningNode, tasks: Tasks) -> None:
    task = tasks.add(["echo", "one"])
    tasks.ended(task)
    tasks.set(task, state_id="DR")
    tasks.set(task, command=["echo", "two"])
    tasks.set(task, state_id="AW")
    assert tasks.ended(task).output == "two\n"


def test_a_thousand_rows_of_one_statement_all_run_once(
    start_node: StartNode, tasks: Tasks, tmp_path: Path
) -> None:
    start_node(1, 0, 8, root=tmp_path)
    ids = tasks.add_many([ORDER] * 1000)
    tasks.all_ended()
    assert sorted(map(int, (tmp_path / "order").read_text().split())) == ids
