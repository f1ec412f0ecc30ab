"""History in partitions: made, closed, dropped, and never in anybody's way."""

import re
from collections.abc import Iterator

import pytest

from tests.procedures.acting import Node, Sql
from tests.procedures.acting import ended as report
from tests.procedures.keeping import keep_history, tidy, tidy_by_steps
from tests.servers import Database, Server

PARTS = "SELECT part FROM long_task.task_run_part ORDER BY part"
ATTACHED = """
SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'long_task.task_run'::regclass ORDER BY c.relname
"""


def _write(sql: Sql, node: Node, count: int = 1) -> list[int]:
    """Attempts that end now."""
    ids = [sql.insert() for _ in range(count)]
    assert sorted(node.claim(free=count)) == ids
    node.sync(*(report(task_id) for task_id in ids), free=0)
    return ids


def _pass(sql: Sql, time: str) -> None:
    """Time goes by, and every node has renewed its lease meanwhile."""
    sql.run("UPDATE test_clock.state SET shift = shift + %s", time)
    sql.run("UPDATE long_task.worker_lease SET locked_until = locked_until + %s::interval", time)


def _done(sql: Sql) -> tuple[int, int]:
    steps = tidy_by_steps(sql)
    return sum(one["made"] for one in steps), sum(one["dropped"] for one in steps)


@pytest.fixture
def own(server: Server) -> Iterator[Database]:
    """A database of the test's own: partitions are made in it."""
    database = server.create_database()
    yield database
    database.close()
    server.drop(database.name)


def test_partitions_are_made_as_time_goes_by_and_dropped_when_they_are_old(
    sql: Sql, node: Node
) -> None:
    keep_history(sql, keep="12 days")
    written = []
    for day in range(30):
        written.append(_write(sql, node)[0])
        made, dropped = _done(sql)
        assert made == (day > 0)
        assert dropped == (day > 12)
        _pass(sql, "25 hours")
    kept = sql.values("SELECT task_id FROM long_task.task_run ORDER BY task_id")
    assert kept == written[-len(kept) :]
    assert 12 <= len(kept) <= 14
    assert sql.values(ATTACHED) == sorted(f"task_run_{part}" for part in sql.values(PARTS))


def test_history_without_a_policy_is_kept_for_ever_in_a_few_partitions(
    sql: Sql, node: Node
) -> None:
    for _ in range(40):
        _write(sql, node)
        _done(sql)
        _pass(sql, "31 days")
    assert sql.value("SELECT count(*) FROM long_task.task_run") == 40
    assert len(sql.values(PARTS)) == 30


def test_a_policy_frees_partitions_that_had_grown_too_many(sql: Sql, node: Node) -> None:
    for _ in range(35):
        _write(sql, node)
        _done(sql)
        _pass(sql, "31 days")
    keep_history(sql, keep="1 year")
    made, dropped = _done(sql)
    assert made == 1
    assert dropped > 10


def test_an_empty_partition_is_not_closed(sql: Sql) -> None:
    keep_history(sql, keep="1 day")
    _pass(sql, "10 days")
    assert _done(sql) == (0, 0)


def test_history_goes_by_the_number_of_rows_as_well(sql: Sql, node: Node) -> None:
    keep_history(sql, keep_rows=1200)
    for _ in range(30):
        _write(sql, node, 100)
        _done(sql)
    assert 1200 <= sql.value("SELECT count(*) FROM long_task.task_run") <= 1600
    assert len(sql.values(PARTS)) <= 15


def test_reports_go_into_the_last_partition(sql: Sql, node: Node) -> None:
    keep_history(sql, keep="12 days")
    deleted = sql.insert()
    node.claim()
    (first,) = _write(sql, node)
    _pass(sql, "2 days")
    assert _done(sql) == (1, 0)
    (second,) = _write(sql, node)
    sql.run("DELETE FROM long_task.task WHERE id = %s", deleted)
    node.report(deleted)
    rows = sql.rows("SELECT task_id, part FROM long_task.task_run ORDER BY part, task_id")
    assert rows == [(first, 0), (deleted, 1), (second, 1)]


