"""The connection on which a node listens, played by a connection that plays the database."""

from typing import cast

import pytest

from pg_tasks.errors import DatabaseAway, PgTasksError
from pg_tasks.node.backoff import Backoff
from pg_tasks.node.calls import Call, Row
from pg_tasks.node.ear import Ear
from pg_tasks.node.link import Hints, Link, Phase

NOTHING = Hints()


class PlayedLink:
    """Connects when told to, and takes what it is asked."""

    def __init__(self) -> None:
        self.phase = Phase.CLOSED
        self.deadline: float | None = None
        self.asked: list[Call] = []
        self.heard = NOTHING
        self.answer: Row | PgTasksError | None = None

    def open(self, now: float) -> None:
        self.phase, self.deadline = Phase.CONNECTING, now + 10

    def ask(self, call: Call, now: float) -> None:
        self.asked.append(call)
        self.phase, self.deadline = Phase.BUSY, now + 10

    def advance(self, now: float) -> Row | None:
        answer, self.answer = self.answer, None
        if isinstance(answer, PgTasksError):
            self.phase, self.deadline = Phase.CLOSED, None
            raise answer
        self.phase, self.deadline = Phase.READY, None
        return answer

    def take_hints(self, worker_channel: str, schedule_channel: str) -> Hints:
        heard, self.heard = self.heard, NOTHING
        return heard


@pytest.fixture
def link() -> PlayedLink:
    return PlayedLink()


@pytest.fixture
def ear(link: PlayedLink) -> Ear:
    return Ear(cast(Link, link), 1, 0, Backoff(1.0, 8.0, lambda: 0.0))


def test_it_connects_listens_and_hears(link: PlayedLink, ear: Ear) -> None:
    ear.turn(100.0)
    assert ear.advance(100.1) == NOTHING
    assert [call.sql[:6] for call in link.asked] == ["LISTEN"]
    link.answer = (True,)
    assert ear.advance(100.2) == Hints(group=True, worker=True, schedule=True), (
        "nobody listened until now"
    )
    link.heard = Hints(group=True)
    assert ear.advance(100.3) == Hints(group=True)
    link.heard = Hints(calls=frozenset(["sentries"]))
    assert ear.advance(100.3).group, "whoever is called, its node may be the only one"
    assert ear.wake_at() is None
    assert len(link.asked) == 1


def test_a_connection_that_is_made_in_the_last_moment_listens_too(
    link: PlayedLink, ear: Ear
) -> None:
    ear.turn(100.0)
    ear.turn(110.0)
    assert len(link.asked) == 1


def test_it_connects_again_after_a_while(link: PlayedLink, ear: Ear) -> None:
    ear.turn(100.0)
    link.answer = DatabaseAway("gone")
    assert ear.advance(100.1) == NOTHING
    assert ear.wake_at() == 101.1
    ear.turn(101.1)
    ear.advance(101.2)
    assert len(link.asked) == 1
