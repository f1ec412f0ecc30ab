"""db/install.sql: what Liquibase would do, in one file, for a database that has nothing."""

import subprocess
from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest

from pg_tasks.errors import MigrationError, SchemaMismatch
from pg_tasks.install.migration import check_schema, db_directory, install
from pg_tasks.schema_version import SCHEMA_VERSION
from tests.install.golden import SCHEMA_DUMP, install_sql, schema_dump
from tests.servers import Server

EmptyDatabase = Callable[..., str]
LATIN1 = "ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'"


def test_the_committed_install_sql_is_what_liquibase_makes_of_the_changelog(server: Server) -> None:
    assert install_sql(server) == (db_directory() / "install.sql").read_text(), "make install-sql"


def test_install_sql_makes_the_schema_that_is_committed(
    server: Server, empty_database: EmptyDatabase
) -> None:
    name = empty_database()
    assert install(server.dsn_of(name))
    assert schema_dump(server, name) == SCHEMA_DUMP.read_text(), "make schema-dump"


def test_psql_can_run_install_sql_in_one_transaction(
    server: Server, empty_database: EmptyDatabase
) -> None:
    name = empty_database()
    file = db_directory() / "install.sql"
    subprocess.run(
        [
            server.embedded.psql,
            "-X",
            "-1",
            "-v",
            "ON_ERROR_STOP=1",
            "-f",
            file,
            server.dsn_of(name),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    with closing(psycopg2.connect(server.dsn_of(name))) as connection:
        check_schema(connection)


def test_a_database_of_another_encoding_is_refused_by_install_and_by_psql(
    server: Server, empty_database: EmptyDatabase
) -> None:
    name = empty_database(LATIN1)
    with pytest.raises(SchemaMismatch, match=f"{name} has encoding LATIN1.*ENCODING 'UTF8'"):
        install(server.dsn_of(name))
    done = subprocess.run(
        [server.embedded.psql, "-X", "-1", "-v", "ON_ERROR_STOP=1", "-f",
         db_directory() / "install.sql", server.dsn_of(name)],
        check=False, capture_output=True, encoding="utf-8", timeout=60,
    )  # fmt: skip
    assert f"database {name} has encoding LATIN1, and pg_tasks needs UTF8" in done.stderr
    assert "HINT:  Make one with CREATE DATABASE name ENCODING 'UTF8' TEMPLATE" in done.stderr


def test_the_encoding_of_whoever_installs_does_not_matter(
    server: Server, empty_database: EmptyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    assert install(server.dsn_of(empty_database()))


def test_install_leaves_a_database_alone_that_has_the_schema(
    server: Server, empty_database: EmptyDatabase
) -> None:
    dsn = psycopg2.extensions.make_dsn(server.dsn_of(empty_database()), application_name="mine")
    assert install(dsn)
    assert not install(dsn)


def test_what_is_no_dsn_is_told_without_repeating_it() -> None:
    with pytest.raises(MigrationError, match="the DSN is no connection string") as caught:
        install("host=localhost secret")
    assert "secret" not in str(caught.value)


def test_a_database_without_the_schema_is_told_from_one_that_fits(
    server: Server, empty_database: EmptyDatabase
) -> None:
    dsn = server.dsn_of(empty_database())
    with (
        closing(psycopg2.connect(dsn)) as connection,
        pytest.raises(SchemaMismatch, match=r"has no schema of pg_tasks \(.*pg-tasks migrate"),
    ):
        check_schema(connection)
    install(dsn)
    with closing(psycopg2.connect(dsn)) as connection:
        check_schema(connection)


@pytest.mark.parametrize(
    ("version", "oldest_node", "mend"),
    [
        (SCHEMA_VERSION - 1, SCHEMA_VERSION - 1, "pg-tasks migrate"),
        (SCHEMA_VERSION + 1, SCHEMA_VERSION + 1, "pip install --upgrade pg-tasks"),
    ],
)
def test_a_schema_that_does_not_fit_is_told_in_one_line_with_the_way_to_mend_it(
    server: Server, empty_database: EmptyDatabase, version: int, oldest_node: int, mend: str
) -> None:
    with closing(_connect_with_version(server, empty_database(), version, oldest_node)) as found:
        with pytest.raises(SchemaMismatch, match=mend) as caught:
            check_schema(found)
        assert "\n" not in str(caught.value)


def test_a_newer_schema_that_still_serves_this_release_is_accepted(
    server: Server, empty_database: EmptyDatabase
) -> None:
    version = SCHEMA_VERSION + 1
    with closing(_connect_with_version(server, empty_database(), version, SCHEMA_VERSION)) as found:
        check_schema(found)


def _connect_with_version(
    server: Server, name: str, version: int, oldest_node: int
) -> psycopg2.extensions.connection:
    dsn = server.dsn_of(name)
    install(dsn)
    connection = psycopg2.connect(dsn)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION long_task.schema_version()"
            " RETURNS TABLE (version integer, oldest_node integer)"
            f" LANGUAGE sql VOLATILE AS 'SELECT {version}, {oldest_node}'"
        )
    return connection
