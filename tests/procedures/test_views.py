"""The views for people: their columns, their rows, and what they count."""

from datetime import timedelta
from typing import Any

import pytest

from tests.procedures.acting import LEASE, Node, Sql
from tests.servers import Clock

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _clock_is_stopped(stopped: Clock) -> None:
    """Ages are told exactly."""


def _view(sql: Sql, name: str, columns: str, where: str = "true") -> list[tuple[Any, ...]]:
    return sql.rows(f"SELECT {columns} FROM long_task.{name} WHERE {where}")


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("failed", "id name group_id worker_id finished age attempts exit_code signal error output"
         " command"),
        ("group_status", "group_id ready delayed blocked running live_workers slots"
         " oldest_ready_age ended_last_minute failed_last_minute"),
        ("running", "id name state_id attempt group_id worker_id node_name host started age timeout"
         " progress priority command"),
        ("waiting", "id name state_id group_id worker_id priority start_after since age failures"
         " max_attempts command ready_seq"),
        ("worker", "id group_id active locked_until task_count stop node_name slots host pid"
         " version since epoch"),
        ("worker_status", "id group_id status stop slots running ended_last_minute"
         " failed_last_minute lease_age lease_left node_name host pid version age"),
    ],
)  # fmt: skip
def test_a_view_has_the_columns_that_people_rely_on(sql: Sql, name: str, columns: str) -> None:
    with sql.connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM long_task.{name}")
        assert cursor.description is not None
        assert [column.name for column in cursor.description] == columns.split()
        assert cursor.fetchall() == []


def test_waiting_shows_the_queue_in_its_order(sql: Sql, node: Node, stopped: Clock) -> None:
    delayed = sql.insert(start_after="2031-01-01", priority=-9)
    second, first = sql.insert(), sql.insert(priority=-1)
    other = sql.insert(group_id=-1)
    sql.insert(state_id="DR")
    node.sync(lease=100, free=0)
    stopped.advance(60)
    assert _view(sql, "waiting", "id, state_id, age") == [
        (other, "AW", MINUTE), (first, "AW", MINUTE), (second, "AW", MINUTE),
        (delayed, "AD", MINUTE),
    ]  # fmt: skip
    assert node.claim() == [first, second]


def test_waiting_counts_failures(sql: Sql, node: Node) -> None:
    task_id = sql.insert(max_attempts=3)
    node.claim()
    node.report(task_id, exit_code=1)
    assert _view(sql, "waiting", "id, state_id, failures, max_attempts") == [(task_id, "AD", 1, 3)]


def test_running_shows_every_task_with_a_process(sql: Sql, node: Node, stopped: Clock) -> None:
    first, ended_itself = sql.insert(), sql.insert(name="x", timeout="5 s")
    node.claim(free=1)
    stopped.advance(10)
    node.claim(free=1)
    sql.insert()
    sql.change(first, state_id="AC")
    sql.change(ended_itself, progress=0.5)
    sql.change(ended_itself, state_id="CS")
    stopped.advance(10)
    assert _view(sql, "running", "id, state_id, worker_id, node_name, host, age, progress") == [
        (first, "AC", 1, "node-1", "host", MINUTE / 3, None),
        (ended_itself, "CS", 1, "node-1", "host", MINUTE / 6, 0.5),
    ]


def test_failed_shows_the_latest_failure_first(sql: Sql, node: Node, stopped: Clock) -> None:
    tasks = [sql.insert() for _ in range(3)]
    node.claim()
    for task_id, code in zip(tasks, (1, 0, 2), strict=True):
        stopped.advance(1)
        node.report(task_id, exit_code=code, output=f"out {code}", ended_ago=0)
    stopped.advance(60)
    assert _view(sql, "failed", "id, age, attempts, exit_code, error, output, worker_id") == [
        (tasks[2], MINUTE, 1, 2, "exit code 2", "out 2", 1),
        (tasks[0], MINUTE + timedelta(seconds=2), 1, 1, "exit code 1", "out 1", 1),
    ]


def test_group_status_counts_what_waits_runs_and_ended(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    Node(sql, worker_id=2, slots=3)
    gone = Node(sql, worker_id=3)
    gone.leave()
    first, second, third = (sql.insert() for _ in range(3))
    node.claim()
    node.report(first)
    node.report(second, exit_code=1)
    sql.insert()
    stopped.advance(20)
    sql.insert()
    sql.insert(start_after="2031-01-01")
    sql.insert(start_after="2031-01-01", group_id=5)
    sql.insert(state_id="DR", group_id=6)
    assert _view(sql, "group_status", "*") == [
        (0, 2, 1, 0, 1, 2, 7, timedelta(seconds=20), 2, 1),
        (5, 0, 1, 0, 0, 0, 0, None, 0, 0),
    ]
    node.sync(lease=1000)
    stopped.advance(60)
    assert _view(sql, "group_status", "ended_last_minute, failed_last_minute", "group_id = 0") == [
        (0, 0)
    ]
    assert sql.look(third) == "AE"


@pytest.mark.parametrize(
    ("code", "status"), [(0, "live"), (1, "held"), (2, "draining"), (3, "draining")]
)
def test_worker_status_tells_how_a_live_worker_is_doing(
    sql: Sql, node: Node, stopped: Clock, code: int, status: str
) -> None:
    tasks = [sql.insert(), sql.insert()]
    node.claim()
    node.report(tasks[0], exit_code=1)
    sql.run("UPDATE long_task.worker SET stop = %s", code)
    stopped.advance(10)
    assert _view(
        sql,
        "worker_status",
        "id, group_id, status, stop, slots, running, ended_last_minute, failed_last_minute,"
        " extract(epoch FROM lease_left), node_name, age",
    ) == [(1, 0, status, code, 4, 1, 1, 1, LEASE - 10, "node-1", MINUTE / 6)]


def test_worker_status_tells_workers_that_failed_from_those_that_left(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    Node(sql, worker_id=2).leave()
    sql.run("INSERT INTO long_task.worker (id, stop) VALUES (3, 1)")
    stopped.advance(LEASE)
    assert _view(sql, "worker_status", "id, status, running") == [
        (1, "failed", 0), (2, "left", 0), (3, "left", 0),
    ]  # fmt: skip
