"""The fence: past its deadline nothing runs, and nothing is started until it is pushed."""

import os
import select
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from pg_tasks.guardian.kernel import boottime
from pg_tasks.messages import Fence, Fenced
from tests.node.guardian_fixtures import guardian
from tests.waiting import wait_until


def test_past_the_deadline_everything_is_killed_without_grace(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        tasks = [rig.start("sleep", "600", kill_grace=3600.0) for _ in range(20)]
        tasks.append(rig.family("deaf", 1, kill_grace=3600.0))
        tasks.append(rig.family("stays_with_daemon", 2, kill_grace=3600.0))
        rig.send(Fence(boottime() + 0.1))
        ends = [rig.ended(task) for task in tasks]
        assert {(end.reason, end.signal) for end in ends} == {("Lease lost", signal.SIGKILL)}
        assert rig.fenced() == Fenced(22)
        assert rig.alive(tasks[-1]) == []


def test_nothing_is_killed_before_the_deadline(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        deadline = boottime() + 0.5
        rig.send(Fence(deadline))
        task = rig.start("sleep", "600")
        assert rig.ended(task).ended >= deadline


def test_a_fence_that_is_pushed_in_time_kills_nothing(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        task = rig.start("sleep", "600")
        first = boottime() + 2.0
        while boottime() < first + 0.5:
            rig.send(Fence(boottime() + 2.0))
            assert rig.shell("sleep 0.05; exit 0").exit_code == 0
        rig.send(Fence(boottime() + 3600))
        rig.kill(task)
        assert rig.ended(task).reason == "cancelled"


def test_past_the_deadline_nothing_is_started_until_the_fence_is_pushed(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        rig.send(Fence(boottime()))
        assert rig.fenced() == Fenced(0)
        refused = rig.run("touch", "started")
        assert (refused.pid, refused.error) == (None, "Lease lost")
        rig.send(Fence(boottime() + 3600))
        assert rig.run("true").exit_code == 0
        assert not (tmp_path / "started").exists()


def test_each_passing_of_a_deadline_is_told_once(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        for passed in range(1, 4):
            rig.send(Fence(boottime() + 0.02))
            task = rig.start("sleep", "600")
            rig.ended(task)
            rig.wait(partial(_has_fences, rig.news, passed), "Fenced")
        assert rig.run("true").error == "Lease lost"
        assert _fences(rig.news) == 3


def test_without_a_fence_nothing_is_fenced(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        assert rig.shell("sleep 0.1; exit 0").exit_code == 0


def test_the_deadline_holds_while_the_node_is_frozen_and_reads_nothing(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        task = rig.family("deaf", 1, kill_grace=3600.0)
        pid = rig.alive(task)[0]
        rig.send(Fence(boottime() + 0.1))
        # Nothing is received here until the process is gone: this is the frozen node.
        _wait_for_end(pid)
        end = rig.ended(task)
        assert end.reason == "Lease lost"


def test_a_guardian_that_was_frozen_past_a_pushed_deadline_kills_nothing(tmp_path: Path) -> None:
    """The push was in time, and waits in the socket behind much else when the guardian wakes up."""
    with guardian(tmp_path) as rig:
        task = rig.start("sleep", "600")
        rig.started(task)
        first = boottime() + 2.0
        rig.send(Fence(first))
        assert rig.shell("exit 0").exit_code == 0
        os.kill(rig.link.pid, signal.SIGSTOP)
        try:
            rig.link.send([rig.request(500, "true", stdin="x" * 50_000)])
            rig.link.send([Fence(first + 3600)])
            wait_until(lambda: boottime() > first, describe="the deadline to pass")
        finally:
            os.kill(rig.link.pid, signal.SIGCONT)
        assert rig.ended(500).exit_code == 0
        rig.kill(task)
        assert rig.ended(task).reason == "cancelled"


def test_a_guardian_that_was_frozen_past_its_deadline_kills_when_it_wakes_up(
    tmp_path: Path,
) -> None:
    with guardian(tmp_path) as rig:
        task = rig.start("sleep", "600")
        rig.started(task)
        deadline = boottime() + 0.2
        rig.send(Fence(deadline))
        os.kill(rig.link.pid, signal.SIGSTOP)
        try:
            wait_until(lambda: boottime() > deadline, describe="the deadline to pass")
        finally:
            os.kill(rig.link.pid, signal.SIGCONT)
        assert rig.ended(task).reason == "Lease lost"


def _fences(news: Sequence[object]) -> int:
    return sum(isinstance(item, Fenced) for item in news)


def _has_fences(news: Sequence[object], count: int) -> bool | None:
    return _fences(news) == count or None


def _wait_for_end(pid: int) -> None:
    handle = os.pidfd_open(pid)
    try:
        assert select.select([handle], [], [], 60.0)[0]
    finally:
        os.close(handle)
