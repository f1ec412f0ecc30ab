"""AC and AS on executing tasks, and rows that are deleted under their processes."""

from typing import Any

import pytest

from tests.procedures.acting import Node, Sql, ended
from tests.servers import Clock


@pytest.mark.parametrize(("asked", "what"), [("AC", "kill"), ("AS", "stop")])
def test_the_node_is_told_until_the_process_is_gone(
    sql: Sql, node: Node, asked: str, what: str
) -> None:
    task_id = sql.insert()
    node.claim()
    assert node.attend() == []
    sql.change(task_id, state_id=asked)
    for _ in range(2):
        assert node.attend() == [(task_id, 1, what)]
    node.report(task_id, exit_code=None, signal=15)
    assert node.attend() == []


def test_only_the_worker_that_runs_it_is_told(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, state_id="AC")
    assert Node(sql, worker_id=2).attend() == []


def test_a_task_that_is_stopping_can_be_killed(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, state_id="AS")
    sql.change(task_id, state_id="AC")
    assert node.attend() == [(task_id, 1, "kill")]


@pytest.mark.parametrize(
    ("facts", "state", "error"),
    [
        ({"exit_code": 0}, "CS", None),
        ({"exit_code": 5}, "CF", "exit code 5"),
        ({"exit_code": None, "signal": 15}, "CF", "signal 15 (SIGTERM)"),
    ],
)
def test_a_stopped_task_is_completed_if_it_exits_with_0_and_failed_if_not(
    sql: Sql, node: Node, facts: dict[str, Any], state: str, error: str | None
) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, state_id="AS")
    node.report(task_id, **facts)
    assert sql.look(task_id, "state_id, error") == (state, error)


@pytest.mark.parametrize("facts", [{"exit_code": 0}, {"exit_code": None, "signal": 9}])
def test_a_cancelled_task_is_cancelled_however_its_process_ended(
    sql: Sql, node: Node, facts: dict[str, Any]
) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, state_id="AC")
    node.report(task_id, **facts)
    assert sql.look(task_id) == "CC"
    assert sql.runs(task_id, "state_id") == [("CC",)]


@pytest.mark.parametrize("statement", ["DELETE FROM long_task.task", "TRUNCATE long_task.task"])
def test_the_processes_of_rows_that_are_gone_are_killed_and_kept_as_history(
    sql: Sql, stopped: Clock, node: Node, statement: str
) -> None:
    running = sorted([sql.insert(), sql.insert()])
    node.claim()
    sql.insert()
    started = stopped.now()
    sql.run(statement)
    stopped.advance(8)
    assert node.attend() == [(task_id, 1, "kill") for task_id in running]
    assert node.attend() == [(task_id, 1, "kill") for task_id in running]
    assert node.report(running[0], exit_code=None, signal=9, output="end", started_ago=None) == []
    assert node.attend() == [(running[1], 1, "kill")]
    columns = "state_id, attempt, worker_id, node_name, pid, signal, output, error, started_by"
    assert sql.runs(running[0], columns) == [
        ("CC", 1, 1, "node-1", 4711, 9, "end", "task deleted", "person")
    ]
    assert sql.runs(running[0], "started") == [(started,)]


def test_the_report_of_a_deleted_task_can_be_repeated(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    sql.run("DELETE FROM long_task.task")
    for _ in range(2):
        assert node.report(task_id) == []
    assert sql.runs(task_id, "attempt") == [(1,)]


def test_deleted_and_existing_tasks_are_reported_together(sql: Sql, node: Node) -> None:
    tasks = [sql.insert() for _ in range(4)]
    node.claim()
    sql.run("DELETE FROM long_task.task WHERE id = %s", tasks[1])
    node.sync(*(ended(task_id) for task_id in tasks), free=0)
    assert sql.rows("SELECT state_id FROM long_task.task_run ORDER BY task_id") == [
        ("CS",), ("CC",), ("CS",), ("CS",),
    ]  # fmt: skip
    assert sql.values("SELECT task_id FROM long_task.deleted_attempt") == []


def test_a_deleted_task_that_never_ran_leaves_nothing_behind(sql: Sql, node: Node) -> None:
    sql.insert()
    done = sql.insert(priority=-1)
    node.claim(free=1)
    node.report(done)
    sql.run("DELETE FROM long_task.task")
    assert node.attend() == []
    assert sql.runs(done, "attempt") == [(1,)]


def test_a_task_that_is_deleted_after_it_ended_itself_is_killed_too(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, state_id="CS")
    sql.run("DELETE FROM long_task.task")
    assert node.attend() == [(task_id, 1, "kill")]


def test_deleted_tasks_of_a_lost_worker_get_their_history(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    task_id = sql.insert()
    node.claim()
    sql.run("DELETE FROM long_task.task")
    stopped.advance(36)
    assert node.lock().epoch == 2
    assert sql.runs(task_id, "state_id, error, pid") == [("CC", "task deleted", None)]
    assert node.attend() == []
