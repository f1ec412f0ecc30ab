"""Kill, Stop and timeouts: whole trees end, and the end says the truth about why."""

import os
import signal
import time
from pathlib import Path

import pytest

from pg_tasks.messages import Ended, Kill, KillAll, Stop
from tests.node.guardian_fixtures import guardian
from tests.waiting import wait_until


def test_a_killed_process_gets_sigterm_and_its_end_says_why(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        task = rig.family("sleep", 1)
        rig.kill(task)
        end = rig.ended(task)
        assert (end.signal, end.exit_code, end.reason) == (signal.SIGTERM, None, "cancelled")


def test_a_process_may_end_in_its_own_way_on_sigterm(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        task = rig.start("/bin/sh", "-c", f"trap 'exit 5' TERM; touch {tmp_path}/set; "
                         "while :; do sleep 0.01; done")  # fmt: skip
        wait_until((tmp_path / "set").exists, describe="the trap")
        rig.kill(task)
        end = rig.ended(task)
        assert (end.exit_code, end.reason) == (5, "cancelled")


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        task = rig.family("deaf", 1, kill_grace=0.3)
        asked = time.monotonic()
        rig.kill(task)
        end = rig.ended(task)
        assert end.signal == signal.SIGKILL
        assert time.monotonic() - asked >= 0.3


def test_a_kill_can_shorten_the_grace_of_the_one_before(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        task = rig.family("deaf", 1, kill_grace=3600.0)
        rig.kill(task)
        rig.kill(task, "second", grace=0.0)
        end = rig.ended(task)
        assert (end.signal, end.reason) == (signal.SIGKILL, "cancelled")


def test_a_kill_without_grace_is_sigkill_at_once(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        task = rig.family("deaf", 1, kill_grace=3600.0)
        rig.kill(task, grace=0.0)
        assert rig.ended(task).signal == signal.SIGKILL


@pytest.mark.parametrize(
    ("part", "processes"),
    [("three_generations", 3), ("stays_with_daemon", 2), ("bomb", 64), ("hop", 1)],
)
def test_of_a_killed_tree_nothing_is_alive_when_its_end_is_told(
    tmp_path: Path, part: str, processes: int
) -> None:
    with guardian(tmp_path) as rig:
        task = rig.family(part, processes, kill_grace=0.1)
        rig.kill(task)
        rig.ended(task)
        assert rig.alive(task) == []


def test_a_stopped_process_gets_its_sigterm(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        task = rig.family("stopped", 1, kill_grace=3600.0)
        rig.kill(task)
        assert rig.ended(task).signal == signal.SIGTERM


def test_a_child_that_is_stopped_in_another_session_gets_its_sigterm(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        task = rig.family("stays_with_stopped_daemon", 2, kill_grace=3600.0)
        rig.kill(task)
        rig.ended(task)
        assert rig.alive(task) == []


def test_a_timeout_is_a_kill_that_is_called_timeout(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        end = rig.run("sleep", "600", timeout=0.05)
        assert (end.signal, end.reason, end.timeout) == (signal.SIGTERM, "timeout", 0.05)
        assert end.ended - end.started >= 0.05


def test_a_process_that_ends_before_its_timeout_has_no_reason(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        assert rig.run("true", timeout=3600.0).reason is None


def test_a_process_that_ended_by_itself_was_not_killed(tmp_path: Path) -> None:
    """It is a zombie when the Kill comes: the guardian was stopped meanwhile and saw neither."""
    os.mkfifo(tmp_path / "go")
    with guardian(tmp_path) as rig:
        task = rig.start("/bin/sh", "-c", "read line < go; exit 3")
        pid = rig.started(task).pid
        os.kill(rig.link.pid, signal.SIGSTOP)
        try:
            (tmp_path / "go").write_text("on\n")
            wait_until(lambda: _is_zombie(pid), describe="the process to end")
            rig.link.send([Kill(task, 1, "cancelled")])
        finally:
            os.kill(rig.link.pid, signal.SIGCONT)
        end = rig.ended(task)
        assert (end.exit_code, end.reason) == (3, None)


def test_a_process_has_the_delay_of_a_kill_to_end_by_itself(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        task = rig.start(
            "/bin/sh", "-c", f"while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; exit 4"
        )
        rig.started(task)
        rig.kill(task, delay=3600.0)
        (tmp_path / "go").touch()
        end = rig.ended(task)
        assert (end.exit_code, end.reason) == (4, None)


def test_a_process_that_outlives_the_delay_is_killed(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        task = rig.family("sleep", 1)
        rig.kill(task, "too long", delay=0.1)
        end = rig.ended(task)
        assert (end.signal, end.reason) == (signal.SIGTERM, "too long")


def test_stop_is_one_sigterm_for_the_tree_and_gives_no_reason(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        task = rig.start("/bin/sh", "-c", f"trap 'exit 0' TERM; touch {tmp_path}/set; "
                         "while :; do sleep 0.01; done")  # fmt: skip
        wait_until((tmp_path / "set").exists, describe="the trap")
        rig.send(Stop(task, 1))
        end = rig.ended(task)
        assert (end.exit_code, end.reason) == (0, None)


def test_a_process_that_ignores_stop_runs_on_until_it_is_killed(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        task = rig.family("deaf", 1, kill_grace=0.05)
        rig.send(Stop(task, 1))
        assert rig.shell("exit 0").exit_code == 0
        assert rig.alive(task) != []
        rig.kill(task)
        end = rig.ended(task)
        assert (end.signal, end.reason) == (signal.SIGKILL, "cancelled")


def test_start_and_kill_in_one_frame_leave_nothing(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        rig.send(
            rig.request(900, "sleep", "600"), Kill(900, 1, "cancelled"),
            rig.request(901, "sleep", "600"), Kill(901, 1, "late", delay=600.0),
            rig.request(902, "sleep", "600"), Stop(902, 1),
        )  # fmt: skip
        assert rig.ended(900).reason == "cancelled"
        assert rig.ended(901).reason is None
        assert rig.ended(902).reason is None


def test_a_kill_for_an_unknown_attempt_is_ignored(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        rig.send(Kill(1, 1, "cancelled"), Kill(1, 2, "x", delay=1.0), Stop(77, 1))
        task = rig.start("true")
        assert task == 1
        assert rig.ended(task).exit_code == 0
        assert rig.news == [end for end in rig.news if getattr(end, "task_id", 1) == 1]


def test_kill_all_ends_every_attempt(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        tasks = [rig.start("sleep", "600") for _ in range(50)]
        tasks.append(rig.family("deaf", 1, kill_grace=3600.0))
        rig.send(KillAll("node stopped", 0.2))
        ends = [rig.ended(task) for task in tasks]
        assert {end.reason for end in ends} == {"node stopped"}
        assert ends[-1].signal == signal.SIGKILL


def test_an_attempt_is_started_once_however_often_it_is_asked_for(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        request = rig.request(5, "/bin/sh", "-c", f"echo x >> {tmp_path}/count; sleep 600")
        rig.send(request, request)
        wait_until((tmp_path / "count").exists, describe="the process")
        rig.send(request)
        rig.shell("exit 0")
        rig.kill(5)
        rig.ended(5)
        assert (tmp_path / "count").read_text() == "x\n"
        assert len([end for end in rig.news if isinstance(end, Ended) and end.task_id == 5]) == 1


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
