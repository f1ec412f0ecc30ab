"""What the tests of installing need: databases without the schema."""

from collections.abc import Callable, Iterator

import pytest

from tests.servers import Server


@pytest.fixture
def empty_database(server: Server) -> Iterator[Callable[..., str]]:
    """Makes databases without the schema and returns their names; they are dropped afterwards."""
    names: list[str] = []

    def make(options: str = "") -> str:
        names.append(server.create_empty(options))
        return names[-1]

    yield make
    for name in names:
        server.drop(name)
