"""A guardian that died, and cannot be replaced for a while: the others go on."""

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from signal import SIGKILL

import pytest

from pg_tasks.errors import SettingsError
from pg_tasks.guardian.config import Config
from pg_tasks.messages import Ended, Ping, Start
from pg_tasks.node import guardian_link
from pg_tasks.node.guardian_link import GuardianLink
from pg_tasks.node.guardians import Death, Guardians
from pg_tasks.node.roster import Key, Roster
from tests.waiting import wait_until


def hear(guardians: Guardians) -> dict[int, int | None]:
    """The exit codes of what has ended."""
    poll = select.poll()
    guardians.register(poll)
    news = guardians.hear([fd for fd, _ in poll.poll(100)])
    return {item.task_id: item.exit_code for item in news if isinstance(item, Ended)}


def bury(guardians: Guardians) -> list[Death]:
    hear(guardians)
    return guardians.bury()


def start(task_id: int) -> Start:
    return Start(task_id, 1, ["/bin/sh", "-c", f"exit {task_id}"], None, {}, None, None, 1.0)


def speak(guardians: Guardians) -> None:
    """All of them have said a word."""
    guardians.send([Ping(0)])
    said = 0
    while said < len(guardians.links):
        poll = select.poll()
        guardians.register(poll)
        said += len(guardians.hear([fd for fd, _ in poll.poll(10_000)]))


@contextmanager
def one_killed(tmp_path: Path) -> Iterator[tuple[Roster, Guardians]]:
    """Two guardians that have spoken; the one that was to start task 1 has been killed since."""
    roster = Roster([2, 2])
    guardians = Guardians(Config(str(tmp_path / "run"), str(tmp_path)), roster)
    try:
        speak(guardians)
        roster.order(Key(1, 1), 0.0)
        os.kill(guardians.links[roster.guardian(Key(1, 1))].pid, SIGKILL)
        yield roster, guardians
    finally:
        guardians.close()


@pytest.mark.parametrize(
    "error", [BlockingIOError("no more processes"), SettingsError("output_dir is read-only")]
)
def test_the_others_go_on_until_it_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*arguments: object, **options: object) -> GuardianLink:
        raise error

    with one_killed(tmp_path) as (roster, guardians):
        missing = roster.guardian(Key(1, 1))
        with monkeypatch.context() as full:
            full.setattr(GuardianLink, "start", fail)
            wait_until(lambda: bury(guardians))
            assert roster.free == 2
            again_at = guardians.look_at()
            roster.order(Key(2, 1), 0.0)
            assert roster.guardian(Key(2, 1)) != missing
            # The first was dealt out before anybody knew.
            guardians.send([start(1), start(2)])
            assert wait_until(lambda: hear(guardians)) == {2: 2}
            assert not guardians.look(again_at)
            assert again_at < guardians.look_at() < inf
        assert not guardians.look(again_at + 60)
        assert wait_until(lambda: hear(guardians)) == {1: 1}
        assert guardians.look(again_at + 60)


def test_one_that_dies_without_a_word_is_given_nothing_until_another_has_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with one_killed(tmp_path) as (roster, guardians):
        with monkeypatch.context() as upgraded:
            upgraded.setattr(guardian_link, "to_argument", lambda _: '{"of_another_release": 1}')
            wait_until(lambda: bury(guardians))
            assert roster.free == 2
            guardians.send([start(1)])
            (death,) = wait_until(lambda: bury(guardians))
            assert death.lost == []
            assert roster.free == 2
        assert not guardians.look(guardians.look_at() + 60)
        assert wait_until(lambda: hear(guardians)) == {1: 1}
        assert guardians.look(0.0)
