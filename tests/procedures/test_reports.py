"""Reports: what they write, and which of them change nothing."""

from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from tests.procedures.acting import Node, Sql, ended
from tests.servers import Clock


class Outcome(NamedTuple):
    """How an attempt ended, and what the row says of it."""

    facts: dict[str, Any]
    state: str
    error: str | None
    exit_code: int | None = None
    signal: int | None = None


def _signal(number: int, name: str, *, core: bool = False) -> Outcome:
    facts = {"exit_code": None, "signal": number, "core_dumped": core}
    tail = ", core dumped" if core else ""
    return Outcome(facts, "CF", f"signal {number}{name}{tail}", signal=number)


OUTCOMES = [
    Outcome({"exit_code": 0}, "CS", None, 0),
    *(Outcome({"exit_code": code}, "CF", f"exit code {code}", code) for code in (1, 3, 126, 255)),
    _signal(1, " (SIGHUP)"),
    _signal(9, " (SIGKILL)"),
    _signal(11, " (SIGSEGV)", core=True),
    _signal(15, " (SIGTERM)"),
    _signal(31, " (SIGSYS)"),
    _signal(34, ""),
    _signal(64, ""),
    Outcome(
        {"exit_code": None, "pid": None, "error": "no such file: x"}, "CF", "no such file: x"
    ),
    Outcome({"exit_code": 0, "error": "result is no JSON"}, "CF", "result is no JSON", 0),
    Outcome(
        {"exit_code": 2, "error": "result is no JSON"}, "CF", "exit code 2; result is no JSON", 2
    ),
    Outcome(
        {"exit_code": None, "signal": 9, "reason": "timeout", "timeout": 90}, "CF",
        "timeout after 00:01:30", signal=9,
    ),
    Outcome(
        {"exit_code": 0, "reason": "timeout", "timeout": 86401.5}, "CF",
        "timeout after 1 day 00:00:01.5", 0,
    ),
    Outcome({"exit_code": 0, "reason": "timeout"}, "CF", "timeout", 0),
    Outcome({"exit_code": 0, "reason": "Node stopped"}, "CF", "Node stopped", 0),
]  # fmt: skip


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: str(outcome.error))
def test_an_end_is_written_into_the_row_and_into_history(
    sql: Sql, stopped: Clock, node: Node, outcome: Outcome
) -> None:
    task_id = sql.insert()
    node.claim()
    stopped.advance(10)
    assert node.report(task_id, **outcome.facts) == []
    _, state, error, exit_code, signal = outcome
    finished = stopped.now() - timedelta(seconds=0.5)
    columns = "state_id, error, exit_code, signal, finished"
    assert sql.look(task_id, columns) == (state, error, exit_code, signal, finished)
    assert sql.runs(task_id, columns) == [(state, error, exit_code, signal, finished)]
    assert sql.look(task_id, "running_on, worker_id, last_state_change") == (None, 1, stopped.now())


@pytest.mark.parametrize("timeout", [None, "2 hours"])
def test_an_attempt_was_killed_by_the_limit_it_was_started_with(
    sql: Sql, node: Node, timeout: str | None
) -> None:
    task_id = sql.insert(timeout="90 s")
    node.claim()
    sql.change(task_id, timeout=timeout)
    node.report(task_id, reason="timeout", timeout=90)
    assert sql.look(task_id, "state_id, error") == ("CF", "timeout after 00:01:30")


def test_every_exit_code_is_kept(sql: Sql, node: Node) -> None:
    tasks = [sql.insert() for _ in range(256)]
    node.claim(free=256)
    node.sync(*(ended(task_id, exit_code=code) for code, task_id in enumerate(tasks)), free=0)
    assert sql.rows("SELECT exit_code, state_id FROM long_task.task ORDER BY id") == [
        (code, "CF" if code else "CS") for code in range(256)
    ]


