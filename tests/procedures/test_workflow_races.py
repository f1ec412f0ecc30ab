"""Runs that come one at a time, while several write at once."""

from tests.procedures.acting import Node, Sql
from tests.procedures.workflows import define, start, status


def test_a_run_that_is_committed_after_the_end_of_the_one_before_begins(
    serving: Sql, person: Sql
) -> None:
    node = Node(serving)
    define(serving, "turn", {"a": {}}, one_at_a_time=True)
    start(serving, "turn")
    (task_id,) = node.claim()
    second = start(person, "turn")
    node.report(task_id)
    person.connection.commit()
    node.settle()
    assert status(serving, second) == "running"


def test_a_run_whose_cancel_is_not_committed_holds_up_nobody_and_is_not_begun(
    serving: Sql, person: Sql
) -> None:
    node = Node(serving)
    define(serving, "turn", {"a": {}}, one_at_a_time=True)
    start(serving, "turn")
    second, third = start(serving, "turn"), start(serving, "turn")
    (task_id,) = node.claim()
    person.run("SELECT long_task.cancel_workflow(%s)", second)
    node.report(task_id)
    plain = serving.insert()
    assert node.claim() == [plain]
    person.connection.commit()
    node.settle()
    assert [status(serving, run_id) for run_id in (second, third)] == ["cancelled", "running"]


def test_a_run_that_is_resumed_and_one_that_begins_do_not_run_at_once(
    serving: Sql, person: Sql
) -> None:
    node = Node(serving)
    define(serving, "turn", {"a": {}}, one_at_a_time=True)
    first = start(serving, "turn")
    (task_id,) = node.claim()
    node.report(task_id, exit_code=1)
    person.run("SELECT long_task.resume_workflow(%s)", first)
    second = start(serving, "turn")
    person.connection.commit()
    node.settle()
    assert [status(serving, run_id) for run_id in (first, second)] == ["running", "waiting"]


def test_an_error_of_any_kind_in_a_waiting_run_stops_no_node(serving: Sql) -> None:
    node = Node(serving)
    define(serving, "turn", {"a": {"fan_out": "strict $.x"}}, one_at_a_time=True)
    start(serving, "turn", x=[1])
    bad, third = start(serving, "turn"), start(serving, "turn", x=[1])
    (task_id,) = node.claim()
    node.report(task_id)
    node.settle()
    assert [status(serving, run_id) for run_id in (bad, third)] == ["failed", "running"]


def test_an_open_change_of_a_workflow_puts_its_schedule_off_and_nothing_else(
    serving: Sql, person: Sql
) -> None:
    node = Node(serving)
    define(serving, "etl", {"a": {}})
    serving.run(
        "INSERT INTO long_task.task (workflow, shed_clone, next_start)"
        " VALUES ('etl', true, long_task.clock())"
    )
    person.run("UPDATE long_task.workflow SET description = 'mine'")
    plain = serving.insert()
    assert node.claim() == [plain]
    person.connection.commit()
    assert len(node.claim()) == 1


def test_two_make_versions_of_a_workflow_one_after_the_other(serving: Sql, person: Sql) -> None:
    define(serving, "etl", {"a": {}})
    assert person.value("SELECT long_task.new_workflow_version('etl')") == 2
    person.connection.commit()
    assert serving.value("SELECT long_task.new_workflow_version('etl')") == 3
