"""Whether a node of this machine is dead, and whether anything of it is alive."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pg_tasks.guardian.tree import ProcessTree
from pg_tasks.node import run_dir
from pg_tasks.node.remains import Proof, judge, kill_remains, name_process


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
    boot, host, account, _, nonce = name_process().split("/")
    return f"{boot}/{host}/{account}/{name}/{nonce}"


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


def test_of_a_machine_that_went_on_from_the_same_snapshot_nothing_is_known(dead: str) -> None:
    boot, host, *rest = _process_of(dead).split("/")
    assert judge("/".join([boot, host + "-2", *rest])) is Proof.NONE


def test_root_judges_all_accounts_and_others_their_own(
    dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot, host, _, *rest = _process_of(dead).split("/")
    process = "/".join([boot, host, "4711", *rest])
    for account, proof in ((0, Proof.DEAD), (4711, Proof.DEAD), (4712, Proof.NONE)):
        monkeypatch.setattr(os, "geteuid", lambda account=account: account)
        assert judge(process) is proof


def test_where_processes_are_hidden_nothing_is_known(
    dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = ProcessTree.look
    monkeypatch.setattr(
        ProcessTree, "look", lambda self, pid: None if pid == 1 else look(self, pid)
    )
    assert judge(_process_of(dead)) is Proof.NONE
    assert not run_dir.is_dead(dead, ProcessTree())


def test_of_another_pid_namespace_nothing_is_known(dead: str) -> None:
    _, pid, started = dead.split("-")
    assert judge(_process_of(f"1-{pid}-{started}")) is Proof.NONE


def test_what_a_dead_node_has_left_is_killed_first(dead: str) -> None:
    with _process(PG_TASKS_RESULT=f"/tmp/anywhere/{dead}/7-1.json") as left:
        assert judge(_process_of(dead)) is Proof.DYING
        left.wait()
        assert judge(_process_of(dead)) is Proof.DEAD


@contextmanager
def _guardian(name: str, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    program = directory / "guardian" / "__main__.py"
    program.parent.mkdir()
    program.write_text("import time; time.sleep(600)")
    argument = f'{{"run_dir":"/tmp/anywhere/{name}","root":"/"}}'
    guardian = subprocess.Popen([sys.executable, "-I", "-S", str(program), "0", argument])
    try:
        yield guardian
    finally:
        guardian.kill()
        guardian.wait()


def test_a_dead_node_is_dying_for_as_long_as_its_guardian_lives(dead: str, tmp_path: Path) -> None:
    with (
        _guardian(dead, tmp_path) as guardian,
        _process(PG_TASKS_RESULT=f"/tmp/anywhere/{dead}/7-1.json") as left,
    ):
        assert judge(_process_of(dead)) is Proof.DYING
        assert kill_remains() == 0
        assert (guardian.poll(), left.poll()) == (None, None)
    assert judge(_process_of(dead)) is Proof.DEAD


@pytest.mark.parametrize("look", [judge, lambda _: kill_remains()])
def test_a_guardian_of_a_dead_node_that_is_stopped_is_killed_with_its_tasks(
    dead: str, tmp_path: Path, look: Callable[[str], object]
) -> None:
    with (
        _guardian(dead, tmp_path) as guardian,
        _process(PG_TASKS_RESULT=f"/tmp/anywhere/{dead}/7-1.json") as left,
    ):
        guardian.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, guardian.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        look(_process_of(dead))
        assert (guardian.wait(60), left.wait(60)) == (-signal.SIGKILL, -signal.SIGKILL)
        assert judge(_process_of(dead)) is Proof.DEAD
