"""A network that loses packets: the database neither answers nor closes the connection."""

import os
from collections.abc import Iterator

import pytest
from psycopg2.extensions import make_dsn

from tests.chaos.cable import Cable
from tests.chaos.witnesses import Witnesses
from tests.node.conftest import StartNode
from tests.node.running_node import QUIET_LEASE, SHORT_LEASE
from tests.servers import Database

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a network")

PATIENT: dict[str, object] = {"call_timeout": 1800, "connect_timeout": 1800}
"""The node's own timeouts do not help it."""


@pytest.fixture
def cable(database: Database) -> Iterator[Cable]:
    made = Cable(database)
    yield made
    made.close()


@pytest.fixture
def proxy(cable: Cable) -> Cable:
    """What nodes have to be outlived by."""
    return cable


def test_tasks_of_a_node_whose_cable_was_pulled_are_dead_before_they_run_elsewhere(
    cable: Cable, start_node: StartNode, launch: StartNode, witnesses: Witnesses
) -> None:
    lonely = start_node(1, 0, 4, prefix=cable.prefix, dsn=cable.dsn, call_timeout=1, **SHORT_LEASE)
    ids = [
        witnesses.add(600, 0, helper=True, max_attempts=2, retry_delay="0", kill_grace="1 hour")
        for _ in range(4)
    ]
    for task in ids:
        witnesses.begins(task)
    standby = launch(recovery_delay=0.3)
    standby.says("event=standby")
    cable.pull()
    standby.serves()
    assert lonely.tasks() == []
    lonely.says("event=lease_lost")
    cable.plug()
    lonely.says("event=standby")
    witnesses.judge()


def test_an_idle_connection_that_is_dead_is_found_by_keepalive(
    cable: Cable, start_node: StartNode, witnesses: Witnesses
) -> None:
    dsn = make_dsn(
        cable.dsn, keepalives_idle=1, keepalives_interval=1, keepalives_count=2, tcp_user_timeout=0
    )
    node = start_node(1, 0, 4, prefix=cable.prefix, dsn=dsn, **QUIET_LEASE, **PATIENT)
    witnesses.tasks.ended(witnesses.add(0))
    cable.pull()
    node.says("event=database_away")
    task = witnesses.add(0)
    cable.plug()
    witnesses.tasks.ended(task)
    witnesses.judge()


def test_a_report_on_a_dead_connection_is_handed_in_on_the_next_one(
    cable: Cable, start_node: StartNode, witnesses: Witnesses
) -> None:
    """The kernel has data that is not acknowledged: that is what tcp_user_timeout is for."""
    # Not keepalives=0: with that libpq sets no tcp_user_timeout either.
    dsn = make_dsn(cable.dsn, keepalives_idle=3600, tcp_user_timeout=1000)
    node = start_node(1, 0, 4, prefix=cable.prefix, dsn=dsn, **QUIET_LEASE, **PATIENT)
    task = witnesses.add(1, code=3)
    witnesses.begins(task)
    cable.pull()
    node.says("event=database_away")
    cable.plug()
    assert witnesses.tasks.ended(task).exit_code == 3
    witnesses.judge()
