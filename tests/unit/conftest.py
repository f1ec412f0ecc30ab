"""Sessions of nodes, for tests of what they ask the database."""

import pytest

from tests.unit.played_session import Played, ask, connect


@pytest.fixture
def played() -> Played:
    """A session that has not begun."""
    return Played()


@pytest.fixture
def serving(played: Played) -> Played:
    """One that holds its worker, and has nothing to do."""
    connect(played)
    played.answer((7, None, None, None, None, None))
    ask(played, "sync")
    played.synced()
    played.sent()
    return played
