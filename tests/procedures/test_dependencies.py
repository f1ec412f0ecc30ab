"""Tasks that wait for tasks: which end lets whom go on, and when."""

import json
from typing import Any

import pytest

from tests.procedures.acting import Node, Sql, ended
from tests.servers import Clock

ENDS: dict[str, dict[str, Any]] = {
    "success": {"exit_code": 0},
    "failure": {"exit_code": 5},
    "cancel": {"exit_code": None, "signal": 15},
}


def link(sql: Sql, task_id: int, *needed: int, **columns: object) -> None:
    for other in needed:
        names = ", ".join(f'"{name}"' for name in columns)
        sql.run(
            f"INSERT INTO long_task.task_dependency (task_id, needs_task_id{', ' if names else ''}"
            f"{names}) VALUES (%s, %s{', %s' * len(columns)})",
            task_id, other, *columns.values(),
        )  # fmt: skip


def end(sql: Sql, node: Node, task_id: int, how: str, **facts: Any) -> None:
    """Runs a task that is ready to the end that is wanted."""
    assert task_id in node.claim(free=100)
    if how == "cancel":
        sql.change(task_id, state_id="AC")
    node.report(task_id, sql.look(task_id, "attempt"), **{**ENDS[how], **facts})


def chain(sql: Sql, length: int) -> list[int]:
    ids = [sql.insert() for _ in range(length)]
    for task_id, needed in zip(ids[1:], ids, strict=False):
        link(sql, task_id, needed)
    return ids


def test_a_task_that_needs_another_waits_and_starts_in_the_transaction_of_its_end(
    sql: Sql, node: Node
) -> None:
    first, second = chain(sql, 2)
    assert sql.look(second) == "AB"
    assert node.claim() == [first]
    answer = node.sync(ended(first))
    assert [order.task_id for order in answer.start] == [second]
    node.report(second)
    assert sql.runs(second, "started_by") == [("dependency",)]


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("on", [*ENDS, "end"])
def test_only_the_end_that_is_needed_lets_it_start(sql: Sql, node: Node, on: str, how: str) -> None:
    first, second = sql.insert(), sql.insert()
    link(sql, second, first, on=on)
    end(sql, node, first, how)
    assert sql.look(second) == ("AW" if on in (how, "end") else "CC")


@pytest.mark.parametrize("how", ENDS)
def test_one_that_has_ended_already_counts_at_once(sql: Sql, node: Node, how: str) -> None:
    first = sql.insert(name="first")
    end(sql, node, first, how)
    second = sql.insert()
    link(sql, second, first)
    assert sql.look(second) == ("AW" if how == "success" else "CC")


@pytest.mark.parametrize(
    ("condition", "result", "state"),
    [
        ("$.rows > 0", {"rows": 3}, "AW"),
        ("$.rows > 0", {"rows": 0}, "CC"),
        ("$.rows > 0", {"rows": "many"}, "CC"),
        ("$.rows > 0", None, "CC"),
        ('exists($.bad[*] ? (@.level == "high"))', {"bad": [{"level": "high"}]}, "AW"),
        ("strict $.rows > 0", {}, "CC"),
    ],
)
def test_a_condition_over_the_result_has_to_hold_too(
    sql: Sql, node: Node, condition: str, result: Any, state: str
) -> None:
    first, second = sql.insert(name="count"), sql.insert()
    link(sql, second, first, condition=condition)
    end(sql, node, first, "success", result=None if result is None else json.dumps(result))
    assert sql.look(second) == state
    if state == "CC":
        assert " without " in sql.look(second, "error")


def test_all_are_needed_unless_any_is_enough(sql: Sql, node: Node) -> None:
    first, second = sql.insert(), sql.insert()
    both, one = sql.insert(), sql.insert(needs="any")
    link(sql, both, first, second)
    link(sql, one, first, second)
    node.claim()
    node.report(first)
    assert (sql.look(both), sql.look(one)) == ("AB", "AW")
    node.report(second)
    assert (sql.look(both), sql.look(one)) == ("AW", "AW")


def test_any_is_cancelled_only_when_none_is_left(sql: Sql, node: Node) -> None:
    first, second, one = sql.insert(), sql.insert(), sql.insert(needs="any")
    link(sql, one, first, second)
    node.claim()
    node.report(first, exit_code=1)
    assert sql.look(one) == "AB"
    node.report(second, exit_code=1)
    assert sql.look(one) == "CC"


