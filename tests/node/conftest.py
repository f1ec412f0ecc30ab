"""What tests of a whole node can ask for."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.node.running_node import RunningNode
from tests.node.tasks import Tasks
from tests.servers import Database

StartNode: TypeAlias = Callable[..., RunningNode]


@pytest.fixture
def tasks(database: Database) -> Tasks:
    """The tasks of the test's own database."""
    return Tasks(database)


@pytest.fixture
def launch(database: Database, tmp_path: Path) -> Iterator[StartNode]:
    """``launch(worker, group, slots, **settings)``: a node that may or may not come to serve."""
    with ExitStack() as stack:

        def launch(
            worker_id: int = 1,
            group_id: int = 0,
            slots: int = 4,
            *,
            prefix: tuple[str, ...] = (),
            environ: Mapping[str, str] | None = None,
            **settings: object,
        ) -> RunningNode:
            node = RunningNode(
                database,
                tmp_path,
                (worker_id, group_id, slots),
                prefix=prefix,
                environ=environ,
                **settings,
            )
            stack.callback(node.close)
            return node

        yield launch


@pytest.fixture
def start_node(launch: StartNode) -> StartNode:
    """As ``launch``; returns when the node serves its worker."""
    return lambda *arguments, **settings: launch(*arguments, **settings).serves()


@pytest.fixture
def node(start_node: StartNode) -> RunningNode:
    """A node with four slots."""
    return start_node()


@pytest.fixture
def own_tasks(own_database: Database) -> Tasks:
    """The tasks on the server that may be stopped."""
    return Tasks(own_database)


@pytest.fixture
def own_node(own_database: Database, tmp_path: Path) -> Iterator[RunningNode]:
    """A node on the server that may be stopped."""
    started = RunningNode(own_database, tmp_path, (1, 0, 8)).serves()
    yield started
    started.close()
