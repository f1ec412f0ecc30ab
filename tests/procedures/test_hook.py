"""A rule for lost tasks that does worse than to raise an error."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.procedures.acting import LEASE, RECOVERY_DELAY, Node, Sql
from tests.servers import Clock, Database

FREE_AFTER = LEASE + RECOVERY_DELAY
HANGS = "PERFORM pg_sleep(3600); RETURN NULL;"
CANCELLED = "retry_lost_task: canceling statement due to statement timeout"


def _rule(sql: Sql, body: str) -> None:
    sql.run(
        "CREATE OR REPLACE FUNCTION long_task.retry_lost_task(p_task long_task.task)"
        f" RETURNS interval LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
    )


def _failed(sql: Sql, clock: Clock, *workers: int) -> list[int]:
    """A task each of workers whose nodes have failed."""
    tasks = []
    for worker_id in workers:
        tasks.append(sql.insert(worker_id=worker_id, max_attempts=2, retry_delay="0"))
        assert Node(sql, worker_id).claim() == tasks[-1:]
    clock.advance(FREE_AFTER)
    return tasks


def _watcher(sql: Sql) -> Node:
    """A node that has waited for the leases of the others to end."""
    node = Node(sql)
    node.sync(free=0, lease=LEASE)
    return node


def _failed_hooks(sql: Sql) -> list[tuple[Any, ...]]:
    return sql.rows(
        "SELECT worker_id, detail FROM long_task.worker_event"
        " WHERE kind = 'hook failed' ORDER BY id"
    )


def test_a_rule_that_asserts_keeps_no_task_from_going_on(sql: Sql, stopped: Clock) -> None:
    _rule(sql, "ASSERT p_task.attempt > 1, 'no such luck'; RETURN NULL;")
    (task_id,) = _failed(sql, stopped, 2)
    _watcher(sql).sync(free=0, lease=LEASE)
    assert sql.look(task_id) == "AW"
    assert _failed_hooks(sql) == [(2, "retry_lost_task: no such luck")]


def test_a_rule_that_hangs_keeps_no_task_from_going_on(sql: Sql, stopped: Clock) -> None:
    _rule(sql, HANGS)
    (task_id,) = _failed(sql, stopped, 2)
    watcher = _watcher(sql)
    sql.run("SET LOCAL statement_timeout = '300ms'")
    watcher.sync(free=0, lease=LEASE)
    assert sql.look(task_id) == "AW"
    assert _failed_hooks(sql) == [(2, CANCELLED)]


@pytest.mark.timeout(60)
def test_a_rule_that_hangs_is_not_asked_about_the_next_worker(sql: Sql, stopped: Clock) -> None:
    _rule(sql, HANGS)
    tasks = _failed(sql, stopped, 2, 3)
    watcher = _watcher(sql)
    sql.run("SET LOCAL statement_timeout = '300ms'")
    watcher.sync(free=0, lease=LEASE)
    assert [sql.look(task_id) for task_id in tasks] == ["AW", "AW"]
    assert _failed_hooks(sql) == [
        (2, CANCELLED),
        (3, "retry_lost_task: not asked, because it was cancelled a moment ago"),
    ]


@pytest.fixture
def default_rule(serving: Sql) -> Iterator[None]:
    """Puts the rule back in a database that other tests go on with."""
    shipped = serving.value(
        "SELECT pg_get_functiondef('long_task.retry_lost_task(long_task.task)'::regprocedure)"
    )
    yield
    serving.run(shipped)


@pytest.mark.usefixtures("default_rule")
def test_a_rule_that_hung_is_asked_again_in_the_next_transaction(
    serving: Sql, database: Database
) -> None:
    _rule(serving, HANGS)
    _failed(serving, database.clock, 2)
    watcher = _watcher(serving)
    serving.run("SET statement_timeout = '300ms'")
    watcher.sync(free=0, lease=LEASE)
    _rule(serving, "RETURN NULL;")
    (task_id,) = _failed(serving, database.clock, 3)
    _watcher(serving).sync(free=0, lease=LEASE)
    assert serving.look(task_id) == "CF"
    assert _failed_hooks(serving) == [(2, CANCELLED)]
