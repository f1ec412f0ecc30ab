"""pg-tasks migrate: Liquibase on real databases."""

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from pg_tasks.errors import DatabaseAway, MigrationError
from pg_tasks.install.liquibase_files import wheel_java_home
from pg_tasks.install.migration import db_directory, install, migrate
from tests.changelog import change_sets
from tests.install.golden import SCHEMA_DUMP, schema_dump
from tests.servers import Server

EmptyDatabase = Callable[[], str]


@pytest.mark.both_versions
def test_migrate_installs_everything_and_a_second_migrate_changes_nothing(
    server: Server, empty_database: EmptyDatabase
) -> None:
    dsn = server.dsn_of(empty_database(), tcp=True)
    assert migrate(dsn).applied == [change_set.name for change_set in change_sets()]
    assert migrate(dsn).applied == []


@pytest.mark.both_versions
def test_migrate_after_install_sql_changes_nothing(
    server: Server, empty_database: EmptyDatabase
) -> None:
    dsn = server.dsn_of(empty_database(), tcp=True)
    assert install(dsn)
    assert migrate(dsn).applied == []


def test_migrate_makes_the_schema_that_is_committed(
    server: Server, empty_database: EmptyDatabase
) -> None:
    name = empty_database()
    migrate(server.dsn_of(name, tcp=True))
    assert schema_dump(server, name) == SCHEMA_DUMP.read_text(), "make schema-dump"


def test_a_changed_procedure_is_all_that_an_upgrade_runs(
    server: Server, empty_database: EmptyDatabase, tmp_path: Path
) -> None:
    dsn = server.dsn_of(empty_database(), tcp=True)
    install(dsn)
    changed = Path(shutil.copytree(db_directory(), tmp_path / "db"))
    clock = changed / "procedures/clock.sql"
    clock.write_text(clock.read_text().replace("clock_timestamp()", "statement_timestamp()"))
    assert migrate(dsn, db_dir=changed).applied == ["procedures/clock"]
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE oid = 'long_task.clock()'::regprocedure")
        row = cursor.fetchone()
    assert row
    assert "statement_timestamp()" in row[0]


def test_a_rule_of_ones_own_survives_an_upgrade(
    server: Server, empty_database: EmptyDatabase, tmp_path: Path
) -> None:
    dsn = server.dsn_of(empty_database(), tcp=True)
    install(dsn)
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION long_task.retry_lost_task(p_task long_task.task)"
            " RETURNS interval LANGUAGE sql AS 'SELECT interval ''7 s'''"
        )
    changed = Path(shutil.copytree(db_directory(), tmp_path / "db"))
    for path in (changed / "procedures").glob("*.sql"):
        path.write_text(path.read_text() + "\n-- another comment\n")
    assert len(migrate(dsn, db_dir=changed).applied) > 10
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT prosrc FROM pg_proc"
            " WHERE oid = 'long_task.retry_lost_task(long_task.task)'::regprocedure"
        )
        assert cursor.fetchone() == ("SELECT interval '7 s'",)


def test_a_failing_change_is_told_in_one_line_and_mended_by_the_next_migrate(
    server: Server, empty_database: EmptyDatabase, tmp_path: Path
) -> None:
    dsn = server.dsn_of(empty_database(), tcp=True)
    install(dsn)
    changed = Path(shutil.copytree(db_directory(), tmp_path / "db"))
    clock = changed / "procedures/clock.sql"
    good = clock.read_text() + "\n-- another comment\nCOMMENT ON SCHEMA long_task IS 'changed';\n"
    clock.write_text(good + "SELECT no_such_column FROM long_task.task;\n")
    with pytest.raises(MigrationError, match='column "no_such_column" does not exist') as caught:
        migrate(dsn, db_dir=changed)
    assert "\n" not in str(caught.value)
    clock.write_text(good)
    assert migrate(dsn, db_dir=changed).applied == ["procedures/clock"]


def test_a_lock_that_a_killed_migration_left_behind_is_no_obstacle(
    server: Server, empty_database: EmptyDatabase
) -> None:
    dsn = server.dsn_of(empty_database(), tcp=True)
    install(dsn)
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE long_task.databasechangeloglock"
            " SET locked = true, lockedby = 'somebody', lockgranted = now()"
        )
    assert migrate(dsn).applied == []


def test_a_role_that_owns_nothing_but_the_database_can_migrate(
    server: Server, empty_database: EmptyDatabase
) -> None:
    name = empty_database()
    dsn = server.dsn_of(name, tcp=True)
    with closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE ROLE migrator LOGIN CREATEROLE PASSWORD 'it''s %40 secret&'")
            cursor.execute(f"ALTER DATABASE {name} OWNER TO migrator")
    theirs = psycopg2.extensions.make_dsn(dsn, user="migrator", password="it's %40 secret&")
    assert migrate(theirs).applied
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("REASSIGN OWNED BY migrator TO postgres; DROP OWNED BY migrator")
        cursor.execute("DROP ROLE migrator")


def test_migrate_runs_on_the_java_of_the_package_index(
    server: Server,
    empty_database: EmptyDatabase,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    java_home = wheel_java_home()
    assert java_home
    monkeypatch.setenv("JAVA_HOME", str(java_home))
    dsn = server.dsn_of(empty_database(), tcp=True)
    install(dsn)
    assert migrate(dsn).applied == []
    assert capfd.readouterr() == ("", "")


def test_what_liquibase_says_can_be_read_in_the_log_and_has_no_password(
    server: Server, empty_database: EmptyDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="pg_tasks")
    dsn = server.dsn_of(empty_database(), tcp=True)
    install(dsn)
    migrate(dsn)
    assert "Previously run:" in caplog.text
    assert psycopg2.extensions.parse_dsn(dsn)["password"] not in caplog.text


def test_a_unix_socket_is_refused_with_the_reason(
    server: Server, empty_database: EmptyDatabase
) -> None:
    with pytest.raises(MigrationError, match="JDBC needs TCP"):
        migrate(server.dsn_of(empty_database()))


def test_a_database_that_does_not_answer_is_told_in_one_line() -> None:
    with pytest.raises(DatabaseAway) as caught:
        migrate("host=127.0.0.1 port=1 dbname=nowhere user=nobody password=secret")
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
