"""Runs that fail, are cancelled, skipped in part, and go on from there."""

import pytest

from tests.procedures.acting import Node, Sql
from tests.procedures.workflows import ETL, define, insert, run_step, start, states, status
from tests.servers import Clock


def test_a_run_that_waits_can_be_cancelled(sql: Sql, node: Node) -> None:
    define(sql, "turn", {"b": {}}, one_at_a_time=True)
    first, second, third = (start(sql, "turn") for _ in range(3))
    sql.run("SELECT long_task.cancel_workflow(%s)", second)
    run_step(sql, node, first, "b")
    node.sync(free=0)
    assert [status(sql, run) for run in (second, third)] == ["cancelled", "running"]


def test_a_failed_step_fails_the_run_and_stops_what_needs_it(sql: Sql, node: Node) -> None:
    define(sql, "etl", *ETL)
    run_id = start(sql, "etl")
    run_step(sql, node, run_id, "extract")
    run_step(sql, node, run_id, "clean", exit_code=2)
    assert states(sql, run_id) == {"extract": "CS", "clean": "CF", "check": "AE", "load": "CC"}
    run_step(sql, node, run_id, "check")
    assert status(sql, run_id) == "failed"
    points = sql.rows("SELECT what, step FROM long_task.workflow_recovery_point(%s)", run_id)
    assert points == [("failed", "clean"), ("blocked", "load")]


@pytest.mark.parametrize(
    ("mode", "step", "again"),
    [
        ("failed", None, {"clean": "AW", "load": "AB"}),
        ("all", None, {"extract": "AW", "clean": "AB", "check": "AB", "load": "AB"}),
        ("from", "check", {"check": "AW"}),
        ("only", "extract", {"extract": "AW"}),
    ],
)
def test_a_run_goes_on_from_where_it_failed(
    sql: Sql, node: Node, mode: str, step: str | None, again: dict[str, str]
) -> None:
    define(sql, "etl", *ETL)
    run_id = start(sql, "etl")
    run_step(sql, node, run_id, "extract")
    run_step(sql, node, run_id, "clean", exit_code=2)
    run_step(sql, node, run_id, "check")
    sql.run("SELECT long_task.resume_workflow(%s, %s, %s)", run_id, mode, step)
    before = {"extract": "CS", "clean": "CF", "check": "CS", "load": "CC"}
    assert states(sql, run_id) == {**before, **again}
    if mode == "failed":
        run_step(sql, node, run_id, "clean")
        run_step(sql, node, run_id, "load")
        assert status(sql, run_id) == "completed"
        clean = sql.value("SELECT id FROM long_task.task WHERE step = 'clean'")
        assert sql.runs(clean, "attempt, state_id") == [(1, "CF"), (2, "CS")]


def test_a_step_that_cannot_start_is_not_resumed(sql: Sql, node: Node) -> None:
    define(sql, "etl", *ETL)
    run_id = start(sql, "etl")
    run_step(sql, node, run_id, "extract")
    run_step(sql, node, run_id, "clean", exit_code=2)
    run_step(sql, node, run_id, "check")
    refusal = sql.refusal("SELECT long_task.resume_workflow(%s, 'from', 'load')", run_id)
    assert refusal.code == "LT003"
    assert "step load cannot start: it needs success of task" in refusal.message
    sql.run(
        "SELECT long_task.skip_task(id) FROM long_task.task WHERE run_id = %s AND step = 'clean'",
        run_id,
    )
    sql.run("SELECT long_task.resume_workflow(%s, 'from', 'load')", run_id)
    run_step(sql, node, run_id, "load")
    assert status(sql, run_id) == "completed"


def test_bad_ways_to_resume_are_refused(sql: Sql, node: Node) -> None:
    define(sql, "etl", *ETL)
    run_id = start(sql, "etl")
    for arguments, code in {
        "'again'": "LT014", "'from'": "LT014", "'all', 'load'": "LT014", "'only', 'x'": "LT006",
    }.items():  # fmt: skip
        assert sql.refusal(f"SELECT long_task.resume_workflow({run_id}, {arguments})").code == code
    assert sql.refusal("SELECT long_task.resume_workflow(0)").code == "LT006"


