"""What the doctor reads does not grow with the installation."""

from collections.abc import Iterator

import pytest

from tests.procedures.acting import Sql
from tests.procedures.complaints import ask
from tests.servers import Database, Server

CROWD = 30_000
READ = """
SELECT COALESCE(h.inhparent::regclass::text, t.relid::regclass::text), sum(t.seq_tup_read),
  sum((SELECT sum(i.idx_tup_read) FROM pg_stat_user_indexes AS i WHERE i.relid = t.relid))
FROM pg_stat_user_tables AS t
LEFT JOIN pg_inherits AS h ON h.inhrelid = t.relid
WHERE COALESCE(h.inhparent, t.relid) IN (
  'long_task.task'::regclass, 'long_task.task_dependency'::regclass, 'long_task.task_run'::regclass
)
GROUP BY 1
"""
"""Of task_run, what was read of all partitions."""


@pytest.fixture
def crowded(server: Server) -> Iterator[Database]:
    """A database of its own with many of each kind, and nobody to run them."""
    database = server.create_database()
    sql = Sql(database.connect())
    with sql.without_triggers():
        for columns, values in (
            ("state_id, last_state_change", "'AW', '2020-01-01'"),
            ("state_id, worker_id, last_state_change", "'AW', 77, '2020-01-01'"),
            ("state_id, start_after", "'AD', '2020-01-01'"),
            ("state_id, running_on, attempt, started", "'AE', 5, 1, now()"),
            ("state_id, unmet, has_needs", "'AB', 'wait', true"),
            ("state_id, attempt", "'CS', 1"),
            ("state_id, next_start, shed_clone", "'DR', '2020-01-01', true"),
        ):
            sql.run(
                f"INSERT INTO long_task.task (command, {columns})"
                f" SELECT '{{true}}', {values} FROM generate_series(1, {CROWD})"
            )
        for place, met in enumerate(("NULL", "true", "false"), start=1):
            sql.run(
                "INSERT INTO long_task.task_dependency (task_id, needs_task_id, met)"
                f" SELECT b.id, b.id - {CROWD * place}, {met}"
                " FROM long_task.task AS b WHERE b.state_id = 'AB'"
            )
        sql.run(
            "INSERT INTO long_task.task_run (task_id, attempt, group_id, worker_id, started,"
            " finished, state_id, started_by, part) SELECT n, 1, 0, 1, now(), now(), 'CS', '', 0"
            f" FROM generate_series(1, {CROWD}) AS n"
        )
    sql.run("VACUUM ANALYZE long_task.task, long_task.task_dependency, long_task.task_run")
    yield database
    database.close()
    server.drop(database.name)


def test_the_doctor_reads_a_bounded_number_of_rows(crowded: Database) -> None:
    asking, watching = Sql(crowded.connect()), Sql(crowded.connect())
    before = _read(watching)
    found = {finding.code for finding in ask(asking)}
    asking.rows("SELECT pg_stat_force_next_flush()")
    after = _read(watching)
    assert {"group_without_node", "worker_absent", "worker_failed", "schedules_overdue"} <= found
    assert {"needs_unmet"} <= found
    read = {name: after[name][1] - before[name][1] for name in after}
    assert {name: after[name][0] - before[name][0] for name in after} == dict.fromkeys(after, 0)
    # Ten thousand running tasks, and as many that decided dependencies belong to.
    assert read["long_task.task"] < 40_000
    assert read["long_task.task_dependency"] < 15_000
    assert read["long_task.task_run"] == 0


def _read(watching: Sql) -> dict[str, tuple[int, int]]:
    """Of each table: rows read without an index, entries read of its indexes."""
    return {name: (int(scanned), int(entries)) for name, scanned, entries in watching.rows(READ)}
