"""What every object of the schema has to have, asked of the catalogue."""

from psycopg2.extensions import connection as Connection

_LIQUIBASE = ("databasechangelog", "databasechangeloglock")


def _names(connection: Connection, query: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(query, {"schema": "long_task", "liquibase": list(_LIQUIBASE)})
        return [str(name) for (name,) in cursor]


def test_every_function_has_a_comment(connection: Connection) -> None:
    bare = _names(
        connection,
        """
        SELECT p.oid::regprocedure FROM pg_proc AS p
        WHERE p.pronamespace = %(schema)s::regnamespace
        AND obj_description(p.oid, 'pg_proc') IS NULL
        """,
    )
    assert bare == []


def test_every_function_has_a_pinned_search_path(connection: Connection) -> None:
    """Or a body whose names were resolved when it was created. What commits can have none."""
    open_to_others = _names(
        connection,
        """
        SELECT p.oid::regprocedure FROM pg_proc AS p
        WHERE p.pronamespace = %(schema)s::regnamespace
        AND NOT COALESCE(p.proconfig, '{}') @> ARRAY['search_path=pg_catalog, pg_temp']
        AND p.prosqlbody IS NULL
        AND p.prokind <> 'p'
        """,
    )
    assert open_to_others == []


def test_no_function_can_be_called_by_everybody(connection: Connection) -> None:
    public = _names(
        connection,
        """
        SELECT p.oid::regprocedure
        FROM pg_proc AS p
        CROSS JOIN LATERAL aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a
        WHERE p.pronamespace = %(schema)s::regnamespace
        AND a.grantee = 0
        """,
    )
    assert public == []


def test_every_table_view_and_sequence_has_a_comment(connection: Connection) -> None:
    bare = _names(
        connection,
        """
        SELECT c.relname FROM pg_class AS c
        WHERE c.relnamespace = %(schema)s::regnamespace
        AND c.relkind IN ('r', 'v', 'm', 'p', 'S')
        AND c.relname <> ALL (%(liquibase)s)
        AND obj_description(c.oid, 'pg_class') IS NULL
        -- The sequence of an identity column belongs to its column.
        AND NOT EXISTS (
          SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'i'
        )
        """,
    )
    assert bare == []


def test_every_column_has_a_comment(connection: Connection) -> None:
    bare = _names(
        connection,
        """
        SELECT format('%%s.%%s', c.relname, a.attname)
        FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE c.relnamespace = %(schema)s::regnamespace
        AND c.relkind IN ('r', 'v', 'm', 'p')
        AND c.relname <> ALL (%(liquibase)s)
        AND a.attnum > 0
        AND NOT a.attisdropped
        AND col_description(c.oid, a.attnum) IS NULL
        """,
    )
    assert bare == []
