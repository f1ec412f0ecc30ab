"""AC, AS, timeout and DELETE: what is to end ends, with everything that belongs to it."""

from pathlib import Path

import psutil
import pytest

from tests.node.conftest import StartNode
from tests.node.running_node import RunningNode
from tests.node.tasks import Tasks, program, shell
from tests.waiting import wait_until

TREES = {"forks": 7, "stubborn": 5, "daemon": 2, "wiped": 2, "stopped": 2}
"""Kinds of trees, and the number of their processes."""
STUBBORN = shell("trap 'echo heard' TERM; touch ready; while :; do sleep 0.05; done")


def grown(directory: Path, count: int) -> list[psutil.Process]:
    """Waits until the tree is as large as it gets; its processes."""
    wait_until(
        lambda: list(directory.iterdir()),
        lambda found: len(found) == count,
        describe=f"a tree of {count} processes",
    )
    return [psutil.Process(int(path.name)) for path in directory.iterdir()]


def are_gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() for process in processes)


@pytest.mark.parametrize("kind", TREES)
def test_of_a_cancelled_tree_nothing_is_left(
    node: RunningNode, tasks: Tasks, tmp_path: Path, kind: str
) -> None:
    directory = tmp_path / "tree"
    directory.mkdir()
    task = tasks.add(program("tree", kind, directory), kill_grace="0.2 seconds")
    tree = grown(directory, TREES[kind])
    tasks.set(task, state_id="AC")
    row = tasks.ended(task)
    assert are_gone(tree)
    assert node.tasks() == []
    assert (row.state_id, row.error, row.exit_code) == ("CC", "cancelled", None)
    assert row.signal in (9, 15)


def test_what_a_process_leaves_behind_is_ended_before_its_end_is_told(
    node: RunningNode, tasks: Tasks, tmp_path: Path
) -> None:
    directory = tmp_path / "tree"
    directory.mkdir()
    task = tasks.add(program("tree", "left", directory), kill_grace="0.2 seconds")
    row = tasks.ended(task)
    assert node.tasks() == []
    assert len(list(directory.iterdir())) == 3
    assert (row.state_id, row.exit_code, row.error) == ("CS", 0, None)


def test_cancelling_one_tree_leaves_the_others_alone(
    node: RunningNode, tasks: Tasks, tmp_path: Path
) -> None:
    trees = {}
    for kind in ("daemon", "forks"):
        (tmp_path / kind).mkdir()
        task = tasks.add(program("tree", kind, tmp_path / kind), kill_grace="0.1 seconds")
        trees[task] = grown(tmp_path / kind, TREES[kind])
    (daemon, daemons), (forks, others) = trees.items()
    tasks.set(daemon, state_id="AC")
    assert tasks.ended(daemon).state_id == "CC"
    assert are_gone(daemons)
    assert all(process.is_running() for process in others)
    tasks.set(forks, state_id="AC")
    assert tasks.ended(forks).state_id == "CC"


def test_a_process_has_its_grace_between_term_and_kill(node: RunningNode, tasks: Tasks) -> None:
    task = tasks.add(STUBBORN, kill_grace="0.5 seconds")
    wait_until((node.root / "ready").exists)
    tasks.set(task, state_id="AC")
    (asked,) = tasks.sql("SELECT last_state_change AS at FROM long_task.task WHERE id = %s", task)
    row = tasks.ended(task)
    assert (row.state_id, row.signal) == ("CC", 9)
    assert (row.finished - asked.at).total_seconds() >= 0.5