def test_what_can_no_longer_be_met_cancels_at_once_and_says_why(sql: Sql, node: Node) -> None:
    first, second = sql.insert(name="extract"), sql.insert()
    third = sql.insert()
    link(sql, third, first, second)
    node.claim()
    node.report(first, exit_code=7)
    assert sql.look(third, "state_id, error") == (
        "CC", f"needs success of task {first} (extract), which failed",
    )  # fmt: skip


@pytest.mark.parametrize(("unmet", "early", "late"), [("start", "AB", "AW"), ("wait", "AB", "AB")])
def test_what_becomes_of_it_then_is_a_column(
    sql: Sql, node: Node, unmet: str, early: str, late: str
) -> None:
    first, second, third = sql.insert(), sql.insert(), sql.insert(unmet=unmet)
    link(sql, third, first, second)
    node.claim()
    node.report(first, exit_code=7)
    assert sql.look(third) == early
    node.report(second)
    assert sql.look(third) == late


def test_one_that_was_left_waiting_goes_on_when_what_it_needs_has_been_repeated(
    sql: Sql, node: Node
) -> None:
    first, second = sql.insert(), sql.insert(unmet="wait")
    link(sql, second, first)
    end(sql, node, first, "failure")
    sql.change(first, state_id="AW")
    end(sql, node, first, "success")
    assert sql.look(second) == "AW"


def test_a_cancelled_chain_is_cancelled_to_its_end_however_long(sql: Sql, node: Node) -> None:
    ids = chain(sql, 60)
    end(sql, node, ids[0], "failure")
    for _ in range(5):
        node.sync(free=0)
    states = sql.values("SELECT state_id FROM long_task.task ORDER BY id")
    assert states == ["CF"] + ["CC"] * 59
    assert sql.value("SELECT count(*) FROM long_task.unsettled_task") == 0


def test_a_retry_is_no_end(sql: Sql, node: Node) -> None:
    first = sql.insert(max_attempts=2, retry_delay="0")
    second = sql.insert()
    link(sql, second, first)
    node.claim()
    node.report(first, exit_code=1)
    assert sql.look(second) == "AB"
    node.claim()
    node.report(first, attempt=2)
    assert sql.look(second) == "AW"


def test_a_task_that_ends_itself_is_over_when_its_process_is(sql: Sql, node: Node) -> None:
    first, second = sql.insert(), sql.insert()
    link(sql, second, first)
    node.claim()
    sql.change(first, state_id="CS")
    assert sql.look(second) == "AB"
    node.report(first, exit_code=None, signal=15)
    assert sql.look(second) == "AW"


def test_a_person_who_cancels_what_others_need_lets_those_go_on_that_wait_for_that(
    sql: Sql,
) -> None:
    first = sql.insert()
    cleanup, after = sql.insert(), sql.insert()
    link(sql, cleanup, first, on="cancel")
    link(sql, after, first)
    sql.change(first, state_id="AC")
    assert (sql.look(cleanup), sql.look(after)) == ("AW", "CC")


@pytest.mark.parametrize("state", ["AB", "AW"])
def test_a_blocked_task_can_be_cancelled_and_queued_again(sql: Sql, state: str) -> None:
    first, second = chain(sql, 2)
    sql.change(second, state_id="AC")
    assert sql.look(second) == "CC"
    if state == "AW":
        sql.run("DELETE FROM long_task.task_dependency")
    sql.change(second, state_id="AW")
    assert sql.look(second) == state


def test_writing_aw_over_a_blocked_task_does_not_let_it_start(sql: Sql) -> None:
    _, second = chain(sql, 2)
    sql.change(second, state_id="AW")
    assert sql.look(second) == "AB"


def test_a_draft_waits_from_the_moment_it_is_queued(sql: Sql, node: Node) -> None:
    first, second = sql.insert(), sql.insert(state_id="DR")
    link(sql, second, first)
    assert sql.look(second) == "DR"
    sql.change(second, state_id="AW")
    assert sql.look(second) == "AB"
    end(sql, node, first, "success")
    assert sql.look(second) == "AW"


def test_a_draft_that_is_needed_is_waited_for(sql: Sql, node: Node) -> None:
    first, second = sql.insert(state_id="DR"), sql.insert()
    link(sql, second, first)
    assert (sql.look(second), node.claim()) == ("AB", [])


