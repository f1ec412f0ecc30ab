"""The guardian dies, the node dies, one of them freezes: nothing lives on, nothing is lost."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pg_tasks.errors import GuardianDied
from pg_tasks.guardian.config import Config
from pg_tasks.messages import Ended
from pg_tasks.node.guardian_link import GuardianLink
from tests.node.guardian_fixtures import guardian, pids_with, status_field
from tests.waiting import wait_until

_FAMILIES = [("deaf", 1), ("three_generations", 3), ("stays_with_daemon", 2), ("bomb", 64)]


def test_closing_the_link_kills_everything_and_waits_for_it(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        tasks = [rig.family(part, ready, kill_grace=3600.0) for part, ready in _FAMILIES]
        rig.link.close()
        assert [rig.alive(task) for task in tasks] == [[]] * len(tasks)
        assert not Path(f"/proc/{rig.link.pid}").exists()


def test_closing_the_link_kills_what_a_guardian_leaves_that_was_killed(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        tasks = [rig.family(part, ready, kill_grace=3600.0) for part, ready in _FAMILIES]
        os.kill(rig.link.pid, signal.SIGKILL)
        rig.link.close()
        assert [rig.alive(task) for task in tasks] == [[]] * len(tasks)


def test_a_guardian_whose_node_is_killed_kills_everything_and_ends(tmp_path: Path) -> None:
    mark, ready = f"mark-node-{os.getpid()}", tmp_path / "ready"
    with subprocess.Popen([sys.executable, "-c", _NODE, str(tmp_path), mark, str(ready)]) as node:
        try:
            wait_until(lambda: ready.exists() and ready.stat().st_size >= 3, describe="the tree")
            guardian_pid = int((tmp_path / "guardian").read_text())
        finally:
            node.kill()
    wait_until(lambda: pids_with(mark) == [], describe="the end of the tree")
    wait_until(lambda: not _is_running(guardian_pid), describe="the end of the guardian")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_guardian_does_not_end_by_a_signal_meant_for_the_node(
    tmp_path: Path, signum: signal.Signals
) -> None:
    with guardian(tmp_path) as rig:
        os.kill(rig.link.pid, signum)
        assert rig.shell("exit 3").exit_code == 3
        assert os.getsid(rig.link.pid) == rig.link.pid


def test_after_the_death_of_the_guardian_no_orphan_is_left(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig, subprocess.Popen(["sleep", "600"]) as own:
        tasks = [rig.family(part, ready, kill_grace=3600.0) for part, ready in _FAMILIES]
        os.kill(rig.link.pid, signal.SIGKILL)
        with pytest.raises(GuardianDied):
            rig.wait(lambda: None, "the death of the guardian")
        assert rig.link.kill_orphans() >= 70
        assert [rig.alive(task) for task in tasks] == [[]] * len(tasks)
        assert own.poll() is None
        own.kill()


def test_children_that_are_to_be_spared_are_no_orphans(tmp_path: Path) -> None:
    """One was there before the guardian, the other is named; both lead sessions of their own."""
    before = subprocess.Popen(["sleep", "600"], start_new_session=True)
    with guardian(tmp_path) as rig:
        named = subprocess.Popen(["sleep", "600"], start_new_session=True)
        task = rig.family("deaf", 1)
        os.kill(rig.link.pid, signal.SIGKILL)
        assert rig.link.kill_orphans(spare={named.pid}) == 1
        assert rig.alive(task) == []
        for process in (before, named):
            assert process.poll() is None
            process.kill()
            process.wait()


def test_a_dead_guardian_is_noticed_when_it_is_written_to(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        os.kill(rig.link.pid, signal.SIGKILL)
        wait_until(lambda: not _is_running(rig.link.pid), describe="the death of the guardian")
        with pytest.raises(GuardianDied):
            rig.send(rig.request(1, "true"))
        assert rig.link.kill_orphans() == 0


def test_what_a_dying_guardian_had_said_is_received_before_its_death(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        rig.start("true")
        wait_until(lambda: b'"Ended"' in _peek(rig.link.fileno()), describe="the end to be told")
        os.kill(rig.link.pid, signal.SIGKILL)
        with pytest.raises(GuardianDied):
            rig.wait(lambda: None, "the death of the guardian")
        assert [item.task_id for item in rig.news if isinstance(item, Ended)] == [1]


def test_a_new_guardian_serves_after_the_death_of_the_one_before(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        rig.family("deaf", 1)
        os.kill(rig.link.pid, signal.SIGKILL)
        rig.link.kill_orphans()
    with guardian(tmp_path) as rig:
        assert rig.shell("exit 3").exit_code == 3


def test_a_stream_that_makes_no_sense_ends_everything(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        task = rig.family("deaf", 1, kill_grace=3600.0)
        os.write(rig.link.fileno(), b"\0\0\0\x02[x")
        with pytest.raises(GuardianDied):
            rig.wait(lambda: None, "the end of the guardian")
        assert rig.alive(task) == []


def test_a_node_that_reads_nothing_misses_nothing(tmp_path: Path) -> None:
    """Far more news than the socket holds, while nobody reads."""
    with guardian(tmp_path) as rig:
        tasks = [
            rig.start("/bin/sh", "-c", "head -c 9000 /dev/zero; echo > done-$PG_TASKS_TASK_ID")
            for _ in range(300)
        ]
        wait_until(lambda: len(list(tmp_path.glob("done-*"))) == 300, describe="300 processes")
        wait_until(lambda: _children(rig.link.pid) == [], describe="them to be reaped")
        ends = [rig.ended(task) for task in tasks]
    assert {(end.exit_code, len(end.output or "")) for end in ends} == {(0, 8192)}


def test_a_thousand_processes_run_at_once_in_little_memory(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        rig.shell("exit 0")
        before = status_field(rig.link.pid, "VmRSS") + status_field(os.getpid(), "VmRSS")
        tasks = [rig.start("sleep", "600", timeout=3600.0) for _ in range(1000)]
        for task in tasks:
            rig.started(task)
        after = status_field(rig.link.pid, "VmRSS") + status_field(os.getpid(), "VmRSS")
        for task in tasks:
            rig.kill(task)
        assert {rig.ended(task).reason for task in tasks} == {"cancelled"}
    assert (after - before) / 1000 < 50


def test_an_idle_guardian_is_small_and_does_nothing(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        rig.shell("exit 0")
        task = rig.start("sleep", "600")
        rig.started(task)
        assert status_field(rig.link.pid, "VmRSS") < 20_000
        wait_until(lambda: _sleeps(rig.link.pid), describe="the guardian to fall asleep")


def test_what_dead_nodes_left_in_the_run_directory_is_removed(tmp_path: Path) -> None:
    mark, ready = f"mark-left-{os.getpid()}", tmp_path / "ready"
    with subprocess.Popen([sys.executable, "-c", _NODE, str(tmp_path), mark, str(ready)]) as node:
        wait_until(lambda: ready.exists() and ready.stat().st_size >= 3, describe="the tree")
        node.kill()
    wait_until(lambda: pids_with(mark) == [], describe="the end of the tree")
    assert len(list((tmp_path / "run").iterdir())) == 1
    with guardian(tmp_path) as rig:
        assert len(list((tmp_path / "run").iterdir())) == 1
        assert rig.shell("exit 0").exit_code == 0
    assert list((tmp_path / "run").iterdir()) == []


def test_two_nodes_can_share_a_run_directory(tmp_path: Path) -> None:
    program = _NODE.replace("signal.pause()", "link.close()")
    argv = [sys.executable, "-c", program, str(tmp_path), "mark-two", str(tmp_path / "ready")]
    with guardian(tmp_path) as rig:
        subprocess.run(argv, check=True, timeout=60)
        assert rig.shell('echo 1 > "$PG_TASKS_RESULT"').result == "1\n"


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    link = GuardianLink.start(Config(str(tmp_path / "run"), str(tmp_path)))
    link.close()
    link.close()


_NODE = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pg_tasks.guardian.config import Config
from pg_tasks.node.guardian_link import GuardianLink
from pg_tasks.messages import Start
directory, mark, ready = sys.argv[1:]
family = {str(Path(__file__).parent / "programs" / "family.py")!r}
link = GuardianLink.start(Config(directory + "/run", directory))
open(directory + "/guardian", "w").write(str(link.pid))
argv = [sys.executable, "-S", "-E", family, "three_generations", mark, ready]
link.send([Start(1, 1, argv, None, {{}}, None, None, 3600.0)])
signal.pause()
"""


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _peek(fd: int) -> bytes:
    """What could be received, which stays there."""
    with socket.socket(fileno=os.dup(fd)) as connection:
        connection.settimeout(60.0)
        return connection.recv(65536, socket.MSG_PEEK)


def _sleeps(pid: int) -> bool:
    """Whether it does nothing at all for a while."""
    before = status_field(pid, "voluntary_ctxt_switches")
    subprocess.run(["sleep", "0.5"], check=True)
    return status_field(pid, "voluntary_ctxt_switches") == before
