"""Real PostgreSQL servers for the tests, and databases on them."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal, NamedTuple

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import make_dsn

from pg_tasks.install.embedded import EmbeddedServer
from pg_tasks.install.postgres_programs import programs_for, wheel_bin_dir
from tests.changelog import apply_changelog

UNIX_ONLY = {"listen_addresses": ""}
"""Without a TCP port nobody can take it while the server is down."""
StopMode = Literal["fast", "immediate"]
"""``immediate`` is a crash, after which the server recovers."""

_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "jit": "off",
    "max_connections": "200",
    # Far from UTC and from every machine, so that whoever forgets the time zone is found out.
    "timezone": "Asia/Kathmandu",
}

_NODE_USER = "runner"
_CLOCK = """
CREATE SCHEMA test_clock;
CREATE TABLE test_clock.state (frozen timestamptz, shift interval NOT NULL);
INSERT INTO test_clock.state (shift) VALUES ('0');
GRANT USAGE ON SCHEMA test_clock TO PUBLIC;
GRANT SELECT ON test_clock.state TO PUBLIC;
CREATE OR REPLACE FUNCTION long_task.clock()
RETURNS timestamptz
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT COALESCE(s.frozen, clock_timestamp() + s.shift) FROM test_clock.state AS s
$$;
"""


class Clock:
    """The time that ``long_task.clock()`` tells in one database.

    It runs with the real one until ``set`` stops it. A change is part of the connection's
    transaction, if it has one.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def set(self, time: datetime | str) -> None:
        """Stops the clock at ``time``; without an offset it is UTC."""
        moment = datetime.fromisoformat(time) if isinstance(time, str) else time
        moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        self._run("UPDATE test_clock.state SET frozen = %s", moment)

    def advance(self, seconds: float) -> None:
        """Moves the clock on, and leaves it stopped or running as it was."""
        self._run(
            "UPDATE test_clock.state AS s SET frozen = s.frozen + d.step, shift = s.shift + d.step"
            " FROM make_interval(secs => %s) AS d (step)",
            seconds,
        )

    def now(self) -> datetime:
        """What the clock says."""
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT long_task.clock()")
            row = cursor.fetchone()
        assert row and isinstance(row[0], datetime)
        return row[0]

    def _run(self, statement: str, *values: object) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)


class Database:
    """A database of a test's own, with the schema; dropped after the test."""

    def __init__(self, name: str, dsn: str) -> None:
        self.name = name
        self.dsn = dsn
        self._opened: list[Connection] = []

    def connect(self, *, autocommit: bool = True, **parameters: str) -> Connection:
        """Opens a connection that is closed with the database. ``parameters`` are libpq's."""
        connection = psycopg2.connect(make_dsn(self.dsn, **parameters))
        connection.autocommit = autocommit
        self._opened.append(connection)
        return connection

    @property
    def node_dsn(self) -> str:
        """For nodes: a role that may serve a worker, and nothing else."""
        return make_dsn(self.dsn, user=_NODE_USER)

    @property
    def clock(self) -> Clock:
        """Its changes are committed at once."""
        return Clock(self.connect())

    def close(self) -> None:
        """Closes all connections that it opened."""
        for connection in self._opened:
            connection.close()


def control(server: EmbeddedServer, *words: str) -> None:
    """Runs pg_ctl on the server's cluster, and waits for what it does."""
    cluster = str(server.data_dir / "postgresql")
    log = ["-l", str(server.log)] if words[0] in ("start", "restart") else []
    programs = programs_for(server.bin_dir, server.data_dir)
    programs.run("pg_ctl", *words, "-D", cluster, "-w", *log)


class Server:
    """A PostgreSQL of one version in a directory of its own below /tmp."""

    def __init__(self, bin_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        """Makes it and starts it, with ``settings`` over those of the tests.

        Durability is switched off: nothing here outlives the tests.
        """
        # Not pytest's directory: that is closed to the account which runs PostgreSQL for root.
        self.directory = Path(tempfile.mkdtemp(prefix="pg_tasks-test-"))
        self.directory.chmod(0o755)
        self.embedded = EmbeddedServer(
            self.directory / "data", bin_dir, settings={**_SETTINGS, **(settings or {})}
        )
        self.embedded.start()
        self._count = 0
        self._template: str | None = None

    def dsn_of(self, name: str, *, tcp: bool = False) -> str:
        """The address of the database ``name`` over the unix socket, or over TCP with password."""
        return make_dsn(self.embedded.tcp_dsn if tcp else self.embedded.dsn, dbname=name)

    def create_empty(self, options: str = "") -> str:
        """Makes a database without the schema, and returns its name."""
        return self._create(f"template0 {options}")

    def create_database(self) -> Database:
        """Makes a database with the schema and the clock of the tests."""
        if self._template is None:
            name = self._create("template0")
            apply_changelog(self.dsn_of(name))
            self._run_on(name, _CLOCK)
            self._run_on(name, f"CREATE ROLE {_NODE_USER} LOGIN IN ROLE long_task_node")
            self._template = name
        name = self._create(self._template)
        return Database(name, self.dsn_of(name))

    def drop(self, name: str) -> None:
        """Drops a database, whoever is still connected to it."""
        self._run_on("postgres", f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        """Stops the server and removes all that there was of it."""
        self.embedded.stop()
        shutil.rmtree(self.directory)

    def _create(self, template: str) -> str:
        self._count += 1
        name = f"test_{self._count}"
        self._run_on("postgres", f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def _run_on(self, name: str, statement: str) -> None:
        connection = psycopg2.connect(self.dsn_of(name))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()


class Versions(NamedTuple):
    """The PostgreSQL installations that the tests run on."""

    oldest: Path
    newest: Path


def find_versions() -> Versions:
    """The oldest supported one that the machine has (Debian's place), and the embedded one.

    Raises LookupError when the machine has none: the oldest version is part of the promise.
    """
    found = [
        (int(path.parents[1].name), path.parent)
        for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")
        if path.parents[1].name.isdigit()
    ]
    supported = sorted((version, path) for version, path in found if version >= 15)
    if not supported:
        raise LookupError("the tests need PostgreSQL 15 to 17 from Debian: see tests/provision.sh")
    return Versions(supported[0][1], wheel_bin_dir())


class Servers:
    """The servers of a test session, each started when it is first asked for."""

    def __init__(self, find: Callable[[], Versions] = find_versions) -> None:
        self._find = find
        self._running: dict[str, Server] = {}

    def get(self, which: str) -> Server:
        """``which`` is a field of Versions."""
        if which not in self._running:
            self._running[which] = Server(getattr(self._find(), which))
        return self._running[which]

    def close(self) -> None:
        """Stops them all."""
        for server in self._running.values():
            server.close()