def test_a_task_that_may_not_start_yet_is_delayed_when_its_needs_are_met(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    first = sql.insert()
    second = sql.insert(start_after="2030-05-06 07:08:29+00:00")
    link(sql, second, first)
    assert sql.look(second) == "AB"
    end(sql, node, first, "success")
    assert sql.look(second) == "AD"
    stopped.advance(20)
    assert node.claim() == [second]


@pytest.mark.parametrize("change", ["enabled = false", "\"on\" = 'failure'", None])
def test_a_link_is_switched_off_changed_or_deleted_and_counts_at_once(
    sql: Sql, node: Node, change: str | None
) -> None:
    first, second = chain(sql, 2)
    if change is None:
        sql.run("DELETE FROM long_task.task_dependency")
    else:
        sql.run(f"UPDATE long_task.task_dependency SET {change}")
    assert sql.look(second) == ("AB" if change and "failure" in change else "AW")
    if change and "failure" in change:
        end(sql, node, first, "success")
        assert sql.look(second) == "CC"


def test_a_link_that_is_switched_on_holds_what_has_not_been_started(sql: Sql, node: Node) -> None:
    first, second, third = sql.insert(), sql.insert(), sql.insert()
    link(sql, second, first, enabled=False)
    link(sql, third, first, enabled=False)
    assert (sql.look(second), sql.look(third)) == ("AW", "AW")
    sql.run("UPDATE long_task.task_dependency SET enabled = true WHERE task_id = %s", second)
    assert (sql.look(second), sql.look(third)) == ("AB", "AW")


def test_another_join_or_policy_counts_at_once(sql: Sql, node: Node) -> None:
    first, second, third = sql.insert(), sql.insert(), sql.insert()
    link(sql, third, first, second)
    end(sql, node, first, "success")
    assert sql.look(third) == "AB"
    sql.change(third, needs="any")
    assert sql.look(third) == "AW"


def test_a_running_task_can_wait_for_nothing(sql: Sql, node: Node) -> None:
    first, second = sql.insert(), sql.insert()
    node.claim()
    refusal = sql.refusal(
        "INSERT INTO long_task.task_dependency (task_id, needs_task_id) VALUES (%s, %s)",
        second, first,
    )  # fmt: skip
    assert (refusal.code, refusal.message) == (
        "LT003", f"task {second} has been started already, it can wait for nothing",
    )  # fmt: skip


def test_a_task_that_is_not_there_cannot_be_needed(sql: Sql) -> None:
    first = sql.insert()
    for pair in ((first, first + 1000), (first + 1000, first)):
        refusal = sql.refusal(
            "INSERT INTO long_task.task_dependency (task_id, needs_task_id) VALUES (%s, %s)", *pair
        )
        assert (refusal.code, refusal.message) == ("LT006", f"there is no task {first + 1000}")


def test_a_task_that_is_deleted_counts_as_cancelled(sql: Sql, node: Node) -> None:
    first, on_success, on_cancel = sql.insert(), sql.insert(), sql.insert()
    link(sql, on_success, first)
    link(sql, on_cancel, first, on="cancel")
    sql.run("DELETE FROM long_task.task WHERE id = %s", first)
    assert (sql.look(on_success), sql.look(on_cancel)) == ("CC", "AW")
    assert "was deleted" in sql.look(on_success, "error")


def test_a_task_that_had_ended_may_be_deleted_without_consequence(sql: Sql, node: Node) -> None:
    first, second, third = sql.insert(), sql.insert(), sql.insert()
    link(sql, third, first, second)
    end(sql, node, first, "success")
    sql.run("DELETE FROM long_task.task WHERE id = %s", first)
    node.report(second)
    assert sql.look(third) == "AW"


def test_dependencies_go_with_the_task_that_has_them(sql: Sql) -> None:
    _, second = chain(sql, 2)
    sql.run("DELETE FROM long_task.task WHERE id = %s", second)
    assert sql.value("SELECT count(*) FROM long_task.task_dependency") == 0


def test_what_was_let_go_waits_again_when_what_it_needs_is_queued_again(
    sql: Sql, node: Node
) -> None:
    first, second = chain(sql, 2)
    end(sql, node, first, "success")
    assert sql.look(second) == "AW"
    sql.change(first, state_id="AW")
    assert sql.look(second) == "AB"
    assert node.claim() == [first]
    node.report(first, attempt=2)
    assert node.claim() == [second]


@pytest.mark.parametrize("length", [2, 3, 40])
@pytest.mark.parametrize("upward", [False, True])
def test_a_cycle_is_refused_with_its_path(sql: Sql, length: int, upward: bool) -> None:
    ids = [sql.insert(state_id="DR") for _ in range(length)]
    edges = list(zip(ids, ids[1:] + ids[:1], strict=True))
    if upward:
        edges = [(b, a) for a, b in edges]
    for task_id, needed in edges[:-1]:
        link(sql, task_id, needed)
    refusal = sql.refusal(
        "INSERT INTO long_task.task_dependency (task_id, needs_task_id) VALUES (%s, %s)",
        *edges[-1],
    )
    path = [int(word) for word in refusal.message.partition(": ")[2].split(" needs ")]
    assert refusal.code == "LT012"
    assert path[0] == path[-1] and sorted(path[1:]) == ids
    assert set(zip(path, path[1:], strict=False)) == set(edges)


def test_a_cycle_within_one_statement_is_refused(sql: Sql) -> None:
    first, second = sql.insert(), sql.insert()
    refusal = sql.refusal(
        "INSERT INTO long_task.task_dependency (task_id, needs_task_id) VALUES (%s, %s), (%s, %s)",
        first, second, second, first,
    )  # fmt: skip
    assert refusal.code == "LT012"
    assert (sql.look(first), sql.look(second)) == ("AW", "AW")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"on": "sucess"}, "on 'sucess' is not known"),
        ({"pass": "argv"}, "pass 'argv' is not known"),
        ({"condition": "$.rows"}, "condition '$.\"rows\"' is no predicate"),
        ({"condition": "$ ? (@.rows > 0)"}, "condition '$?(@.\"rows\" > 0)' is no predicate"),
    ],
)
def test_a_bad_dependency_is_refused(sql: Sql, columns: dict[str, str], message: str) -> None:
    first, second = sql.insert(), sql.insert()
    name, value = next(iter(columns.items()))
    refusal = sql.refusal(
        f'INSERT INTO long_task.task_dependency (task_id, needs_task_id, "{name}")'
        " VALUES (%s, %s, %s)", second, first, value,
    )  # fmt: skip
    assert (refusal.code, refusal.message) == ("LT012", message)


