"""What is inside the functions: a misspelt column in a body loads silently."""

from collections.abc import Iterator

import pytest
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from tests.servers import Servers


@pytest.fixture
def checking(servers: Servers) -> Iterator[Connection]:
    """A connection to the server that has the extension plpgsql_check: Debian packages it."""
    server = servers.get("oldest")
    database = server.create_database()
    connection = database.connect()
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION plpgsql_check")
    yield connection
    database.close()
    server.drop(database.name)


def _lines(cursor: Cursor) -> str:
    """All rows, so that a failure shows every finding, and not only the first."""
    return "\n".join(" | ".join(str(value) for value in row if value) for row in cursor)


def test_plpgsql_check_has_nothing_to_say_about_any_function(checking: Connection) -> None:
    with checking.cursor() as cursor:
        cursor.execute(
            """
            SELECT p.oid::regprocedure, c.lineno, c.message, c.detail, c.hint
            FROM pg_proc AS p
            JOIN pg_language AS l ON l.oid = p.prolang
            CROSS JOIN LATERAL plpgsql_check_function_tb(
              p.oid, other_warnings => true, extra_warnings => true, security_warnings => true
            ) AS c
            WHERE p.pronamespace = 'long_task'::regnamespace
            AND l.lanname = 'plpgsql'
            AND p.prorettype <> 'trigger'::regtype
            """
        )
        assert _lines(cursor) == ""


def test_plpgsql_check_has_nothing_to_say_about_any_trigger(checking: Connection) -> None:
    with checking.cursor() as cursor:
        cursor.execute(
            """
            SELECT t.tgname, c.lineno, c.message, c.detail, c.hint
            FROM pg_trigger AS t
            JOIN pg_proc AS p ON p.oid = t.tgfoid
            CROSS JOIN LATERAL plpgsql_check_function_tb(
              p.oid,
              t.tgrelid,
              other_warnings => true,
              extra_warnings => true,
              security_warnings => true,
              oldtable => t.tgoldtable,
              newtable => t.tgnewtable
            ) AS c
            WHERE p.pronamespace = 'long_task'::regnamespace
            AND NOT t.tgisinternal
            """
        )
        assert _lines(cursor) == ""


def test_every_trigger_function_is_used_by_a_trigger(checking: Connection) -> None:
    with checking.cursor() as cursor:
        cursor.execute(
            """
            SELECT p.oid::regprocedure FROM pg_proc AS p
            WHERE p.pronamespace = 'long_task'::regnamespace
            AND p.prorettype = 'trigger'::regtype
            AND NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgfoid = p.oid)
            """
        )
        assert _lines(cursor) == ""


def test_plpgsql_check_finds_a_misspelt_column(checking: Connection) -> None:
    with checking.cursor() as cursor:
        cursor.execute(
            """
            CREATE FUNCTION long_task.misspelt() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
            BEGIN
              PERFORM t.no_such_column FROM long_task.task AS t;
            END
            $$;
            """
        )
        cursor.execute("SELECT message FROM plpgsql_check_function_tb('long_task.misspelt()')")
        assert "no_such_column" in str(cursor.fetchall())
