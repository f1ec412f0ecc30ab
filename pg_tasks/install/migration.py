"""The schema of a database: installing it, bringing it up to date, telling which one is there."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extensions import make_dsn

from pg_tasks.dsn import read_dsn
from pg_tasks.errors import DatabaseAway, MigrationError
from pg_tasks.install import liquibase
from pg_tasks.install.jdbc import address_of
from pg_tasks.schema_version import (
    SCHEMA_VERSION,
    SchemaVersion,
    check_encoding,
    check_version,
)

OLDEST_SERVER = 15
_CONNECT_SECONDS = "15"
_LOCK_KEY = 0x70675F7461736B73
"""Of the advisory lock that all who change the schema take: the bytes of "pg_tasks"."""
_log = logging.getLogger(__name__)


class Migration(NamedTuple):
    """What a migration did."""

    applied: list[str]
    """The change sets that were run, in order; none when the schema was up to date."""


def db_directory() -> Path:
    """Where the SQL files are: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).parents[1]
    inside = package / "db"
    return inside if inside.is_dir() else package.parent / "db"


def install(dsn: str) -> bool:
    """Installs the schema into a database that has none, without Java, in one transaction.

    False: there is one already, and nothing was done. A later ``migrate`` goes on from here.
    Raises DatabaseAway, MigrationError; SchemaMismatch for a database that cannot take it.
    """
    with _connected(dsn) as connection, connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK_KEY,))
        if _has_schema(cursor):
            return False
        cursor.execute((db_directory() / "install.sql").read_text(encoding="utf-8"))
    _log.info("event=schema_installed version=%s", SCHEMA_VERSION)
    return True


def migrate(dsn: str, db_dir: Path | None = None) -> Migration:
    """Applies with Liquibase what the database lacks of the changelog; it may lack everything.

    Waits while another migration of the same database is under way. What Liquibase says is logged
    at level DEBUG. Raises DatabaseAway, MigrationError; the latter for a DSN of a unix socket, too
    (of the embedded server ``tcp_dsn`` will do). SchemaMismatch for a database that cannot take it.
    """
    with _connected(dsn) as connection, connection.cursor() as cursor:
        address = address_of(connection)
        connection.autocommit = True
        cursor.execute("SELECT pg_advisory_lock(%s)", (_LOCK_KEY,))
        if not _has_schema(cursor):
            # Liquibase keeps its own tables in the schema, and makes those first.
            cursor.execute("CREATE SCHEMA IF NOT EXISTS long_task")
        _release_lock_of_the_dead(cursor)
        before = _change_sets(cursor)
        liquibase.run(db_dir or db_directory(), address, "update")
        after = _change_sets(cursor)
    applied = [name for name, checksum in after.items() if before.get(name) != checksum]
    _log.info("event=schema_migrated change_sets=%d", len(applied))
    return Migration(applied)


def check_schema(connection: Connection) -> None:
    """Raises SchemaMismatch, saying how to mend it, when this release cannot work with the schema.

    Leaves an open transaction behind unless the connection is in autocommit.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regprocedure('long_task.schema_version()') IS NOT NULL")
        found = None
        if _only_value(cursor):
            cursor.execute(
                "SELECT version, oldest_node, current_setting('server_encoding')"
                " FROM long_task.schema_version()"
            )
            found = SchemaVersion(*cursor.fetchone() or (0, 0))
    check_version(found, connection.info.dbname)


@contextmanager
def _connected(dsn: str) -> Iterator[Connection]:
    """A connection to a server that is recent enough; what it refuses becomes a MigrationError."""
    try:
        parameters = {"connect_timeout": _CONNECT_SECONDS, **read_dsn(dsn)}
        parameters["application_name"] = "pg-tasks migrate"
        parameters["client_encoding"] = "UTF8"
        connection = psycopg2.connect(make_dsn(**parameters))
    except ValueError as error:
        raise MigrationError(f"the DSN {error}") from None
    except psycopg2.Error as error:
        raise DatabaseAway(_one_line(error)) from error
    try:
        major = connection.info.server_version // 10000
        if major < OLDEST_SERVER:
            raise MigrationError(
                f"this is PostgreSQL {major}, and pg_tasks needs {OLDEST_SERVER} or later"
            )
        encoding = connection.info.parameter_status("server_encoding")
        check_encoding(str(encoding), connection.info.dbname)
        yield connection
    except psycopg2.Error as error:
        raise MigrationError(f"PostgreSQL refused: {_one_line(error)}") from error
    finally:
        connection.close()


def _one_line(error: psycopg2.Error) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _has_schema(cursor: Cursor) -> bool:
    cursor.execute("SELECT to_regnamespace('long_task') IS NOT NULL")
    return bool(_only_value(cursor))


def _only_value(cursor: Cursor) -> object:
    row = cursor.fetchone()
    return row[0] if row else None


def _release_lock_of_the_dead(cursor: Cursor) -> None:
    """Liquibase's lock is a row, which a killed migration leaves behind, to be waited for in vain.

    Whoever holds our advisory lock knows that nobody else is migrating: that lock ends with its
    connection.
    """
    if _has_table(cursor, "databasechangeloglock"):
        cursor.execute(
            "UPDATE long_task.databasechangeloglock"
            " SET locked = false, lockgranted = NULL, lockedby = NULL WHERE locked"
        )


def _change_sets(cursor: Cursor) -> dict[str, str]:
    """Name and checksum of every change set that was run, in order."""
    if not _has_table(cursor, "databasechangelog"):
        return {}
    cursor.execute("SELECT id, md5sum FROM long_task.databasechangelog ORDER BY orderexecuted")
    return dict(cursor.fetchall())


def _has_table(cursor: Cursor, name: str) -> bool:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (f"long_task.{name}",))
    return bool(_only_value(cursor))
