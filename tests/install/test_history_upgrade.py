"""History that was written before it had partitions."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg2
import pytest
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from pg_tasks.install.migration import db_directory
from tests.changelog import change_sets
from tests.servers import Server

pytestmark = pytest.mark.both_versions
RUN = """
INSERT INTO long_task.task_run (
  task_id, attempt, group_id, worker_id, started, finished, state_id, started_by
)
SELECT g, 1, 0, 1, '2020-01-01', '2020-01-02', 'CS', 'person' FROM generate_series(1, 1000) AS g
"""


@contextmanager
def _cursor(server: Server, name: str) -> Iterator[Cursor]:
    with closing(psycopg2.connect(server.dsn_of(name))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def _upgraded(cursor: Cursor, before: str) -> None:
    """Runs ``before`` between the changes that made history and those that come after."""
    for change_set in change_sets():
        if change_set.name == "changes/0011_retention":
            cursor.execute(before)
        cursor.execute((db_directory() / change_set.path).read_text(encoding="utf-8"))


def test_existing_rows_become_the_first_partition(
    server: Server, empty_database: Callable[[], str]
) -> None:
    with _cursor(server, empty_database()) as cursor:
        _upgraded(cursor, RUN)
        cursor.execute("SELECT count(*), min(part), max(part) FROM long_task.task_run")
        assert cursor.fetchone() == (1000, 0, 0)
        cursor.execute("SELECT part, began::date::text, ended FROM long_task.task_run_part")
        assert cursor.fetchall() == [(0, "2020-01-02", None)]


def test_they_are_dropped_when_a_policy_says_so_and_the_partition_has_been_closed_for_as_long(
    server: Server, empty_database: Callable[[], str]
) -> None:
    with _cursor(server, empty_database()) as cursor:
        _upgraded(cursor, RUN)
        cursor.execute("INSERT INTO long_task.history_retention (keep) VALUES ('90 days')")
        cursor.execute("CALL long_task.maintain()")
        assert cursor.fetchone() == (0, 0, 1, 0, None)
        cursor.execute("UPDATE long_task.task_run_part SET ended = ended - interval '91 days'")
        cursor.execute("CALL long_task.maintain()")
        assert cursor.fetchone() == (0, 0, 0, 1, None)
        cursor.execute("SELECT count(*) FROM long_task.task_run")
        assert cursor.fetchone() == (0,)


def test_views_that_were_made_before_see_what_is_written_afterwards(
    server: Server, empty_database: Callable[[], str]
) -> None:
    old = "CREATE VIEW long_task.group_status AS SELECT h.group_id FROM long_task.task_run AS h"
    with _cursor(server, empty_database()) as cursor:
        _upgraded(cursor, old)
        cursor.execute(
            "SELECT DISTINCT v.relname FROM pg_depend AS d"
            " JOIN pg_rewrite AS r ON r.oid = d.objid JOIN pg_class AS v ON v.oid = r.ev_class"
            " WHERE d.refobjid = 'long_task.task_run'::regclass ORDER BY 1"
        )
        assert cursor.fetchall() == [("group_status",), ("worker_status",)]
