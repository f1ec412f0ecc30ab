"""What tests of faults can ask for, beside nodes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.proxy import Proxy
from tests.chaos.witnesses import Witnesses
from tests.node.conftest import StartNode, start_node
from tests.node.conftest import launch as launch_node
from tests.node.tasks import Tasks
from tests.servers import Database

__all__ = ["launch_node", "start_node"]


@pytest.fixture
def witnesses(database: Database, tmp_path: Path) -> Witnesses:
    """The tasks of the test's own database, as witnesses."""
    return Witnesses(database, tmp_path / "witnesses")


@pytest.fixture
def tasks(witnesses: Witnesses) -> Tasks:
    """All tasks of the test's own database."""
    return witnesses.tasks


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    """A way to the test's own database that can be cut."""
    made = Proxy(database)
    yield made
    made.close()


@pytest.fixture
def launch(proxy: Proxy, launch_node: StartNode) -> StartNode:
    """As for any test of a node; the way to the database outlives the nodes."""
    del proxy
    return launch_node
