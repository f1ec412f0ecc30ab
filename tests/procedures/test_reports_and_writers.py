"""Reports of tasks whose rows somebody writes at the same moment, and commits."""

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.procedures.acting import Node, Report, Sql, ended
from tests.servers import Database, Server
from tests.waiting import wait_until

GATE = 4711
_WAIT_AT_THE_GATE = f"PERFORM pg_advisory_xact_lock({GATE});"
_GATED_DESCRIPTION = f"""
ALTER FUNCTION long_task.describe_end RENAME TO ungated;
CREATE FUNCTION long_task.describe_end(
  p_reason text, p_error text, p_exit_code smallint, p_signal smallint, p_core_dumped boolean,
  p_timeout double precision
)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF p_reason = 'gate' THEN
    {_WAIT_AT_THE_GATE}
  END IF;
  RETURN long_task.ungated(p_reason, p_error, p_exit_code, p_signal, p_core_dumped, p_timeout);
END $$;
"""
"""A statement that waits between the first report with this reason and the one after it."""
_GATED_DELETIONS = f"""
ALTER FUNCTION long_task.finish_deleted_attempts RENAME TO ungated;
CREATE FUNCTION long_task.finish_deleted_attempts(integer, text, json, integer)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM long_task.ungated($1, $2, $3, $4);
  {_WAIT_AT_THE_GATE}
END $$;
"""
_NO_END = """
CREATE FUNCTION public.no_end() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER no_end BEFORE UPDATE OF running_on ON long_task.task
FOR EACH ROW EXECUTE FUNCTION public.no_end();
"""


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """One of the test's own, because functions of it are replaced."""
    made = server.create_database()
    yield made
    made.close()
    server.drop(made.name)


def _report_while(
    database: Database, node: Node, reports: list[Report], write: Callable[[], object]
) -> list[int]:
    """What has to be handed in again of reports that wait at the gate while somebody writes."""
    keeper = Sql(database.connect())
    keeper.run("SELECT pg_advisory_lock(%s)", GATE)
    again: list[int] = []
    call = threading.Thread(target=lambda: again.extend(node.sync(*reports, free=0).again))
    call.start()
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    wait_until(lambda: keeper.value(waiting), describe="the report at the gate")
    write()
    keeper.run("SELECT pg_advisory_unlock(%s)", GATE)
    call.join()
    return again


@pytest.mark.parametrize(
    ("write", "state"),
    [("progress = 0.5", "CS"), ("state_id = 'AS'", "CS"), ("state_id = 'AC'", "CC")],
)
def test_a_row_that_is_written_while_its_report_is_taken_in_ends_by_that_report(
    database: Database, write: str, state: str
) -> None:
    sql, person = Sql(database.connect()), Sql(database.connect())
    sql.run(_GATED_DESCRIPTION)
    node = Node(sql)
    first, second = sql.insert(), sql.insert()
    assert node.claim(2) == [first, second]
    again = _report_while(
        database,
        node,
        [ended(first, reason="gate"), ended(second)],
        lambda: person.run(f"UPDATE long_task.task SET {write} WHERE id = %s", second),
    )
    assert again == []
    assert sql.look(second, "state_id, running_on") == (state, None)
    assert sql.runs(second, "attempt, state_id") == [(1, state)]
    assert sql.runs(first, "attempt, error") == [(1, "gate")]


def test_one_that_is_deleted_while_reports_are_taken_in_is_reported_again(
    database: Database,
) -> None:
    sql = Sql(database.connect())
    sql.run(_GATED_DELETIONS)
    node = Node(sql)
    task_id = sql.insert()
    node.claim()
    person = Sql(database.connect(autocommit=False))
    person.run("DELETE FROM long_task.task WHERE id = %s", task_id)
    report = ended(task_id)
    assert _report_while(database, node, [report], person.connection.commit) == [task_id]
    assert node.sync(report, free=0).again == frozenset()
    assert sql.runs(task_id, "state_id, error") == [("CC", "task deleted")]


def test_an_attempt_that_has_not_ended_has_no_history(database: Database) -> None:
    sql = Sql(database.connect())
    node = Node(sql)
    task_id = sql.insert()
    node.claim()
    sql.run(_NO_END)
    assert node.report(task_id) == [task_id]
    assert sql.look(task_id, "state_id, running_on") == ("AE", 1)
    assert sql.runs(task_id, "state_id") == []
    sql.run("DROP TRIGGER no_end ON long_task.task")
    assert node.report(task_id, exit_code=1) == []
    assert sql.runs(task_id, "state_id") == [("CF",)]
