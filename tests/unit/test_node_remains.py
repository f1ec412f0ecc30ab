"""Whether a node of this machine is dead, and whether anything of it is alive."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pg_tasks.guardian.tree import ProcessTree
from pg_tasks.node import run_dir
from pg_tasks.node.remains import Proof, judge, name_process


@contextmanager
def _process(**environ: str) -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(["sleep", "600"], env={**os.environ, **environ})
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def _name(pid: int) -> str:
    process = ProcessTree().look(pid)
    assert process is not None
    namespace, _, _ = run_dir.name_process(ProcessTree()).split("-")
    return f"{namespace}-{pid}-{process.started}"


def _process_of(name: str) -> str:
    boot, _, nonce = name_process().split("/")
    return f"{boot}/{name}/{nonce}"


@pytest.fixture
def dead() -> str:
    """The name of a process that has ended."""
    with _process() as process:
        return _name(process.pid)


def test_a_process_names_itself_anew_each_time() -> None:
    first, second = name_process(), name_process()
    assert first != second
    assert first.rpartition("/")[0] == second.rpartition("/")[0]


def test_this_process_is_alive() -> None:
    assert judge(name_process()) is Proof.NONE


def test_a_process_that_has_ended_is_dead(dead: str) -> None:
    assert judge(_process_of(dead)) is Proof.DEAD


def test_a_process_that_has_ended_is_dead_before_its_parent_has_taken_note() -> None:
    with _process() as process:
        name = _name(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert judge(_process_of(name)) is Proof.DEAD


def test_a_pid_that_came_again_is_not_the_process(dead: str) -> None:
    namespace, _, started = dead.split("-")
    assert judge(_process_of(f"{namespace}-{os.getpid()}-{started}")) is Proof.DEAD


@pytest.mark.parametrize(
    "process", ["", "a", "a/b/c", "other-boot/1-2-3/x", "/1-2-3/x", "boot//", "boot/1-2/x"]
)
def test_of_a_process_of_another_machine_nothing_is_known(process: str) -> None:
    assert judge(process) is Proof.NONE


def test_of_another_pid_namespace_nothing_is_known(dead: str) -> None:
    _, pid, started = dead.split("-")
    assert judge(_process_of(f"1-{pid}-{started}")) is Proof.NONE


def test_what_a_dead_node_has_left_is_killed_first(dead: str) -> None:
    with _process(PG_TASKS_RESULT=f"/tmp/anywhere/{dead}/7-1.json") as left:
        assert judge(_process_of(dead)) is Proof.DYING
        left.wait()
        assert judge(_process_of(dead)) is Proof.DEAD


def test_a_dead_node_is_dying_for_as_long_as_its_guardian_lives(dead: str, tmp_path: Path) -> None:
    program = tmp_path / "guardian" / "__main__.py"
    program.parent.mkdir()
    program.write_text("import time; time.sleep(600)")
    argument = f'{{"run_dir":"/tmp/anywhere/{dead}","root":"/"}}'
    guardian = subprocess.Popen([sys.executable, "-I", "-S", str(program), "0", argument])
    try:
        assert judge(_process_of(dead)) is Proof.DYING
        assert guardian.poll() is None
    finally:
        guardian.kill()
        guardian.wait()
    assert judge(_process_of(dead)) is Proof.DEAD
