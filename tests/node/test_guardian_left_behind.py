"""When a main process has ended, nothing of its tree outlives the news of it."""

import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from pg_tasks.messages import Ended
from tests.node.guardian_fixtures import FAMILY, guardian, pids_with
from tests.waiting import wait_until


@pytest.mark.parametrize(
    ("part", "processes", "left"),
    [
        ("leaves_child", 1, 1),
        ("leaves_deaf_child", 1, 1),
        ("leaves_daemon", 1, 1),
        ("leaves_silent_daemon", 1, 1),
        ("leaves_wiped_daemon", 1, 1),
        ("leaves_stopped_child", 1, 1),
        ("leaves_wiped_family", 3, 3),
    ],
)
def test_what_a_process_leaves_behind_is_ended_and_counted(
    tmp_path: Path, part: str, processes: int, left: int
) -> None:
    with guardian(tmp_path) as rig:
        task = rig.family(part, processes, kill_grace=0.1)
        end = rig.ended(task)
        assert rig.alive(task) == []
    assert (end.exit_code, end.signal, end.reason, end.left_behind) == (0, None, None, left)


def test_a_process_that_leaves_nothing_behind_has_a_count_of_zero(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        end = rig.shell("sleep 0.01 & sleep 0.01 & wait; exit 0")
    assert end.left_behind == 0


def test_what_ends_on_sigterm_is_not_killed(tmp_path: Path) -> None:
    left = (
        "import os, signal, sys, time\n"
        "if os.fork():\n"
        "    while not os.path.exists('set'): time.sleep(0.002)\n"
        "    sys.exit(0)\n"
        "def said(*_): open('asked', 'w').close(); os._exit(0)\n"
        "signal.signal(signal.SIGTERM, said)\n"
        "open('set', 'w').close()\n"
        "while True: time.sleep(600)"
    )
    with guardian(tmp_path) as rig:
        end = rig.run(sys.executable, "-S", "-c", left, kill_grace=3600.0)
    assert end.left_behind == 1
    assert (tmp_path / "asked").exists()


def test_one_tasks_end_leaves_the_processes_of_others_alone(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        stays = rig.family("stays_with_daemon", 2, kill_grace=0.1)
        for _ in range(5):
            ended = rig.family("leaves_daemon", 1, kill_grace=0.1)
            rig.ended(ended)
            assert rig.alive(ended) == []
        assert len(rig.alive(stays)) == 2
        rig.kill(stays)
        rig.ended(stays)
        assert rig.alive(stays) == []


def test_one_that_cannot_be_told_apart_lives_until_the_last_candidate_ends(
    tmp_path: Path,
) -> None:
    """It left the session, wiped its environment, and lost its parent while two tasks ran."""
    with guardian(tmp_path) as rig:
        first = rig.family("sleep", 1)
        second = rig.family("leaves_wiped_daemon", 1, kill_grace=0.1)
        end = rig.ended(second)
        assert len(rig.alive(second)) == 1
        assert end.left_behind == 0
        later = rig.start("sleep", "600")
        rig.started(later)
        rig.kill(first)
        assert rig.ended(first).left_behind == 1
        assert rig.alive(second) == []
        rig.kill(later)
        assert rig.ended(later).left_behind == 0


def test_a_kill_finds_what_was_seen_in_the_tree_even_when_it_cannot_be_told_apart_later(
    tmp_path: Path,
) -> None:
    with guardian(tmp_path) as rig:
        other = rig.family("sleep", 1)
        task = rig.family("wiped_below", 2, kill_grace=0.1)
        rig.kill(task)
        rig.ended(task)
        assert rig.alive(task) == []
        assert len(rig.alive(other)) == 1


def test_the_rest_of_a_killed_tree_has_the_rest_of_the_grace(tmp_path: Path) -> None:
    """Its main process takes the SIGTERM, its child ignores it."""
    with guardian(tmp_path) as rig:
        task = rig.family("main_takes_term", 2, kill_grace=3)
        rig.kill(task)
        end = rig.ended(task)
        assert rig.alive(task) == []
    assert (end.signal, end.reason, end.left_behind) == (signal.SIGTERM, "cancelled", 1)


def test_what_is_started_in_answer_to_sigterm_gets_its_own(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        task = rig.family("leaves_child_that_answers", 1, kill_grace=3600.0)
        end = rig.ended(task)
        assert rig.alive(task) == []
    assert end.left_behind >= 2


def test_a_task_id_that_ran_before_is_nobodys_child(tmp_path: Path) -> None:
    """The next attempt of a task starts when nothing of the one before is alive."""
    with guardian(tmp_path) as rig:
        for attempt in range(1, 4):
            mark, ready = f"mark-again-{attempt}", tmp_path / f"again-{attempt}"
            argv = (sys.executable, "-S", "-E", str(FAMILY), "leaves_daemon", mark, str(ready))
            rig.send(rig.request(7, *argv, attempt=attempt, kill_grace=0.1))
            rig.wait(partial(_has_ended, rig.news, attempt), "the end")
            assert pids_with(mark) == []


def test_many_tasks_that_leave_something_behind_at_once_all_end(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        script = "(trap '' TERM; sleep 600) & setsid sleep 600 & exit 1"
        tasks = [rig.start("/bin/sh", "-c", script, kill_grace=0.05) for _ in range(100)]
        ends = [rig.ended(task) for task in tasks]
        assert {end.exit_code for end in ends} == {1}
        wait_until(lambda: _children(rig.link.pid) == [], describe="no child to be left")


def test_one_in_the_middle_of_being_executed_is_told_apart_a_moment_later(tmp_path: Path) -> None:
    """It shows no environment in that moment, and left the session: its end is waited for still."""
    with guardian(tmp_path) as rig:
        other = rig.start("sleep", "600")
        for attempt in range(1, 101):
            mark = f"mark-exec-{os.getpid()}-{attempt}"
            script = f"setsid sh -c 'sleep 600; :' {mark} & exit 0"
            rig.send(rig.request(7, "/bin/sh", "-c", script, attempt=attempt))
            rig.wait(partial(_has_ended, rig.news, attempt), "the end")
            assert pids_with(mark) == []
        rig.kill(other)
        assert rig.ended(other).left_behind == 0


def _has_ended(news: Sequence[object], attempt: int) -> bool | None:
    return any(isinstance(item, Ended) and item.attempt == attempt for item in news) or None


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
