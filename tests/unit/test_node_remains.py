"""Whether a node of this machine is dead, and whether anything of it is alive."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pg_tasks.guardian import tree
from pg_tasks.guardian.tree import Process, ProcessTree
from pg_tasks.node import remains, run_dir
from pg_tasks.node.remains import Proof, judge, kill_remains, name_process
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def _own_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead nodes of these tests are not those of nodes that run beside, nor the other way round:
    each would kill what the other has left."""
    number = int(f"{Path('/proc/self/ns/pid').stat().st_ino}{os.getpid()}")
    monkeypatch.setattr(run_dir, "_namespace", lambda: number)


@contextmanager
def _process(**environ: str) -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(["sleep", "600"], env={**os.environ, **environ})
    # Popen returns in the middle of execve(2), when the kernel shows no environment yet.
    wait_until(lambda: ProcessTree().has_environment(started.pid))
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


def _verdict(process: str) -> Proof:
    """Asked again: anybody's process may be in the middle of execve(2)."""
    return wait_until(lambda: judge(process), lambda proof: proof is not Proof.DYING)


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
    assert _verdict(_process_of(dead)) is Proof.DEAD


def test_a_process_that_has_ended_is_dead_before_its_parent_has_taken_note() -> None:
    with _process() as process:
        name = _name(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert _verdict(_process_of(name)) is Proof.DEAD


def test_a_pid_that_came_again_is_not_the_process(dead: str) -> None:
    namespace, _, started = dead.split("-")
    assert _verdict(_process_of(f"{namespace}-{os.getpid()}-{started}")) is Proof.DEAD


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
        assert _verdict(process) is proof


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
        assert _verdict(_process_of(dead)) is Proof.DEAD


_looks = pytest.mark.parametrize("look", [judge, lambda _: kill_remains()], ids=["judge", "all"])
_WITHOUT_FIRST_THREAD = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""


@_looks
def test_a_process_whose_first_thread_has_ended_is_not_passed_over(
    dead: str, look: Callable[[str], object]
) -> None:
    result = f"/tmp/anywhere/{dead}/7-1.json"
    command = [sys.executable, "-I", "-S", "-c", _WITHOUT_FIRST_THREAD]
    with subprocess.Popen(command, env={**os.environ, "PG_TASKS_RESULT": result}) as left:
        try:
            stat = Path(f"/proc/{left.pid}/stat")
            wait_until(lambda: ") Z " in stat.read_text(), describe="its first thread to end")
            assert look(_process_of(dead)) in (Proof.DYING, 1)
            assert left.wait(60) == -signal.SIGKILL
        finally:
            left.kill()


def _show_in_execve(
    monkeypatch: pytest.MonkeyPatch, pid: int, before: bytes, looks: int = 1
) -> None:
    """What the kernel shows of ``pid`` until its environment was asked for ``looks`` times.

    ``before``: where its code lies until then.
    """
    read = tree._read
    left = looks

    def read_in_execve(path: bytes, limit: int = 1 << 30) -> bytes:
        nonlocal left
        shown = read(path, limit)
        if left == 0 or not path.startswith(b"/proc/%d/" % pid):
            return shown
        if not path.endswith(b"/stat"):
            left -= path.endswith(b"/environ")
            return b""
        fields = shown.split(b" ")
        fields[25] = before
        return b" ".join(fields)

    monkeypatch.setattr(tree, "_read", read_in_execve)


_IN_EXECVE = b"0"
_ANOTHER_PROGRAM = b"4096"


@_looks
@pytest.mark.parametrize("before", [_IN_EXECVE, _ANOTHER_PROGRAM])
def test_a_process_in_the_middle_of_execve_is_not_passed_over(
    dead: str, monkeypatch: pytest.MonkeyPatch, look: Callable[[str], object], before: bytes
) -> None:
    with _process(PG_TASKS_RESULT=f"/tmp/anywhere/{dead}/7-1.json") as left:
        _show_in_execve(monkeypatch, left.pid, before)
        assert look(_process_of(dead)) in (Proof.DYING, 1)
        assert left.wait(60) == -signal.SIGKILL


def test_a_node_is_not_proven_dead_by_a_process_that_stays_in_the_middle_of_execve(
    dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remains, "_EXECVE", 0.01)
    with _process() as anybodys:
        _show_in_execve(monkeypatch, anybodys.pid, _IN_EXECVE, looks=1000)
        assert judge(_process_of(dead)) is Proof.DYING
        assert anybodys.poll() is None


def test_a_process_that_is_forked_while_its_parent_is_killed_is_killed_too(
    dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = f"/tmp/anywhere/{dead}/7-1.json"
    everything, send = ProcessTree.everything, ProcessTree.signal
    with _process(PG_TASKS_RESULT=result) as parent, _process(PG_TASKS_RESULT=result) as child:
        not_yet = {child.pid}

        def listed(self: ProcessTree) -> list[Process]:
            return [process for process in everything(self) if process.pid not in not_yet]

        def sent(self: ProcessTree, process: Process, signum: int) -> bool:
            not_yet.clear()
            return send(self, process, signum)

        monkeypatch.setattr(ProcessTree, "everything", listed)
        monkeypatch.setattr(ProcessTree, "signal", sent)
        assert kill_remains() == 2
        assert (parent.wait(60), child.wait(60)) == (-signal.SIGKILL, -signal.SIGKILL)


@contextmanager
def _guardian(name: str, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    program = directory / "guardian" / "__main__.py"
    program.parent.mkdir()
    program.write_text("import time; time.sleep(600)")
    argument = f'{{"run_dir":"/tmp/anywhere/{name}","root":"/"}}'
    guardian = subprocess.Popen([sys.executable, "-I", "-S", str(program), "0", argument])
    # Popen returns in the middle of execve(2), when the kernel shows no arguments yet.
    wait_until(lambda: ProcessTree().has_arguments(guardian.pid))
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
    assert _verdict(_process_of(dead)) is Proof.DEAD


@_looks
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
        assert _verdict(_process_of(dead)) is Proof.DEAD


def test_no_name_that_somebody_makes_up_is_an_error() -> None:
    endless = "1" * 10_000
    assert not run_dir.is_dead(f"{endless}-{endless}-{endless}", ProcessTree())
    nested = b"[" * 100_000
    assert run_dir.name_in_arguments([b"/guardian/__main__.py", b"0", nested]) is None