@pytest.mark.parametrize(("column", "value"), [("needs", "some"), ("unmet", "ignore")])
def test_a_bad_join_or_policy_is_refused(sql: Sql, column: str, value: str) -> None:
    task_id = sql.insert()
    refusal = sql.refusal(f"UPDATE long_task.task SET {column} = '{value}'")
    assert (refusal.code, refusal.message) == ("LT012", f"{column} '{value}' is not known")
    assert sql.look(task_id, column) is None


def test_a_dependency_cannot_become_another(sql: Sql) -> None:
    first, *_ = chain(sql, 3)
    refusal = sql.refusal("UPDATE long_task.task_dependency SET needs_task_id = %s", first)
    assert refusal.code == "LT012"


def test_a_thousand_are_let_go_at_once_in_the_order_they_were_written(sql: Sql, node: Node) -> None:
    first = sql.insert()
    sql.run(
        "WITH t AS (INSERT INTO long_task.task (command, state_id)"
        " SELECT '{true}', 'AW' FROM generate_series(1, 2500) RETURNING id)"
        " INSERT INTO long_task.task_dependency (task_id, needs_task_id) SELECT id, %s FROM t",
        first,
    )
    end(sql, node, first, "success")
    for _ in range(4):
        node.sync(free=0)
    ready = sql.values("SELECT id FROM long_task.task WHERE state_id = 'AW' ORDER BY ready_seq")
    assert len(ready) == 2500
    assert ready == sorted(ready)


