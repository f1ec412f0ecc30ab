"""Tasks that were claimed ahead and given back: as if they had never been claimed."""

import pytest

from tests.procedures.acting import LEASE, RECOVERY_DELAY, UNSTARTED, Node, Sql, ended
from tests.servers import Clock, Database


def test_it_comes_before_what_was_behind_it(sql: Sql, node: Node) -> None:
    first, second, third = (sql.insert() for _ in range(3))
    assert node.claim(2) == [first, second]
    assert node.report(first, **UNSTARTED) == []
    columns = "state_id, running_on, worker_id, started, finished, error"
    assert sql.look(first, columns) == ("AW", None, None, None, None, None)
    assert node.claim(2) == [first, third]


def test_it_leaves_no_history_and_does_not_count_as_an_attempt(sql: Sql, node: Node) -> None:
    task_id = sql.insert(max_attempts=2, retry_delay="0")
    for attempt in (1, 2, 3):
        node.claim()
        node.report(task_id, attempt, **UNSTARTED)
    assert (sql.look(task_id, "attempt - base_attempt"), sql.runs(task_id, "attempt")) == (0, [])
    for attempt, state in ((4, "AW"), (5, "CF")):
        node.claim()
        node.report(task_id, attempt, exit_code=1)
        assert sql.look(task_id) == state
    assert sql.runs(task_id, "attempt") == [(4,), (5,)]


def test_the_delay_of_a_retry_does_not_grow_with_it(sql: Sql, stopped: Clock, node: Node) -> None:
    task_id = sql.insert(max_attempts=2, retry_delay="100 s")
    for attempt in (1, 2):
        node.claim()
        node.report(task_id, attempt, **UNSTARTED)
    node.claim()
    node.report(task_id, 3, exit_code=1)
    assert sql.look(task_id, "extract(epoch FROM start_after - long_task.clock())") == 100


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
    assert [order.attempt for order in node.sync(report).start] == [2]
    answer = node.sync(report, free=0, known=[task_id])
    assert [order.attempt for order in answer.start] == [2]
    assert sql.look(task_id, "state_id, running_on, attempt") == ("AE", 1, 2)


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
    assert sql.runs(task_id, "attempt, error") == [(2, "Worker failed")]


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
