"""Tasks that were claimed ahead and given back: as if they had never been claimed."""

from typing import Any

import pytest

from tests.procedures.acting import LEASE, RECOVERY_DELAY, Node, Sql, ended
from tests.servers import Clock, Database

UNSTARTED: dict[str, Any] = {
    "given_back": True,
    "pid": None,
    "exit_code": None,
    "error": "ended before it was started",
}


def test_it_comes_before_what_was_behind_it(sql: Sql, node: Node) -> None:
    first, second, third = (sql.insert() for _ in range(3))
    assert node.claim(2) == [first, second]
    assert node.report(first, **UNSTARTED) == []
    columns = "state_id, running_on, worker_id, started, finished, error"
    assert sql.look(first, columns) == ("AW", None, None, None, None, None)
    assert node.claim(2) == [first, third]


def test_it_leaves_no_history_and_does_not_count_as_an_attempt(sql: Sql, node: Node) -> None:
    task_id = sql.insert(max_attempts=2, retry_delay="0")
    for _ in range(3):
        node.claim()
        node.report(task_id, **UNSTARTED)
    assert (sql.look(task_id, "attempt"), sql.runs(task_id, "attempt")) == (0, [])
    for attempt, state in ((1, "AW"), (2, "CF")):
        node.claim()
        node.report(task_id, attempt, exit_code=1)
        assert sql.look(task_id) == state
    assert sql.runs(task_id, "attempt") == [(1,), (2,)]


def test_a_worker_that_a_person_has_chosen_stays_chosen(sql: Sql, node: Node) -> None:
    task_id = sql.insert(worker_id=1)
    node.claim()
    node.report(task_id, **UNSTARTED)
    assert sql.look(task_id, "state_id, worker_id, pinned") == ("AW", 1, True)


@pytest.mark.parametrize("state", ["AC", "AS"])
def test_one_that_was_cancelled_meanwhile_ends(sql: Sql, node: Node, state: str) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, state_id=state)
    assert node.report(task_id, **UNSTARTED) == []
    end = {"AC": "CC", "AS": "CF"}[state]
    assert sql.look(task_id, "state_id, running_on") == (end, None)
    assert sql.runs(task_id, "state_id, error") == [(end, "ended before it was started")]


def test_a_row_that_somebody_holds_is_given_back_later(serving: Sql, person: Sql) -> None:
    node = Node(serving)
    task_id = serving.insert()
    node.claim()
    person.run("UPDATE long_task.task SET name = 'held' WHERE id = %s", task_id)
    assert node.report(task_id, **UNSTARTED) == [task_id]
    assert serving.look(task_id) == "AE"
    person.connection.rollback()
    assert node.report(task_id, **UNSTARTED) == []
    assert serving.look(task_id) == "AW"


def test_a_report_that_comes_twice_gives_back_once(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    report = ended(task_id, **UNSTARTED)
    # The same call claims it again, and its answer is lost: nobody has heard of that claim.
    assert [order.task_id for order in node.sync(report).start] == [task_id]
    node.sync(report, free=0, known=[])
    assert sql.look(task_id, "state_id, running_on, attempt") == ("AW", None, 0)
    node.sync(report, free=0, known=[])
    assert sql.look(task_id, "state_id, running_on, attempt") == ("AW", None, 0)


def test_a_late_one_does_not_undo_an_attempt_that_was_started(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    task_id = sql.insert()
    node.claim()
    report = ended(task_id, **UNSTARTED)
    # It is committed, the answer is lost, and the node is cut off.
    node.sync(report, free=0)
    stopped.advance(LEASE + RECOVERY_DELAY)
    standby = Node(sql)
    assert standby.claim() == [task_id]
    stopped.advance(LEASE + RECOVERY_DELAY)
    node.lock(report)
    assert node.lock(report).epoch is not None
    assert sql.look(task_id, "state_id, error") == ("CF", "Worker failed")
    assert sql.runs(task_id, "attempt, error") == [(1, "Worker failed")]


def test_a_node_that_comes_back_before_others_gives_back_what_it_has_not_started(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    task_id = sql.insert()
    node.claim()
    stopped.advance(LEASE + RECOVERY_DELAY)
    node.lock(ended(task_id, **UNSTARTED))
    assert sql.look(task_id, "state_id, attempt") == ("AW", 0)
    assert sql.runs(task_id, "attempt") == []


def test_the_nodes_of_the_group_are_told(serving: Sql, database: Database) -> None:
    node = Node(serving)
    task_id = serving.insert()
    node.claim()
    ear = database.connect()
    with ear.cursor() as cursor:
        # As a node does that is idle.
        cursor.execute("LISTEN long_task_group_0; SET long_task.post = -1")
        cursor.execute("SELECT long_task.take_post(0)")
        node.report(task_id, **UNSTARTED)
        cursor.execute("SELECT 1")
    assert [notice.channel for notice in ear.notifies] == ["long_task_group_0"]


def test_a_task_that_needs_another_waits_again_if_that_was_queued_again(
    sql: Sql, node: Node
) -> None:
    first = sql.insert()
    node.claim()
    node.report(first)
    second = sql.insert(state_id="DR")
    sql.run(
        "INSERT INTO long_task.task_dependency (task_id, needs_task_id) VALUES (%s, %s)",
        second,
        first,
    )
    sql.change(second, state_id="AW")
    assert node.claim(1) == [second]
    sql.change(first, state_id="AW")
    node.report(second, **UNSTARTED)
    assert sql.look(second) == "AB"