def test_a_scheduled_task_waits_for_what_it_needs_at_each_start(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    first, second = sql.insert(), sql.insert()
    link(sql, second, first)
    for task_id in (first, second):
        sql.change(task_id, next_start="2030-05-06 07:08:19+00:00", shed_period_id="HOU")
    end(sql, node, first, "success")
    end(sql, node, second, "success")
    stopped.advance(10)
    assert node.claim() == [first]
    assert sql.look(second) == "AB"
    node.report(first, attempt=2)
    assert sql.look(second) == "AW"


def test_a_retry_waits_for_what_has_been_queued_again_meanwhile(sql: Sql, node: Node) -> None:
    first, second = sql.insert(), sql.insert(max_attempts=2, retry_delay="0")
    link(sql, second, first)
    end(sql, node, first, "success")
    assert node.claim() == [second]
    sql.change(first, state_id="AW")
    assert node.claim() == [first]
    node.report(second, exit_code=1)
    assert (sql.look(second), node.claim()) == ("AB", [])
    node.report(first, attempt=2)
    assert node.claim() == [second]


def fan_out(sql: Sql, first: int, count: int) -> None:
    sql.run(
        "WITH t AS (INSERT INTO long_task.task (command, state_id)"
        " SELECT '{true}', 'AW' FROM generate_series(1, %s) RETURNING id)"
        " INSERT INTO long_task.task_dependency (task_id, needs_task_id) SELECT id, %s FROM t",
        count, first,
    )  # fmt: skip


def count_states(sql: Sql) -> dict[str, int]:
    return dict(sql.rows("SELECT state_id, count(*) FROM long_task.task GROUP BY state_id"))


def test_one_that_had_ended_may_be_deleted_before_all_have_been_let_go(
    sql: Sql, node: Node
) -> None:
    first = sql.insert()
    fan_out(sql, first, 1700)
    end(sql, node, first, "success")
    sql.run("DELETE FROM long_task.task WHERE id = %s", first)
    for _ in range(5):
        node.sync(free=0)
    assert count_states(sql) == {"AW": 1700}


def test_a_failed_chain_is_queued_again_by_one_statement(sql: Sql, node: Node) -> None:
    ids = chain(sql, 3)
    end(sql, node, ids[0], "failure")
    assert [sql.look(task_id) for task_id in ids] == ["CF", "CC", "CC"]
    sql.run("UPDATE long_task.task SET state_id = 'AW' WHERE state_id LIKE 'C%%'")
    assert [sql.look(task_id) for task_id in ids] == ["AW", "AB", "AB"]


def test_many_are_queued_again_after_what_they_need(sql: Sql, node: Node) -> None:
    first = sql.insert()
    fan_out(sql, first, 1700)
    end(sql, node, first, "failure")
    for _ in range(5):
        node.sync(free=0)
    assert count_states(sql) == {"CF": 1, "CC": 1700}
    sql.change(first, state_id="AW")
    sql.run("UPDATE long_task.task SET state_id = 'AW' WHERE state_id = 'CC'")
    for _ in range(5):
        node.sync(free=0)
    assert count_states(sql) == {"AW": 1, "AB": 1700}


def test_one_that_is_cancelled_at_once_again_is_looked_at_again(sql: Sql, node: Node) -> None:
    needed, first, second = sql.insert(), sql.insert(), sql.insert()
    link(sql, second, first, on="cancel", condition="$.x > 0")
    node.claim(free=2)
    sql.change(first, result={"x": 1}, state_id="AC")
    node.report(first, exit_code=None, signal=15)
    assert sql.look(second) == "AW"
    sql.change(needed, state_id="AC")
    node.report(needed, exit_code=None, signal=15)
    link(sql, first, needed)
    sql.change(first, state_id="AW")
    assert sql.look(first, "state_id, result") == ("CC", None)
    assert sql.look(second) == "CC"


def test_a_result_that_is_written_later_counts(sql: Sql, node: Node) -> None:
    first, second = sql.insert(), sql.insert(unmet="wait")
    link(sql, second, first, condition="$.x > 0")
    end(sql, node, first, "success")
    assert sql.look(second) == "AB"
    sql.change(first, result={"x": 1})
    assert sql.look(second) == "AW"


def test_a_running_task_that_is_deleted_is_over_when_its_process_is(sql: Sql, node: Node) -> None:
    first, second = sql.insert(), sql.insert()
    link(sql, second, first, on="end")
    node.claim(1)
    sql.run("DELETE FROM long_task.task WHERE id = %s", first)
    assert sql.look(second) == "AB"
    node.report(first, exit_code=None, signal=9)
    assert sql.look(second) == "AW"


def test_the_tables_may_be_emptied_together_or_one_after_the_other(sql: Sql) -> None:
    for tables in ("long_task.task", "long_task.task, long_task.task_dependency"):
        chain(sql, 3)
        sql.run(f"TRUNCATE {tables}")
        assert sql.value("SELECT count(*) FROM long_task.task_dependency") == 0
