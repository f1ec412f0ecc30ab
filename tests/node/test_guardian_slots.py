"""A guardian never runs more than its slots: what is beyond them waits, or is given back."""

from pathlib import Path

from pg_tasks.guardian.kernel import boottime
from pg_tasks.messages import LEASE_LOST, UNSTARTED, Ended, Fence, GiveBack, KillAll, Started
from tests.node.guardian_fixtures import Rig, guardian


def hold(rig: Rig, *task_ids: int) -> None:
    """Have these run until they are killed."""
    rig.send(*(rig.request(task_id, "sleep", "600") for task_id in task_ids))
    for task_id in task_ids:
        rig.started(task_id)


def was_given_back(end: Ended) -> bool:
    return end.given_back and end.pid is None


def test_a_slot_that_becomes_free_is_taken_by_the_one_that_has_waited_longest(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    with guardian(tmp_path, slots=1) as rig:
        script = f'echo $PG_TASKS_TASK_ID >> "{log}"'
        order = [5, 3, 9, 1]
        rig.send(*(rig.request(task_id, "/bin/sh", "-c", script) for task_id in order))
        for task_id in order:
            assert rig.ended(task_id).exit_code == 0
    assert log.read_text().split() == ["5", "3", "9", "1"]


def test_never_more_processes_than_slots(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with guardian(tmp_path, slots=3) as rig:
        script = f'echo + >> "{log}"; sleep 0.005; echo - >> "{log}"'
        rig.send(*(rig.request(task_id, "/bin/sh", "-c", script) for task_id in range(1, 41)))
        ends = [rig.ended(task_id) for task_id in range(1, 41)]
    ran = [end for end in ends if not was_given_back(end)]
    assert all(end.exit_code == 0 for end in ran)
    running = most = 0
    for sign in log.read_text().split():
        running += 1 if sign == "+" else -1
        most = max(most, running)
    assert most == 3
    assert log.read_text().count("+") == len(ran)


def test_what_waits_in_vain_is_given_back(tmp_path: Path) -> None:
    with guardian(tmp_path, slots=2) as rig:
        hold(rig, 1, 2)
        rig.send(rig.request(3, "true"), rig.request(4, "true"))
        assert was_given_back(rig.ended(3))
        assert was_given_back(rig.ended(4))
        rig.kill(1)
        assert rig.ended(1).signal == 15
        rig.send(rig.request(5, "true"))
        assert rig.ended(5).exit_code == 0
        assert not any(isinstance(item, Started) and item.task_id in (3, 4) for item in rig.news)


def test_a_burst_within_the_slots_is_not_given_back(tmp_path: Path) -> None:
    with guardian(tmp_path, slots=400) as rig:
        rig.send(*(rig.request(task_id, "sleep", "600") for task_id in range(1, 401)))
        for task_id in range(1, 401):
            rig.started(task_id)


def test_what_waits_is_given_back_when_asked_to(tmp_path: Path) -> None:
    with guardian(tmp_path, slots=1) as rig:
        hold(rig, 1)
        rig.send(rig.request(2, "true"), GiveBack())
        assert was_given_back(rig.ended(2))
        rig.kill(1)
        assert rig.ended(1).signal == 15


def test_one_that_waits_can_be_cancelled(tmp_path: Path) -> None:
    with guardian(tmp_path, slots=1) as rig:
        hold(rig, 1)
        rig.send(rig.request(2, "true"))
        rig.kill(2)
        end = rig.ended(2)
        assert (end.reason, end.given_back, end.pid) == ("cancelled", False, None)


def test_one_that_waits_is_not_started_if_its_task_is_over(tmp_path: Path) -> None:
    """Of a process this would be: it may end by itself for so long."""
    with guardian(tmp_path, slots=1) as rig:
        hold(rig, 1)
        rig.send(rig.request(2, "true"))
        rig.kill(2, "still running 600 s after it had ended its own task", delay=600.0)
        end = rig.ended(2)
        assert (end.reason, end.error, end.given_back) == (None, UNSTARTED, False)
        rig.kill(1)
        rig.ended(1)
        assert not any(isinstance(item, Started) and item.task_id == 2 for item in rig.news)


def test_when_all_are_killed_what_waits_is_given_back(tmp_path: Path) -> None:
    with guardian(tmp_path, slots=1) as rig:
        hold(rig, 1)
        rig.send(rig.request(2, "true"), KillAll("Node stopped", 0.0))
        assert was_given_back(rig.ended(2))
        assert rig.ended(1).reason == "Node stopped"


def test_past_the_deadline_what_waits_is_given_back(tmp_path: Path) -> None:
    with guardian(tmp_path, slots=1) as rig:
        hold(rig, 1)
        rig.send(rig.request(2, "true"), Fence(boottime()))
        assert was_given_back(rig.ended(2))
        assert rig.ended(1).reason == LEASE_LOST
