"""The actors, each on the connection that is rolled back."""

from collections.abc import Iterator

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.procedures.acting import Node, Sql
from tests.servers import Clock, Database, Server

START = "2030-05-06 07:08:09+00:00"
_EMPTY = """
SET session_replication_role = replica;
TRUNCATE
  long_task.task, long_task.task_run, long_task.worker_lease, long_task.worker_stop,
  long_task.deleted_attempt, long_task.task_dependency, long_task.unsettled_task,
  long_task.unsettled_key, long_task.concurrency_limit, long_task.group_limit,
  long_task.workflow, long_task.unsettled_workflow, long_task.retention,
  long_task.history_retention, long_task.task_archive, long_task.run_kept
CASCADE;
UPDATE test_clock.state SET frozen = NULL, shift = '0';
UPDATE long_task.maintenance
SET next_at = long_task.clock() + interval '1 hour', phase = 'history', place = 0;
"""


FIRST_EPOCH = "ALTER SEQUENCE long_task.worker_epoch RESTART"


@pytest.fixture(scope="session")
def open_connections() -> dict[int, Connection]:
    """One for each server: opening one takes longer than most of these tests."""
    return {}


@pytest.fixture
def connection(
    server: Server, shared_databases: dict[int, Database], open_connections: dict[int, Connection]
) -> Iterator[Connection]:
    """A connection inside a transaction that is rolled back; its plans live on, as in a node's."""
    if id(server) not in open_connections:
        if id(server) not in shared_databases:
            shared_databases[id(server)] = server.create_database()
        open_connections[id(server)] = shared_databases[id(server)].connect(autocommit=False)
    connection = open_connections[id(server)]
    yield connection
    connection.rollback()
    connection.notices.clear()


@pytest.fixture(scope="session")
def committed_databases() -> dict[int, Database]:
    """One for each server, emptied after each test: making one takes longer than most tests."""
    return {}


@pytest.fixture
def database(server: Server, committed_databases: dict[int, Database]) -> Iterator[Database]:
    """A database for what takes several sessions, or notifications."""
    if id(server) not in committed_databases:
        committed_databases[id(server)] = server.create_database()
    database = committed_databases[id(server)]
    yield database
    database.close()
    Sql(database.connect()).run(_EMPTY)
    database.close()


@pytest.fixture
def sql(connection: Connection) -> Sql:
    """A person. The epochs begin at 1."""
    session = Sql(connection)
    session.run(FIRST_EPOCH)
    return session


@pytest.fixture
def node(sql: Sql) -> Node:
    """A node that serves worker 1 of group 0 with four slots."""
    return Node(sql)


@pytest.fixture
def stopped(clock: Clock) -> Clock:
    """The clock, stopped."""
    clock.set(START)
    return clock


@pytest.fixture
def serving(database: Database) -> Sql:
    """The session of a node. It gives up at once what it would have to wait for."""
    session = Sql(database.connect())
    session.run("SET lock_timeout = '2s'")
    session.run(FIRST_EPOCH)
    return session


@pytest.fixture
def person(database: Database) -> Sql:
    """A person with an open transaction."""
    return Sql(database.connect(autocommit=False))