def test_history_tells_all_about_an_attempt(sql: Sql, stopped: Clock, node: Node) -> None:
    task_id = sql.insert(group_id=0, name="n")
    node.claim()
    stopped.advance(10)
    node.report(task_id, output="a\nb", started_ago=9.0)
    seconds = timedelta(seconds=1)
    assert sql.rows("SELECT * FROM long_task.task_run") == [
        (
            task_id, 1, 0, 1, "node-1", 4711, stopped.now() - 9 * seconds,
            stopped.now() - 0.5 * seconds, "CS", 0, None, None, "a\nb", 0.25, 0.125, 1048576,
            "person", None, 0,
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ('{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
        ('"text"', "text"),
        ("null", None),
        ('"\\u0000"', {"unreadable_result": '"\\u0000"'}),
        ('"\\ud800"', {"unreadable_result": '"\\ud800"'}),
        ("1e400000", {"unreadable_result": "1e400000"}),
        ("no json", {"unreadable_result": "no json"}),
        ("[" * 3000, {"unreadable_result": "[" * 1000}),
        ("[" * 200000, {"unreadable_result": "[" * 1000}),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_result_is_stored_and_one_that_cannot_be_stored_disturbs_nothing(
    sql: Sql, node: Node, given: str, stored: object
) -> None:
    task_id, other = sql.insert(), sql.insert()
    node.claim()
    node.sync(ended(task_id, result=given), ended(other, result="1"), free=0)
    assert sql.look(task_id, "state_id, result") == ("CS", stored)
    assert sql.look(other, "state_id, result") == ("CS", 1)


def test_a_result_that_the_task_wrote_itself_stays_if_the_process_left_none(
    sql: Sql, node: Node
) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, result={"own": 1})
    node.report(task_id)
    assert sql.look(task_id, "result") == {"own": 1}


def test_a_repeated_report_changes_nothing(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    node.report(task_id, exit_code=3)
    row = sql.whole(task_id)
    assert node.report(task_id, exit_code=0) == []
    assert sql.whole(task_id) == row
    assert sql.runs(task_id, "exit_code") == [(3,)]


def test_a_report_of_an_earlier_attempt_changes_nothing(sql: Sql, node: Node) -> None:
    task_id = sql.insert(max_attempts=2, retry_delay="0")
    node.claim()
    node.sync(ended(task_id, exit_code=3))
    row = sql.whole(task_id)
    assert (row is not None, sql.look(task_id, "attempt")) == (True, 2)
    assert node.report(task_id, 1) == []
    assert sql.whole(task_id) == row
    assert sql.runs(task_id, "attempt, exit_code") == [(1, 3)]


def test_a_report_of_an_attempt_to_come_changes_nothing(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    row = sql.whole(task_id)
    assert node.report(task_id, 2) == []
    assert sql.whole(task_id) == row


def test_of_two_reports_of_one_task_only_that_of_the_present_attempt_counts(
    sql: Sql, node: Node
) -> None:
    task_id = sql.insert(max_attempts=3, retry_delay="0")
    node.claim()
    node.sync(ended(task_id, exit_code=3))
    node.sync(
        ended(task_id, 1, exit_code=9, output="stale"), ended(task_id, 2, output="right"), free=0
    )
    assert sql.look(task_id, "state_id, exit_code, output") == ("CS", 0, "right")
    assert sql.runs(task_id, "attempt, exit_code, output") == [(1, 3, None), (2, 0, "right")]


def test_the_same_report_twice_in_one_call_counts_once(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    assert node.sync(ended(task_id), ended(task_id), free=0).again == frozenset()
    assert sql.look(task_id) == "CS"
    assert sql.runs(task_id, "attempt") == [(1,)]


def test_a_report_by_another_worker_changes_nothing(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    row = sql.whole(task_id)
    assert Node(sql, worker_id=2).report(task_id) == []
    assert sql.whole(task_id) == row


def test_a_report_of_a_task_that_never_was_changes_nothing(sql: Sql, node: Node) -> None:
    assert node.report(4711) == []
    assert sql.values("SELECT task_id FROM long_task.task_run") == []


def test_a_report_goes_by_the_group_the_task_is_in(sql: Sql, node: Node) -> None:
    task_id = sql.insert(max_attempts=2, retry_delay="0")
    node.claim()
    sql.change(task_id, group_id=7)
    node.report(task_id, exit_code=1)
    assert sql.runs(task_id, "group_id") == [(7,)]
    assert Node(sql, worker_id=2, group_id=7).claim() == [task_id]
