"""Ended tasks that are queued again, and tasks that end themselves while their process lives."""

from typing import Any

import pytest

from tests.procedures.acting import Node, Sql, ended
from tests.servers import Clock

RESULT = "started, finished, exit_code, signal, error, output, result, progress"


@pytest.mark.parametrize("state", ["CS", "CF", "CC"])
def test_a_task_that_is_queued_again_has_nothing_of_its_last_attempt(
    sql: Sql, node: Node, state: str
) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, progress=0.5)
    if state == "CC":
        sql.change(task_id, state_id="AC")
    node.report(task_id, exit_code=0 if state == "CS" else 9, output="out", result='{"a": 1}')
    assert sql.look(task_id) == state
    sql.change(task_id, state_id="AW", worker_id=None)
    assert sql.look(task_id, RESULT) == (None,) * 8
    assert sql.look(task_id, "state_id, attempt, base_attempt, queued_by") == ("AW", 1, 1, "person")


def test_attempts_go_on_over_the_life_of_a_task(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    for attempt in (1, 2, 3):
        (order,) = node.sync().start
        assert order.attempt == attempt
        node.report(task_id, attempt)
        sql.change(task_id, state_id="AW", worker_id=None)
    assert sql.runs(task_id, "attempt, state_id") == [(1, "CS"), (2, "CS"), (3, "CS")]


def test_without_taking_the_worker_away_it_goes_to_the_same_worker(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    node.report(task_id)
    sql.change(task_id, state_id="AW")
    assert Node(sql, worker_id=2).claim() == []
    assert node.claim() == [task_id]


def test_an_ended_task_that_is_opened_for_editing_keeps_its_results(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    node.report(task_id, exit_code=7)
    sql.change(task_id, state_id="DR")
    assert sql.look(task_id, "state_id, exit_code") == ("DR", 7)
    assert node.claim() == []
    sql.change(task_id, state_id="AW", command=["false"], worker_id=None)
    assert node.sync().start[0].command == ["false"]


@pytest.mark.parametrize("state", ["CS", "CF"])
def test_a_task_that_ends_itself_has_ended_before_its_process(
    sql: Sql, stopped: Clock, node: Node, state: str
) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, state_id=state, result={"rows": 3}, error="why" if state == "CF" else None)
    assert sql.look(task_id, "state_id, finished, running_on") == (state, stopped.now(), 1)
    assert sql.runs(task_id, "attempt") == []
    assert node.attend() == [(task_id, 1, "leave")]


def test_what_a_task_said_of_itself_stands_whatever_its_process_does_then(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    task_id = sql.insert(max_attempts=3)
    node.claim()
    sql.change(task_id, state_id="CS", result={"rows": 3})
    said_at = stopped.now()
    stopped.advance(5)
    node.report(task_id, exit_code=None, signal=9, output="end", result='"late"')
    assert sql.look(
        task_id, "state_id, finished, last_state_change, running_on, error, signal, output, result"
    ) == ("CS", said_at, said_at, None, None, 9, "end", {"rows": 3})
    assert sql.runs(task_id, "state_id, signal") == [("CS", 9)]
    assert node.attend() == []


def test_the_result_file_of_a_task_that_ended_itself_counts_if_it_set_no_result(
    sql: Sql, node: Node
) -> None:
    silent, said = sql.insert(), sql.insert()
    node.claim(2)
    sql.change(silent, state_id="CS")
    sql.change(said, state_id="CS", result={"by": "row"})
    for task_id in (silent, said):
        node.report(task_id, exit_code=0, result='{"by": "file"}')
    assert sql.look(silent, "result") == {"by": "file"}
    assert sql.look(said, "result") == {"by": "row"}


@pytest.mark.parametrize("facts", [{"exit_code": 0}, {"exit_code": 1}, {"reason": "x"}])
def test_queued_again_it_is_started_nowhere_before_its_process_is_gone(
    sql: Sql, node: Node, facts: dict[str, Any]
) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, state_id="CS")
    sql.change(task_id, state_id="AW", worker_id=None)
    assert sql.look(task_id, "state_id, running_on") == ("AW", 1)
    assert node.claim() == []
    assert Node(sql, worker_id=2).claim() == []
    assert node.attend() == [(task_id, 1, "leave")]
    waiting = sql.insert()
    starts = node.sync(ended(task_id, **facts)).start
    assert [(order.task_id, order.attempt) for order in starts] == [(waiting, 1), (task_id, 2)]


def test_the_end_of_its_process_leaves_a_task_that_was_queued_again_clean(
    sql: Sql, node: Node
) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, state_id="CS")
    sql.change(task_id, state_id="AW", worker_id=None)
    node.report(task_id, exit_code=3, output="end", result="1")
    assert sql.look(task_id, f"state_id, {RESULT}") == ("AW", *(None,) * 8)
    assert sql.runs(task_id, "attempt, exit_code, output, state_id") == [(1, 3, "end", "CF")]


def test_queued_again_and_cancelled_it_is_not_started(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, state_id="CS")
    sql.change(task_id, state_id="AW", worker_id=None)
    sql.change(task_id, state_id="AC")
    assert sql.look(task_id, "state_id, running_on") == ("CC", 1)
    assert node.sync(ended(task_id)).start == []
    assert sql.look(task_id, "state_id, running_on") == ("CC", None)


def test_opened_for_editing_it_stays_a_draft_when_its_process_ends(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, state_id="CF")
    sql.change(task_id, state_id="DR")
    node.report(task_id)
    assert sql.look(task_id, "state_id, running_on") == ("DR", None)
    assert len(sql.runs(task_id, "attempt")) == 1


def test_the_process_of_an_earlier_round_says_nothing_of_the_round_that_was_cancelled(
    sql: Sql, node: Node
) -> None:
    task_id = sql.insert()
    node.claim()
    for state in ("CS", "AW", "AC"):
        sql.change(task_id, state_id=state)
    node.report(task_id, exit_code=3, output="late", result='{"a": 1}')
    assert sql.look(task_id, "state_id, exit_code, output, result") == ("CC", None, None, None)
    assert sql.runs(task_id, "attempt, state_id, exit_code, output") == [(1, "CF", 3, "late")]
