"""Process trees are read right, by the kernel's lists and without them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pg_tasks.guardian.tree import ProcessTree
from tests.node.guardian_fixtures import FAMILY, pids_with
from tests.waiting import wait_until

_trees = pytest.mark.parametrize(
    "tree", [ProcessTree(True), ProcessTree(False)], ids=["files", "scan"]
)


@_trees
def test_a_process_and_all_below_it_are_found(tree: ProcessTree, tmp_path: Path) -> None:
    ready, mark = tmp_path / "ready", f"mark-tree-{os.getpid()}-{id(tree)}"
    argv = [sys.executable, "-S", "-E", str(FAMILY), "three_generations", mark, str(ready)]
    with subprocess.Popen(argv, start_new_session=True) as process:
        wait_until(lambda: ready.exists() and ready.stat().st_size >= 3, describe="the family")
        found = tree.descendants([process.pid])
        assert sorted(member.pid for member in found) == sorted(pids_with(mark))
        assert found[0].pid == process.pid
        assert found[0].parent == os.getpid()
        assert len({member.session for member in found}) == 3
        assert tree.children(process.pid) == [found[1].pid]
        for member in found:
            assert tree.signal(member, signal.SIGKILL)


@_trees
def test_a_zombie_is_told_apart(tree: ProcessTree) -> None:
    pid = os.posix_spawn("/bin/true", ["true"], os.environ)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    process = tree.look(pid)
    assert process is not None
    assert process.zombie
    os.waitpid(pid, 0)
    assert tree.look(pid) is None


@_trees
def test_one_whose_first_thread_ended_is_no_zombie(tree: ProcessTree) -> None:
    program = (
        "import ctypes, sys, threading, time\n"
        "def stay():\n    print(flush=True)\n    time.sleep(600)\n"
        "threading.Thread(target=stay).start()\n"
        "ctypes.CDLL(None).pthread_exit(None)"
    )
    argv = [sys.executable, "-S", "-c", program]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        wait_until(lambda: _state(process.pid) == "Z")
        looked = tree.look(process.pid)
        process.kill()
    assert looked is not None
    assert not looked.zombie


@_trees
def test_names_with_parentheses_and_spaces_are_no_riddle(tree: ProcessTree, tmp_path: Path) -> None:
    program = tmp_path / ") R 1 1 (x"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "600"]) as process:
        wait_until(lambda: Path(f"/proc/{process.pid}/comm").read_text() == ") R 1 1 (x\n")
        looked = tree.look(process.pid)
        process.kill()
    assert looked is not None
    assert (looked.parent, looked.session) == (os.getpid(), os.getsid(0))


@_trees
def test_a_process_that_has_the_pid_of_another_one_is_not_signalled(tree: ProcessTree) -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        looked = tree.look(process.pid)
        assert looked is not None
        assert not tree.signal(looked._replace(started=looked.started - 1), signal.SIGKILL)
        assert process.poll() is None
        assert tree.signal(looked, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not tree.signal(looked, signal.SIGKILL)


@pytest.mark.parametrize(
    ("environment", "cookie"),
    [
        ({"A": "b", "PG_TASKS_RESULT": "/run/1-2.json", "C": "d"}, b"/run/1-2.json"),
        ({"PG_TASKS_RESULT": "/run/1-2.json"}, b"/run/1-2.json"),
        ({"A": "PG_TASKS_RESULT=/run/1-2.json", "NOT_PG_TASKS_RESULT": "x"}, None),
        ({}, None),
    ],
)
def test_the_cookie_is_read_from_the_environment(
    environment: dict[str, str], cookie: bytes | None
) -> None:
    with subprocess.Popen(["/bin/cat"], env=environment, stdin=subprocess.PIPE) as process:
        # Asleep in its read, it is certainly not in the middle of execve any more.
        wait_until(lambda: (_name(process.pid), _state(process.pid)) == ("cat", "S"))
        assert ProcessTree().cookie(process.pid) == cookie


def test_a_process_shows_its_environment_unless_it_is_seen_to_be_in_the_middle_of_execve() -> None:
    tree = ProcessTree()
    # The kernel goes through the arguments first: for some milliseconds, when they are so many.
    arguments = ["sh", "-c", "read line", *[""] * 150_000]
    for _ in range(10):
        with subprocess.Popen(
            arguments, env={"PG_TASKS_RESULT": "/run/1-2.json"}, stdin=subprocess.PIPE
        ) as process:
            cookie = None
            while cookie is None:
                before, cookie = tree.look(process.pid), tree.cookie(process.pid)
                after = tree.look(process.pid)
                assert before is not None and after is not None
                assert cookie or after.program is None or before.program != after.program


@pytest.mark.parametrize("environment", [{"A": "b"}, {}])
def test_a_process_shows_whether_it_has_arguments_and_an_environment(
    environment: dict[str, str],
) -> None:
    with subprocess.Popen(["/bin/cat"], env=environment, stdin=subprocess.PIPE) as process:
        wait_until(lambda: (_name(process.pid), _state(process.pid)) == ("cat", "S"))
        assert ProcessTree().has_arguments(process.pid)
        assert ProcessTree().has_environment(process.pid) == bool(environment)


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
