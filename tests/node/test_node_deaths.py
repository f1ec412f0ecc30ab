"""What holds when a node or its guardian is killed, frozen, or cut off."""

import signal
from pathlib import Path

from tests.node.conftest import StartNode
from tests.node.running_node import SHORT_LEASE, RunningNode
from tests.node.tasks import Tasks, program, shell
from tests.waiting import wait_until


def history(directory: Path, task_id: int) -> list[str]:
    return (directory / str(task_id)).read_text().splitlines()


def test_when_the_guardian_is_killed_its_tasks_are_too_and_the_node_goes_on(
    node: RunningNode, tasks: Tasks, tmp_path: Path
) -> None:
    directory = tmp_path / "tree"
    directory.mkdir()
    tree = tasks.add(program("tree", "daemon", directory))
    plain = tasks.add(["sleep", "1000"])
    wait_until(lambda: len(list(directory.iterdir())) == 2)
    tasks.in_state(plain, "AE")
    before = node.guardian()
    before.kill()
    for task in (tree, plain):
        row = tasks.ended(task)
        assert (row.state_id, row.error) == ("CF", "Guardian died")
    assert tasks.ended(tasks.add(["echo", "on"])).output == "on\n"
    assert node.guardian() != before
    assert node.tasks() == []


def test_a_task_whose_guardian_died_is_retried(node: RunningNode, tasks: Tasks) -> None:
    task = tasks.add(
        shell('test "$PG_TASKS_ATTEMPT" = 2 || exec sleep 1000'), max_attempts=2, retry_delay="0"
    )
    wait_until(node.tasks)
    node.guardian().kill()
    assert tasks.ended(task).state_id == "CS"
    assert [run.error for run in tasks.runs(task)] == ["Guardian died", None]


def test_a_guardian_that_is_killed_again_and_again_in_a_burst_loses_nothing(
    start_node: StartNode, tasks: Tasks, tmp_path: Path
) -> None:
    node = start_node(1, 0, 8)
    ids = tasks.add_many(
        [program("witness", tmp_path, 0.02)] * 100, max_attempts=100, retry_delay="0"
    )
    for done in (10, 30, 50, 70):
        wait_until(
            lambda done=done: tasks.sql(  # type: ignore[misc]
                "SELECT 1 FROM long_task.task WHERE state_id = 'CS' OFFSET %s LIMIT 1", done
            )
        )
        node.guardian().kill()
    assert {row.state_id for row in tasks.all_ended()} == {"CS"}
    for task in ids:
        assert history(tmp_path, task)[-1].startswith("end")
        assert not any(line.startswith("overlap") for line in history(tmp_path, task))


def test_when_the_node_is_killed_nothing_of_its_tasks_survives(
    start_node: StartNode, tasks: Tasks, tmp_path: Path
) -> None:
    node = start_node()
    kinds = {"daemon": 2, "stubborn": 5, "stopped": 2}
    for kind, count in kinds.items():
        (tmp_path / kind).mkdir()
        tasks.add(program("tree", kind, tmp_path / kind), kill_grace="1000 seconds")
        wait_until(lambda kind=kind, count=count: len(list((tmp_path / kind).iterdir())) == count)  # type: ignore[misc]
    node.signal(signal.SIGKILL)
    wait_until(node.alive, lambda found: not found, describe="nothing to be alive")


def test_a_node_started_later_recovers_what_a_killed_one_had_by_the_rule_of_retries(
    start_node: StartNode, tasks: Tasks, tmp_path: Path
) -> None:
    node = start_node(**SHORT_LEASE)
    once = tasks.add(["sleep", "1000"])
    twice = tasks.add(
        shell('test "$PG_TASKS_ATTEMPT" = 2 || exec sleep 1000'), max_attempts=2, retry_delay="0"
    )
    deleted = tasks.add(["sleep", "1000"])
    cancelled = tasks.add(["sleep", "1000"])
    wait_until(node.tasks, lambda found: len(found) == 4)
    node.signal(signal.SIGKILL)
    wait_until(node.alive, lambda found: not found)
    tasks.set(cancelled, state_id="AC")
    tasks.sql("DELETE FROM long_task.task WHERE id = %s", deleted)
    start_node(**SHORT_LEASE)
    row = tasks.ended(once)
    assert (row.state_id, row.error, row.attempt) == ("CF", "Worker failed", 1)
    assert (tasks.ended(twice).state_id, tasks.row(twice).attempt) == ("CS", 2)
    assert tasks.ended(cancelled).state_id == "CC"
    assert [run.error for run in tasks.runs(twice)] == ["Worker failed", None]
    assert [run.state_id for run in tasks.runs(deleted)] == ["CC"]


def test_a_node_that_is_frozen_past_its_lease_has_no_tasks_when_another_one_has_them(
    start_node: StartNode, launch: StartNode, tasks: Tasks, tmp_path: Path
) -> None:
    frozen = start_node(**SHORT_LEASE)
    task = tasks.add(
        program("witness", tmp_path, 1000), max_attempts=2, retry_delay="0", timeout="1 hour"
    )
    witness = tmp_path / str(task)
    wait_until(lambda: witness.exists() and witness.read_text() == "begin 1\n")
    standby = launch(**SHORT_LEASE)
    standby.says("event=standby")
    frozen.signal(signal.SIGSTOP)
    standby.serves()
    wait_until(lambda: len(history(tmp_path, task)) == 2, describe="a second witness")
    assert history(tmp_path, task) == ["begin 1", "begin 2"]
    assert frozen.tasks() == []
    frozen.signal(signal.SIGCONT)
    frozen.says("event=lease_lost")
    frozen.says("event=standby")
    tasks.set(task, state_id="AC")
    assert tasks.ended(task).state_id == "CC"
    assert [run.error for run in tasks.runs(task)] == ["Worker failed", "cancelled"]


def test_a_frozen_task_process_is_no_obstacle_to_its_end(node: RunningNode, tasks: Tasks) -> None:
    task = tasks.add(["sleep", "1000"], kill_grace="0.1 seconds")
    (process,) = wait_until(node.tasks)
    process.suspend()
    tasks.set(task, state_id="AC")
    assert tasks.ended(task).state_id == "CC"


def test_killing_a_task_from_outside_is_its_end_like_any_other(
    node: RunningNode, tasks: Tasks
) -> None:
    task = tasks.add(["sleep", "1000"])
    (process,) = wait_until(node.tasks)
    process.kill()
    row = tasks.ended(task)
    assert (row.state_id, row.signal, row.error) == ("CF", 9, "signal 9 (SIGKILL)")
