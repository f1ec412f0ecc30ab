"""assert_attempt: a transaction of a task commits only while its attempt is not over."""

from typing import Any

import psycopg2
import pytest

from tests.procedures.acting import LEASE, RECOVERY_DELAY, Node, Sql
from tests.servers import Clock, Database

ASSERT = "SELECT long_task.assert_attempt(%s, %s)"


def _claimed(sql: Sql, node: Node, **columns: Any) -> int:
    task_id = sql.insert(**columns)
    node.claim()
    return task_id


def test_an_attempt_that_runs_is_confirmed(sql: Sql, node: Node) -> None:
    task_id = _claimed(sql, node)
    sql.run(ASSERT, task_id, 1)
    sql.change(task_id, state_id="AS")
    sql.run(ASSERT, task_id, 1)


def test_an_attempt_that_completed_itself_is_confirmed_while_its_process_runs(
    sql: Sql, node: Node
) -> None:
    task_id = _claimed(sql, node)
    sql.change(task_id, state_id="CS")
    sql.run(ASSERT, task_id, 1)


@pytest.mark.parametrize("attempt", [0, 2, None])
def test_another_attempt_is_over(sql: Sql, node: Node, attempt: int | None) -> None:
    task_id = _claimed(sql, node)
    refusal = sql.refusal(ASSERT, task_id, attempt)
    shown = "null" if attempt is None else attempt
    assert (refusal.code, refusal.message) == (
        "LT002",
        f"attempt {shown} of task {task_id} is over",
    )
    assert refusal.detail == "The task is AE, attempt 1."
    assert refusal.hint == "Roll back and exit: whatever this process does now counts for nothing."


def test_an_attempt_whose_end_was_reported_is_over(sql: Sql, node: Node) -> None:
    task_id = _claimed(sql, node, max_attempts=2)
    node.report(task_id, exit_code=1)
    refusal = sql.refusal(ASSERT, task_id, 1)
    assert (refusal.code, refusal.detail) == (
        "LT002",
        "The task is AD, attempt 1, with no process.",
    )


def test_an_attempt_that_is_being_cancelled_is_over(sql: Sql, node: Node) -> None:
    task_id = _claimed(sql, node)
    sql.change(task_id, state_id="AC")
    assert sql.refusal(ASSERT, task_id, 1).detail == "The task is AC, attempt 1."


def test_an_attempt_of_a_failed_worker_is_over_when_it_is_recovered(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    task_id = _claimed(sql, node, max_attempts=2, retry_delay="0")
    stopped.advance(LEASE + RECOVERY_DELAY)
    sql.run(ASSERT, task_id, 1)
    successor = Node(sql)
    assert sql.refusal(ASSERT, task_id, 1).code == "LT002"
    successor.claim()
    assert sql.refusal(ASSERT, task_id, 1).detail == "The task is AE, attempt 2."


@pytest.mark.parametrize("task_id", [4711, None])
def test_a_task_that_is_not_there_has_no_attempt(sql: Sql, task_id: int | None) -> None:
    refusal = sql.refusal(ASSERT, task_id, 1)
    assert (refusal.code, refusal.detail) == ("LT002", "There is no such task.")


def test_nobody_declares_the_attempt_over_before_the_transaction_ends(
    database: Database, serving: Sql, person: Sql
) -> None:
    node = Node(serving)
    task_id = _claimed(serving, node, max_attempts=2, retry_delay="0")
    person.run(ASSERT, task_id, 1)
    assert node.report(task_id, exit_code=1) == [task_id]
    database.clock.advance(LEASE + RECOVERY_DELAY)
    other = Node(serving, worker_id=2)
    other.sync(free=0, lease=LEASE)
    assert serving.look(task_id) == "AE"
    person.connection.commit()
    other.sync(free=0, lease=LEASE)
    assert serving.look(task_id) == "AW"
    with pytest.raises(psycopg2.Error, match=f"attempt 1 of task {task_id} is over"):
        person.run(ASSERT, task_id, 1)
    person.connection.rollback()


def test_two_processes_of_one_attempt_do_not_wait_for_each_other(
    database: Database, serving: Sql, person: Sql
) -> None:
    task_id = _claimed(serving, Node(serving))
    person.run(ASSERT, task_id, 1)
    serving.run("SET lock_timeout = '5s'")
    serving.run(ASSERT, task_id, 1)