def test_a_process_may_clean_up_when_it_is_cancelled(
    node: RunningNode, tasks: Tasks, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    task = tasks.add(
        shell(f"trap 'echo clean; exit 0' TERM; touch {ready}; while :; do sleep 0.02; done"),
        kill_grace="60 seconds",
    )
    wait_until(ready.exists)
    tasks.set(task, state_id="AC")
    row = tasks.ended(task)
    assert (row.state_id, row.exit_code) == ("CC", 0)
    assert row.output.endswith("clean\n")


@pytest.mark.parametrize(
    ("at_term", "state", "code"), [("exit 0", "CS", 0), ("exit 5", "CF", 5), ("", "CF", None)]
)
def test_a_process_that_is_asked_to_stop_decides_how_it_ends(
    node: RunningNode, tasks: Tasks, tmp_path: Path, at_term: str, state: str, code: int | None
) -> None:
    ready = tmp_path / "ready"
    trap = f"trap '{at_term}' TERM;" if at_term else ""
    task = tasks.add(shell(f"{trap} touch {ready}; while :; do sleep 0.02; done"))
    wait_until(ready.exists)
    tasks.set(task, state_id="AS")
    row = tasks.ended(task)
    assert (row.state_id, row.exit_code) == (state, code)
    assert row.error == {"CS": None, "CF": "exit code 5" if code else "signal 15 (SIGTERM)"}[state]


def test_a_process_that_was_asked_to_stop_is_not_killed_until_it_is_cancelled(
    node: RunningNode, tasks: Tasks, tmp_path: Path
) -> None:
    ready, heard = tmp_path / "ready", tmp_path / "heard"
    task = tasks.add(
        shell(f"trap 'touch {heard}' TERM; touch {ready}; while :; do sleep 0.02; done"),
        kill_grace="0.1 seconds",
    )
    wait_until(ready.exists)
    tasks.set(task, state_id="AS")
    wait_until(heard.exists)
    tasks.ended(tasks.add(["sleep", "0.3"]))
    assert tasks.row(task).state_id == "AS"
    tasks.set(task, state_id="AC")
    assert tasks.ended(task).state_id == "CC"


def test_a_task_that_is_stopped_is_not_retried(
    node: RunningNode, tasks: Tasks, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    task = tasks.add(shell(f"touch {ready}; exec sleep 1000"), max_attempts=5, retry_delay="0")
    wait_until(ready.exists)
    tasks.set(task, state_id="AS")
    row = tasks.ended(task)
    assert (row.state_id, row.attempt) == ("CF", 1)


def test_a_task_that_takes_longer_than_its_timeout_is_killed_and_fails(
    node: RunningNode, tasks: Tasks, tmp_path: Path
) -> None:
    directory = tmp_path / "tree"
    directory.mkdir()
    task = tasks.add(
        program("tree", "stubborn", directory), timeout="1 second", kill_grace="0.1 seconds"
    )
    row = tasks.ended(task)
    assert node.tasks() == []
    assert (row.state_id, row.error, row.signal) == ("CF", "timeout after 00:00:01", 9)
    assert (row.finished - row.started).total_seconds() >= 1


def test_a_task_that_is_in_time_is_not_touched_by_its_timeout(
    node: RunningNode, tasks: Tasks
) -> None:
    assert tasks.ended(tasks.add(["true"], timeout="1 hour")).state_id == "CS"


def test_a_timeout_is_a_failure_that_is_retried(node: RunningNode, tasks: Tasks) -> None:
    task = tasks.add(
        shell('test "$PG_TASKS_ATTEMPT" = 2 || exec sleep 1000'),
        timeout="0.2 seconds",
        max_attempts=2,
        retry_delay="0",
    )
    assert tasks.ended(task).state_id == "CS"
    assert [run.error for run in tasks.runs(task)] == ["timeout after 00:00:00.2", None]


def test_deleting_an_executing_task_kills_its_tree_and_keeps_its_run(
    node: RunningNode, tasks: Tasks, tmp_path: Path
) -> None:
    directory = tmp_path / "tree"
    directory.mkdir()
    task = tasks.add(program("tree", "daemon", directory), kill_grace="0.1 seconds")
    tree = grown(directory, TREES["daemon"])
    tasks.sql("DELETE FROM long_task.task WHERE id = %s", task)
    (run,) = wait_until(lambda: tasks.runs(task), describe="the run of the deleted task")
    assert (run.state_id, run.error, run.signal) == ("CC", "task deleted", 9)
    assert run.pid in {process.pid for process in tree}
    assert are_gone(tree)
    assert node.tasks() == []
    assert tasks.ended(tasks.add(["true"])).state_id == "CS"


def test_truncating_the_table_kills_whatever_runs(node: RunningNode, tasks: Tasks) -> None:
    ids = tasks.add_many([["sleep", "1000"]] * 4)
    for task in ids:
        tasks.in_state(task, "AE")
    tasks.sql("TRUNCATE long_task.task")
    wait_until(lambda: all(tasks.runs(task) for task in ids), describe="the runs of all")
    assert node.tasks() == []


def test_many_tasks_can_be_cancelled_by_one_statement(start_node: StartNode, tasks: Tasks) -> None:
    node = start_node(1, 0, 50)
    tasks.add_many([["sleep", "1000"]] * 100)
    wait_until(node.tasks, lambda found: len(found) == 50, describe="50 sleepers")
    tasks.sql("UPDATE long_task.task SET state_id = 'AC' WHERE state_id LIKE 'A%'")
    rows = tasks.all_ended()
    assert {row.state_id for row in rows} == {"CC"}
    assert sorted(row.attempt for row in rows) == [0] * 50 + [1] * 50
    assert node.tasks() == []


def test_a_task_cancelled_in_the_moment_of_its_start_ends_cancelled(
    node: RunningNode, tasks: Tasks
) -> None:
    for _ in range(30):
        task = tasks.add(["sleep", "1000"])
        wait_until(lambda task=task: tasks.row(task).state_id == "AE")  # type: ignore[misc]
        tasks.set(task, state_id="AC")
        assert tasks.ended(task).state_id == "CC"
    assert node.tasks() == []
