"""Whether a database's schema and this release of pg_tasks fit together."""

from typing import NamedTuple

from pg_tasks.errors import SchemaMismatch

SCHEMA_VERSION = 1
"""What long_task.schema_version() has to say for this release."""


class SchemaVersion(NamedTuple):
    """What a database says of its schema."""

    version: int
    oldest_node: int
    """The lowest SCHEMA_VERSION of a node that can work with it."""
    encoding: str = "UTF8"
    """The server_encoding of the database."""


def check_version(found: SchemaVersion | None, database: str) -> None:
    """Raises SchemaMismatch, saying how to mend it, if this release cannot work with it.

    ``found`` is None for a database without the schema.
    """
    if found is None:
        raise SchemaMismatch(
            f"database {database} has no schema of pg_tasks", hint="make it with: pg-tasks migrate"
        )
    check_encoding(found.encoding, database)
    if found.version < SCHEMA_VERSION:
        raise SchemaMismatch(
            f"the schema of database {database} is version {found.version},"
            f" and this release of pg_tasks needs version {SCHEMA_VERSION}",
            hint="bring it up to date with: pg-tasks migrate",
        )
    if found.oldest_node > SCHEMA_VERSION:
        raise SchemaMismatch(
            f"the schema of database {database} is version {found.version},"
            f" made for later releases than this one, which knows version {SCHEMA_VERSION}",
            hint="upgrade this machine with: pip install --upgrade pg-tasks",
        )


def check_encoding(encoding: str, database: str) -> None:
    """Raises SchemaMismatch if a database of this server_encoding cannot hold every text.

    One character that it lacks, in the output of one task, would refuse the reports of all others.
    """
    if encoding != "UTF8":
        raise SchemaMismatch(
            f"database {database} has encoding {encoding}, and pg_tasks needs UTF8",
            hint="make one with: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0",
        )
