"""A call of a node arrives long after the node has given it up and gone on with another connection.

Its kernel goes on sending what was not acknowledged, also after the connection was closed.
"""

from collections.abc import Iterator

import pytest
from psycopg2.extensions import make_dsn, parse_dsn

from tests.chaos.proxy import Proxy
from tests.chaos.witnesses import Witnesses
from tests.node.conftest import StartNode
from tests.servers import Database
from tests.waiting import wait_until

LEASE: dict[str, object] = {"lease_duration": 600, "lease_renewal": 0.5, "recovery_delay": 0.3}
IMPATIENT: dict[str, object] = {"call_timeout": 1, "connect_timeout": 5}


@pytest.fixture
def detour(database: Database) -> Iterator[Proxy]:
    """Another way to the database."""
    made = Proxy(database)
    yield made
    made.close()


@pytest.fixture
def launch(proxy: Proxy, detour: Proxy, launch_node: StartNode) -> StartNode:
    """Both ways outlive the nodes."""
    del proxy, detour
    return launch_node


def either(first: Proxy, second: Proxy) -> str:
    """The way to the database that is open, of two."""
    places = [parse_dsn(one.dsn) for one in (first, second)]
    ports = ",".join(place["port"] for place in places)
    return make_dsn(first.dsn, host="127.0.0.1,127.0.0.1", port=ports)


def test_a_late_claim_leaves_no_task_that_nobody_runs(
    start_node: StartNode, witnesses: Witnesses, proxy: Proxy, detour: Proxy
) -> None:
    node = start_node(1, 0, 2, dsn=either(proxy, detour), **LEASE, **IMPATIENT)
    proxy.hold_questions()
    first = witnesses.add_many(2, 600)
    node.says("event=database_away")
    proxy.refuse()
    for task in first:
        witnesses.begins(task)
    late = witnesses.add_many(2, 0)
    proxy.release()
    for task in first:
        witnesses.tasks.set(task, state_id="AC")
    for task in late:
        assert witnesses.tasks.ended(task, limit=30).state_id == "CS"
    witnesses.judge()


def test_a_late_request_for_the_worker_takes_nothing_away_from_the_node_that_made_it(
    start_node: StartNode,
    launch: StartNode,
    witnesses: Witnesses,
    proxy: Proxy,
    detour: Proxy,
) -> None:
    holder = start_node(1, 0, 2, **LEASE)
    other = start_node(2, 0, 2, **LEASE)
    standby = launch(1, 0, 2, dsn=either(proxy, detour), **LEASE, **IMPATIENT)
    standby.says("event=standby")
    proxy.hold()
    standby.says("event=database_away")
    proxy.refuse()
    holder.stop()
    standby.serves()
    witnesses.tasks.sql("UPDATE long_task.worker SET stop = 1 WHERE id = 2")
    ids = witnesses.add_many(2, 600, 0, max_attempts=2, retry_delay="0")
    for task in ids:
        witnesses.begins(task)
    witnesses.tasks.sql("UPDATE long_task.worker SET stop = 0 WHERE id = 2")
    proxy.release()
    # The late call has been answered when its connection is closed.
    wait_until(lambda: len(witnesses.tasks.sql(_SESSIONS)) == 2, describe="one session each")
    witnesses.tasks.ended(witnesses.add(0))
    assert [witnesses.tasks.row(task).attempt for task in ids] == [1, 1]
    for task in ids:
        witnesses.tasks.set(task, state_id="AC")
    witnesses.judge()
    assert "event=lease_lost" not in standby.log() + other.log()


_SESSIONS = (
    "SELECT FROM pg_stat_activity WHERE application_name LIKE 'pg_tasks worker%'"
    " AND datname = current_database()"
)