def test_an_attempt_is_in_history_once_however_often_and_however_late_it_is_reported(
    sql: Sql, node: Node
) -> None:
    keep_history(sql, keep="12 days")
    (task_id,) = _write(sql, node)
    _pass(sql, "2 days")
    assert _done(sql) == (1, 0)
    node.report(task_id)
    node.report(task_id)
    assert sql.runs(task_id, "attempt") == [(1,)]
    sql.change(task_id, state_id="AW")
    node.claim()
    node.report(task_id, attempt=2)
    node.report(task_id, attempt=1)
    assert sql.runs(task_id, "attempt, part") == [(1, 0), (2, 1)]


def test_a_partition_takes_an_attempt_once(sql: Sql, node: Node) -> None:
    _write(sql, node)
    again = "INSERT INTO long_task.task_run SELECT * FROM long_task.task_run"
    assert sql.refusal(again).code == "23505"
    assert sql.run(f"{again} ON CONFLICT DO NOTHING") == 0


def test_a_reader_keeps_a_partition_from_being_dropped_and_holds_up_nobody(own: Database) -> None:
    sql, person = Sql(own.connect()), Sql(own.connect(autocommit=False))
    node = Node(sql)
    keep_history(sql, keep="12 days")
    _write(sql, node)
    _pass(sql, "2 days")
    person.rows("SELECT * FROM long_task.task_run")
    assert tidy(sql).made == 1, "the next is made beside readers and writers"
    _write(sql, node)
    _pass(sql, "13 days")
    done = tidy(sql)
    assert (done.made, done.dropped) == (1, 0)
    assert done.error and done.error.startswith("history stays for now")
    _write(sql, node)
    assert len(person.rows("SELECT * FROM long_task.task_run")) == 3
    person.connection.rollback()
    assert tidy(sql)[3:] == (1, None)


def test_a_writer_is_not_waited_for_either(own: Database) -> None:
    sql, person = Sql(own.connect()), Sql(own.connect(autocommit=False))
    node = Node(sql)
    keep_history(sql, keep="12 days")
    _write(sql, node)
    _pass(sql, "2 days")
    tidy(sql)
    _pass(sql, "13 days")
    second = Node(person, worker_id=2)
    person.connection.commit()
    task_id = person.insert()
    assert second.claim() == [task_id]
    second.report(task_id)
    assert tidy(sql).dropped == 0
    _write(sql, node)
    person.connection.commit()
    assert tidy(sql).dropped == 1
    assert sql.runs(task_id, "state_id") == [("CS",)]


def test_a_view_of_somebodys_own_keeps_its_partition(sql: Sql, node: Node) -> None:
    keep_history(sql, keep="12 days")
    _write(sql, node)
    _pass(sql, "2 days")
    _done(sql)
    sql.run("CREATE VIEW public.mine AS SELECT * FROM long_task.task_run_0")
    _pass(sql, "13 days")
    assert _done(sql)[1] == 0
    sql.run("DROP VIEW public.mine")
    assert _done(sql)[1] == 1


def test_readers_find_a_task_by_its_key_in_each_partition_and_pass_by_what_is_closed(
    own: Database,
) -> None:
    sql = Sql(own.connect())
    node = Node(sql)
    keep_history(sql, keep="12 days")
    for _ in range(5):
        _write(sql, node, 200)
        tidy(sql)
        _pass(sql, "2 days")
    sql.run("ANALYZE long_task.task_run")
    for part in sql.values(PARTS):
        sql.run(f"ANALYZE long_task.task_run_{part}")
    sql.run("SET enable_seqscan = off")  # which is right for so few rows
    by_task = _plan(sql, "SELECT * FROM long_task.task_run WHERE task_id = 7")
    assert "Seq Scan" not in by_task
    sql.run("RESET enable_seqscan")
    last = sql.values(PARTS)[-1]
    for view in ("group_status", "worker_status"):
        plan = _plan(sql, f"SELECT * FROM long_task.{view}")
        opened = re.findall(r" on task_run_([0-9]+) .*rows=", plan)
        assert set(opened) == {str(last)}


def _plan(sql: Sql, statement: str) -> str:
    return "\n".join(sql.values(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {statement}"))
