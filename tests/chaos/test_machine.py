"""The machine of the node has no disk or no processes left, or the command is none."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.limits import ProcessLimit, small_disk
from tests.chaos.witnesses import Witnesses
from tests.node.conftest import StartNode
from tests.node.running_node import RunningNode
from tests.node.tasks import shell
from tests.waiting import wait_until


@pytest.fixture
def process_limit() -> Iterator[ProcessLimit]:
    limit = ProcessLimit()
    yield limit
    limit.close()


def test_a_full_disk_for_output_costs_the_files_and_nothing_else(
    start_node: StartNode, witnesses: Witnesses, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    node = start_node(1, 0, 4, prefix=small_disk(disk), output_dir=disk / "output")
    loud = [
        witnesses.tasks.add(shell("head -c 300000 /dev/zero | tr '\\0' x; echo end"))
        for _ in range(4)
    ]
    for task in loud:
        row = witnesses.tasks.ended(task)
        assert (row.state_id, row.output[-6:]) == ("CS", "xxend\n")
    node.says("event=output_file_failed")
    witnesses.add_many(20, 0.02)
    witnesses.add_many(5, 0.02, code=3)
    ends = [row.state_id for row in witnesses.tasks.all_ended()]
    assert ends == ["CS"] * 24 + ["CF"] * 5


def test_a_task_that_finds_the_disk_full_fails_by_itself_and_the_node_goes_on(
    start_node: StartNode, witnesses: Witnesses, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    start_node(1, 0, 4, prefix=small_disk(disk), run_dir=disk / "run", output_dir=disk / "output")
    filling = witnesses.tasks.add(shell('head -c 300000 /dev/zero > "$PG_TASKS_RESULT"'))
    row = witnesses.tasks.ended(filling)
    assert row.state_id == "CF"
    assert "No space left on device" in row.output
    assert witnesses.tasks.ended(witnesses.add(0.02)).state_id == "CS"


def test_when_the_machine_has_no_more_processes_tasks_fail_and_say_so(
    start_node: StartNode, witnesses: Witnesses, process_limit: ProcessLimit
) -> None:
    node = start_node(1, 0, 8)
    process_limit.contain(node.pid, *(guardian.pid for guardian in node.guardians()))
    process_limit.set(2)
    running = witnesses.add_many(2, 600)
    for task in running:
        witnesses.begins(task)
    ids = witnesses.add_many(4, 0)
    patient = witnesses.add(0, max_attempts=1000, retry_delay="0.02 seconds")
    for task in ids:
        row = witnesses.tasks.ended(task)
        assert (row.state_id, row.exit_code) == ("CF", None)
        assert row.error.startswith("no more processes can be started on this machine")
        assert [run.pid for run in witnesses.tasks.runs(task)] == [None]
    wait_until(lambda: witnesses.tasks.row(patient).attempt > 1)
    process_limit.set(None)
    assert witnesses.tasks.ended(patient).state_id == "CS"
    assert len(node.tasks()) == 2
    for task in running:
        witnesses.tasks.set(task, state_id="AC")
    witnesses.judge()


@pytest.mark.parametrize(
    ("command", "cwd", "error"),
    [
        ("./no-such", None, "command not found: ./no-such"),
        ("./plain", None, "not executable: ./plain"),
        ("true", "missing", "working directory does not exist: missing"),
    ],
)
def test_what_could_not_be_started_is_told_and_runs_when_it_can(
    start_node: StartNode,
    witnesses: Witnesses,
    tmp_path: Path,
    command: str,
    cwd: str | None,
    error: str,
) -> None:
    node = start_node()
    (node.root / "plain").write_text("#!/bin/sh\n")
    once = witnesses.tasks.add([command], cwd=cwd)
    again = witnesses.tasks.add([command], cwd=cwd, max_attempts=1000, retry_delay="0.02 seconds")
    row = witnesses.tasks.ended(once)
    assert (row.state_id, row.error) == ("CF", error)
    assert [run.pid for run in witnesses.tasks.runs(once)] == [None]
    wait_until(lambda: witnesses.tasks.row(again).attempt > 1)
    mend(node)
    assert witnesses.tasks.ended(again).state_id == "CS"
    assert witnesses.tasks.ended(witnesses.add(0)).state_id == "CS"


def mend(node: RunningNode) -> None:
    """Makes there be what the tasks above miss."""
    (node.root / "missing").mkdir()
    (node.root / "plain").chmod(0o755)
    shutil.copy("/bin/true", node.root / "no-such.new")
    (node.root / "no-such.new").rename(node.root / "no-such")
