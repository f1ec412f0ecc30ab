"""What tests can ask for: a server, a database of their own, a connection that is rolled back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg2.extensions import connection as Connection

from tests.servers import UNIX_ONLY, Clock, Database, Server, Servers, find_versions

_ON_BOTH = Path(__file__).parent / "procedures"
"""What is in SQL has to work on the oldest PostgreSQL as well as on the newest."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Lets tests of SQL, unless marked ``any_version``, and those marked ``both_versions``, run on
    two servers; others on one."""
    if "server" not in metafunc.fixturenames:
        return
    marked = metafunc.definition.get_closest_marker("both_versions") is not None
    any_version = metafunc.definition.get_closest_marker("any_version") is not None
    both = marked or (_ON_BOTH in metafunc.definition.path.parents and not any_version)
    versions = ["oldest", "newest"] if both else ["newest"]
    metafunc.parametrize("server", versions, indirect=True, scope="session")


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Real servers in a directory of their own, started when first used."""
    running = Servers()
    yield running
    running.close()


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, servers: Servers) -> Server:
    """The server that the test runs on."""
    return servers.get(request.param)


@pytest.fixture(scope="session")
def shared_databases() -> dict[int, Database]:
    """One database for each server, in which nothing is ever committed."""
    return {}


@pytest.fixture
def connection(server: Server, shared_databases: dict[int, Database]) -> Iterator[Connection]:
    """A connection inside a transaction that is rolled back: for what one session can show."""
    if id(server) not in shared_databases:
        shared_databases[id(server)] = server.create_database()
    database = shared_databases[id(server)]
    opened = database.connect(autocommit=False)
    yield opened
    opened.close()


@pytest.fixture
def clock(connection: Connection) -> Clock:
    """The clock of ``connection``'s database; ``database.clock`` is that of ``database``."""
    return Clock(connection)


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """A database of the test's own: for what takes commits, notifications or a node."""
    made = server.create_database()
    yield made
    made.close()
    server.drop(made.name)


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A server that tests may stop, beside the one of all others."""
    made = Server(find_versions().newest, UNIX_ONLY)
    yield made
    made.close()


@pytest.fixture
def own_database(own_server: Server) -> Iterator[Database]:
    """A database on the server that tests may stop."""
    made = own_server.create_database()
    yield made
    made.close()
    own_server.drop(made.name)