def test_one_run_at_a_time_counts_for_resumed_ones_too(sql: Sql, node: Node) -> None:
    define(sql, "turn", {"b": {}}, one_at_a_time=True)
    first = start(sql, "turn")
    run_step(sql, node, first, "b", exit_code=1)
    start(sql, "turn")
    assert sql.refusal("SELECT long_task.resume_workflow(%s)", first).message == (
        "another run of workflow turn is active"
    )


def test_a_skipped_step_lets_its_successors_go_on(sql: Sql, node: Node) -> None:
    define(sql, "etl", *ETL)
    run_id = start(sql, "etl")
    extract = sql.value("SELECT id FROM long_task.task WHERE step = 'extract'")
    sql.run("SELECT long_task.skip_task(%s)", extract)
    assert states(sql, run_id) == {"extract": "CS", "clean": "AW", "check": "AW", "load": "AB"}
    assert sql.look(extract, "exit_code, error") == (
        None,
        "skipped by " + sql.value("SELECT session_user"),
    )


def test_a_running_task_is_not_skipped_nor_may_people_write_cs_over_others(
    sql: Sql, node: Node
) -> None:
    first, second = sql.insert(), sql.insert()
    assert node.claim(1) == [first]
    assert sql.refusal("SELECT long_task.skip_task(%s)", first).code == "LT003"
    assert (
        sql.refusal("UPDATE long_task.task SET state_id = 'CS' WHERE id = %s", second).code
        == "LT003"
    )


def test_a_cancelled_run_is_cancelled_in_all_its_parts(sql: Sql, node: Node) -> None:
    define(
        sql, "etl",
        {"extract": {}, "load": {}, "cleanup": {}},
        ("load", "extract"), ("cleanup", "extract", {"on": "end"}),
    )  # fmt: skip
    run_id = start(sql, "etl")
    (extract,) = node.claim()
    assert sql.value("SELECT long_task.cancel_workflow(%s)", run_id) == 3
    assert states(sql, run_id) == {"extract": "AC", "load": "CC", "cleanup": "CC"}
    node.report(extract, exit_code=None, signal=15)
    assert (status(sql, run_id), node.claim()) == ("cancelled", [])
    assert sql.value("SELECT long_task.resume_workflow(%s)", run_id) == 3
    assert states(sql, run_id) == {"extract": "AW", "load": "AB", "cleanup": "AB"}


def test_a_schedule_whose_workflow_cannot_start_is_paused_and_says_why(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    define(sql, "etl", {"extract": {"command": ["get", "%PARAM:what%"]}})
    insert(
        sql, "task",
        {"workflow": "etl", "shed_clone": True, "next_start": "2030-05-06 07:08:10+00:00"},
    )  # fmt: skip
    stopped.advance(2)
    node.sync()
    assert "%PARAM:what%" in sql.value("SELECT error FROM long_task.scheduled")


def test_what_was_let_go_waits_again_for_a_step_that_is_resumed(sql: Sql, node: Node) -> None:
    define(sql, "two", {"a": {}, "b": {}}, ("b", "a"))
    run_id = start(sql, "two")
    run_step(sql, node, run_id, "a")
    assert states(sql, run_id) == {"a": "CS", "b": "AW"}
    sql.run("SELECT long_task.resume_workflow(%s, 'only', 'a')", run_id)
    assert states(sql, run_id) == {"a": "AW", "b": "AB"}


def test_resuming_does_not_follow_a_link_that_is_switched_off(sql: Sql, node: Node) -> None:
    define(sql, "two", {"a": {}, "b": {}}, ("b", "a", {"enabled": False}))
    run_id = start(sql, "two")
    a, b = node.claim()
    node.report(a, exit_code=1)
    node.report(b)
    assert sql.value("SELECT long_task.resume_workflow(%s)", run_id) == 1
