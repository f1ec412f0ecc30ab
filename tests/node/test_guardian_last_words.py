"""What a guardian had said before it died counts, however its death is noticed."""

import os
import select
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL

import pytest

from pg_tasks.guardian.config import Config
from pg_tasks.messages import Ended, News, Start
from pg_tasks.node.guardian_link import GuardianLink
from pg_tasks.node.guardians import Guardians
from pg_tasks.node.roster import Key, Roster
from tests.waiting import wait_until


@pytest.fixture
def guardians(tmp_path: Path) -> Iterator[Guardians]:
    """One that is alone."""
    roster = Roster([2])
    for task_id in range(1, 5):
        roster.order(Key(task_id, 1), 0.0)
    guardians = Guardians(Config(str(tmp_path / "run"), str(tmp_path)), roster)
    yield guardians
    guardians.close()


def start(task_id: int, script: str) -> Start:
    return Start(task_id, 1, ["/bin/sh", "-c", script], None, {}, None, None, 1.0)


def ends(news: list[News]) -> dict[int, int | None]:
    return {item.task_id: item.exit_code for item in news if isinstance(item, Ended)}


def unread(link: GuardianLink) -> bytes:
    """What it has said and nobody has read."""
    with socket.socket(fileno=os.dup(link.fileno())) as same, suppress(BlockingIOError):
        return same.recv(1 << 16, socket.MSG_PEEK)
    return b""


def watch(guardians: Guardians) -> "select.poll":
    poll = select.poll()
    guardians.register(poll)
    return poll


def test_ends_that_a_dead_guardian_has_told_count_if_a_send_notices_its_death(
    guardians: Guardians,
) -> None:
    (link,) = guardians.links
    guardians.send([start(1, "exit 7"), start(2, "sleep 1000")])
    wait_until(lambda: unread(link), lambda found: b'"Ended"' in found)
    os.kill(link.pid, SIGKILL)
    poll = watch(guardians)
    wait_until(lambda: poll.poll(), lambda found: found[0][1] & select.POLLHUP)
    guardians.send([start(3, "exit 0")])
    assert guardians.hear([link.fileno()]) == []
    (death,) = guardians.bury()
    assert ends(death.said) == {1: 7}
    assert sorted(death.lost) == [Key(2, 1), Key(3, 1)]
    guardians.send([start(4, "exit 5")])
    poll = watch(guardians)
    heard = wait_until(lambda: ends(guardians.hear([fd for fd, _ in poll.poll(100)])))
    assert heard == {4: 5}
