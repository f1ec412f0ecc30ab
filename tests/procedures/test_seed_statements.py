"""The statements that people have used from the beginning, as they stand in their manuals."""

import pytest

from tests.procedures.acting import Node, Sql

CREATE = """
INSERT INTO long_task.task(group_id, state_id, priority, command)
VALUES (0, 'DR', 0, '{ping,-n,1,127.0.0.1}')
RETURNING id;
"""
QUEUE = """
UPDATE long_task.task
SET state_id='AW', worker_id=null
WHERE id = <id>
"""
QUEUE_AGAIN = """
UPDATE long_task.task
SET state_id='AW', worker_id=null
WHERE id = <id> AND state_id like 'C%'
"""
CANCEL = """
UPDATE long_task.task
SET state_id='AC'
WHERE id = <id> AND state_id like 'A%'
"""
SCHEDULE = """
UPDATE long_task.task
SET 
	next_start=now(),
	shed_period_id='HOU',
	shed_period_count=2,
	shed_clone=false
WHERE id = <id>
"""  # noqa: W291, E101 (verbatim)


def _do(sql: Sql, statement: str, task_id: int) -> int:
    with sql.connection.cursor() as cursor:
        cursor.execute(statement.replace("<id>", str(task_id)))
        return cursor.rowcount


@pytest.fixture
def task_id(sql: Sql) -> int:
    """The draft that the first statement makes."""
    created = int(sql.value(CREATE))
    assert sql.look(created, "state_id, command") == ("DR", ["ping", "-n", "1", "127.0.0.1"])
    return created


def test_a_draft_is_queued(sql: Sql, node: Node, task_id: int) -> None:
    assert node.claim() == []
    assert _do(sql, QUEUE, task_id) == 1
    assert node.claim() == [task_id]


def test_a_completed_task_is_queued_again(sql: Sql, node: Node, task_id: int) -> None:
    assert _do(sql, QUEUE_AGAIN, task_id) == 0
    _do(sql, QUEUE, task_id)
    node.claim()
    assert _do(sql, QUEUE_AGAIN, task_id) == 0
    node.report(task_id)
    assert _do(sql, QUEUE_AGAIN, task_id) == 1
    assert Node(sql, worker_id=2).claim() == [task_id]


def test_a_queued_task_is_cancelled(sql: Sql, node: Node, task_id: int) -> None:
    assert _do(sql, CANCEL, task_id) == 0
    _do(sql, QUEUE, task_id)
    assert _do(sql, CANCEL, task_id) == 1
    assert sql.look(task_id) == "CC"
    assert node.claim() == []


def test_an_executing_task_is_cancelled(sql: Sql, node: Node, task_id: int) -> None:
    _do(sql, QUEUE, task_id)
    node.claim()
    assert _do(sql, CANCEL, task_id) == 1
    assert node.attend() == [(task_id, 1, "kill")]
    node.report(task_id, exit_code=None, signal=15)
    assert sql.look(task_id) == "CC"
    assert _do(sql, CANCEL, task_id) == 0


def test_an_ended_task_is_scheduled_for_each_two_hours_from_now(
    sql: Sql, node: Node, task_id: int
) -> None:
    _do(sql, QUEUE, task_id)
    node.claim()
    node.report(task_id)
    first = sql.value("SELECT now()")
    assert _do(sql, SCHEDULE, task_id) == 1
    assert Node(sql, worker_id=2).claim() == [task_id]
    next_start = sql.look(task_id, "next_start")
    assert (next_start - first).total_seconds() == 7200


def test_a_start_is_skipped_if_the_state_is_not_like_c(sql: Sql, node: Node, task_id: int) -> None:
    _do(sql, SCHEDULE, task_id)
    assert node.claim() == []
    assert sql.look(task_id) == "DR"
    assert sql.look(task_id, "next_start > now()")
