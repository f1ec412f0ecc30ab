"""Failed attempts: how often they are repeated, when, by whom, and when they are not."""

from datetime import timedelta

import pytest

from tests.procedures.acting import Node, Sql, ended
from tests.servers import Clock

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _clock_is_stopped(stopped: Clock) -> None:
    """Delays are counted from a known time."""


def _fail(sql: Sql, node: Node, task_id: int, **facts: object) -> None:
    """The next attempt of the only task is claimed now and fails."""
    sql.change(task_id, start_after=None)
    (order,) = node.sync(lease=30).start
    assert order.task_id == task_id
    node.report(task_id, order.attempt, **{"exit_code": 3, **facts})


def test_by_default_there_is_one_attempt(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    _fail(sql, node, task_id)
    assert sql.look(task_id, "state_id, attempt, exit_code, error") == ("CF", 1, 3, "exit code 3")


def test_there_are_as_many_attempts_as_allowed(sql: Sql, node: Node) -> None:
    task_id = sql.insert(max_attempts=3)
    _fail(sql, node, task_id)
    assert sql.look(task_id) == "AD"
    _fail(sql, node, task_id)
    assert sql.look(task_id) == "AD"
    _fail(sql, node, task_id)
    assert sql.look(task_id, "state_id, attempt") == ("CF", 3)
    assert sql.runs(task_id, "attempt, state_id") == [(1, "CF"), (2, "CF"), (3, "CF")]


def test_a_success_ends_the_retries(sql: Sql, node: Node) -> None:
    task_id = sql.insert(max_attempts=3)
    _fail(sql, node, task_id)
    _fail(sql, node, task_id, exit_code=0)
    assert sql.look(task_id, "state_id, error, exit_code") == ("CS", None, 0)


def test_the_delay_doubles_with_each_failure(sql: Sql, node: Node, stopped: Clock) -> None:
    task_id = sql.insert(max_attempts=5, retry_delay="10 s")
    delays = []
    for _ in range(4):
        _fail(sql, node, task_id)
        delays.append((sql.look(task_id, "start_after") - stopped.now()) / SECOND)
    assert delays == [10, 20, 40, 80]


@pytest.mark.parametrize(
    ("failures", "delay", "expected"),
    [
        (1, "0", timedelta(0)),
        (30, "0", timedelta(0)),
        (1, "1 microsecond", timedelta(microseconds=1)),
        (3, "1 s", 4 * SECOND),
        (17, "1 s", 65536 * SECOND),
        (18, "1 s", DAY),
        (2147483647, "1 microsecond", DAY),
        (2, "13 hours", DAY),
        (1, "2 days", 2 * DAY),
        (9, "2 days", 2 * DAY),
        (2147483647, "36000 days", 36000 * DAY),
        (40, "100000000 days -2400000000 hours", timedelta(0)),
    ],
)
def test_the_delay_is_capped_and_never_overflows(
    sql: Sql, failures: int, delay: str, expected: timedelta
) -> None:
    assert expected == sql.value("SELECT long_task.retry_delay_after(%s, %s)", failures, delay)


def test_a_delay_that_is_huge_and_late_does_not_stop_the_node(sql: Sql, node: Node) -> None:
    task_id = sql.insert(max_attempts=100, retry_delay="36000 days")
    sql.force(task_id, attempt=40)
    _fail(sql, node, task_id)
    assert sql.look(task_id, "state_id, attempt") == ("AD", 41)


def test_without_a_delay_the_task_is_ready_at_once_and_last_in_the_queue(
    sql: Sql, node: Node
) -> None:
    failing = sql.insert(max_attempts=2, retry_delay="0")
    assert node.claim() == [failing]
    waiting = sql.insert()
    starts = node.sync(ended(failing, exit_code=1)).start
    assert [(order.task_id, order.attempt) for order in starts] == [(waiting, 1), (failing, 2)]


def test_history_says_what_started_each_attempt(sql: Sql, node: Node) -> None:
    task_id = sql.insert(max_attempts=2)
    _fail(sql, node, task_id)
    assert sql.look(task_id, "queued_by") == "retry"
    _fail(sql, node, task_id)
    assert sql.runs(task_id, "started_by") == [("person",), ("retry",)]


def test_a_retry_may_go_to_any_worker_of_the_group(sql: Sql, node: Node) -> None:
    task_id = sql.insert(max_attempts=2, retry_delay="0")
    node.claim()
    node.report(task_id, exit_code=1)
    assert sql.look(task_id, "worker_id") is None
    assert Node(sql, worker_id=2).claim() == [task_id]


def test_a_retry_of_a_pinned_task_stays_with_its_worker(sql: Sql, node: Node) -> None:
    task_id = sql.insert(max_attempts=2, retry_delay="0", worker_id=1)
    node.claim()
    node.report(task_id, exit_code=1)
    assert sql.look(task_id, "worker_id") == 1
    assert Node(sql, worker_id=2).claim() == []
    assert node.claim() == [task_id]


def test_a_worker_given_by_a_person_while_it_runs_is_that_of_the_retry(
    sql: Sql, node: Node
) -> None:
    task_id = sql.insert(max_attempts=2, retry_delay="0")
    node.claim()
    sql.change(task_id, worker_id=2)
    node.report(task_id, exit_code=1)
    assert node.claim() == []
    assert Node(sql, worker_id=2).claim() == [task_id]


def test_a_pinned_task_whose_worker_serves_another_group_is_retried(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    task_id = sql.insert(max_attempts=2, worker_id=1, group_id=99)
    node.claim()
    node.report(task_id, exit_code=1)
    stopped.advance(10)
    assert node.claim() == [task_id]


@pytest.mark.parametrize("asked", ["AS", "AC"])
def test_a_task_that_a_person_stopped_is_not_retried(sql: Sql, node: Node, asked: str) -> None:
    task_id = sql.insert(max_attempts=2)
    node.claim()
    sql.change(task_id, state_id=asked)
    node.report(task_id, exit_code=1)
    assert sql.look(task_id) == {"AS": "CF", "AC": "CC"}[asked]


def test_a_task_that_said_itself_that_it_failed_is_not_retried(sql: Sql, node: Node) -> None:
    task_id = sql.insert(max_attempts=2)
    node.claim()
    sql.change(task_id, state_id="CF", error="no input")
    node.report(task_id, exit_code=1)
    assert sql.look(task_id, "state_id, error") == ("CF", "no input")


def test_more_attempts_can_be_allowed_while_the_task_runs(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, max_attempts=2)
    node.report(task_id, exit_code=1)
    assert sql.look(task_id) == "AD"


def test_attempts_are_counted_anew_when_the_task_is_queued_again(sql: Sql, node: Node) -> None:
    task_id = sql.insert(max_attempts=2)
    for _ in range(2):
        _fail(sql, node, task_id)
    assert sql.look(task_id) == "CF"
    sql.change(task_id, state_id="AW", worker_id=None)
    _fail(sql, node, task_id)
    assert sql.look(task_id, "state_id, attempt, base_attempt") == ("AD", 3, 2)
    _fail(sql, node, task_id)
    assert sql.look(task_id, "state_id, attempt, base_attempt") == ("CF", 4, 2)


def test_a_retry_that_is_called_off_leaves_no_delay_behind(sql: Sql, node: Node) -> None:
    task_id = sql.insert(max_attempts=2, retry_delay="1 day")
    node.claim()
    node.report(task_id, exit_code=1)
    sql.change(task_id, state_id="AC")
    assert sql.look(task_id) == "CC"
    sql.change(task_id, state_id="AW", worker_id=None)
    assert node.claim() == [task_id]


def test_a_delay_given_by_a_person_outlives_a_cancel(sql: Sql, node: Node) -> None:
    task_id = sql.insert(start_after="2031-01-01")
    sql.change(task_id, state_id="AC")
    sql.change(task_id, state_id="AW")
    assert sql.look(task_id) == "AD"
