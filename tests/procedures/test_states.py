"""Every change of state that a person can ask for: done as the design says, or refused."""

import pytest

from tests.procedures.acting import ALLOWED, EXECUTING, STATES, Sql
from tests.servers import Clock

HINTS = {
    "DR": "From DR it can go to AW.",
    "AW": "From AW it can go to AC.",
    "AD": "From AD it can go to AC.",
    "AB": "From AB it can go to AC.",
    "AE": "From AE it can go to AC, AS, CS, CF.",
    "AS": "From AS it can go to AC, CS, CF.",
    "AC": "From AC it can go to nothing: it becomes CC when its processes are gone.",
    "CS": "From CS it can go to AW, DR.",
    "CF": "From CF it can go to AW, DR.",
    "CC": "From CC it can go to AW, DR.",
}


def _in_state(sql: Sql, state: str, *, alive: bool) -> int:
    task_id = sql.insert(state_id="DR")
    sql.force(
        task_id,
        state_id=state,
        running_on=1 if alive else None,
        attempt=3 if alive else 0,
        start_after="2031-01-01" if state == "AD" else None,
        finished="2030-05-06 00:00+00" if state.startswith("C") else None,
        last_state_change="2030-05-06 00:00+00",
    )
    return task_id


@pytest.mark.parametrize("alive", [False, True], ids=["without_process", "with_process"])
@pytest.mark.parametrize("before", STATES)
def test_a_change_of_state_is_done_as_the_table_says(
    sql: Sql, stopped: Clock, before: str, alive: bool
) -> None:
    alive = alive or before in EXECUTING
    for wanted in STATES:
        expected = ALLOWED.get((before, wanted))
        if expected is None:
            continue
        task_id = _in_state(sql, before, alive=alive)
        sql.change(task_id, state_id=wanted)
        state, changed, running_on = sql.look(task_id, "state_id, last_state_change, running_on")
        assert state == expected, f"{before} to {wanted}"
        assert (changed == stopped.now()) is (expected != before), f"{before} to {wanted}"
        assert running_on == (1 if alive else None)


@pytest.mark.parametrize("alive", [False, True], ids=["without_process", "with_process"])
@pytest.mark.parametrize("before", STATES)
def test_every_other_change_of_state_is_refused_and_changes_nothing(
    sql: Sql, before: str, alive: bool
) -> None:
    task_id = _in_state(sql, before, alive=alive or before in EXECUTING)
    row = sql.whole(task_id)
    for wanted in (*STATES, "XX", "aw", ""):
        if (before, wanted) in ALLOWED:
            continue
        refusal = sql.refusal(
            "UPDATE long_task.task SET state_id = %s, priority = 9 WHERE id = %s", wanted, task_id
        )
        assert refusal.code == "LT003"
        assert refusal.message == f"task {task_id} cannot go from {before} to {wanted}"
        assert refusal.hint == HINTS[before]
        assert refusal.detail and refusal.detail.startswith(f"state_id is {before} since ")
        assert sql.whole(task_id) == row


@pytest.mark.parametrize("state", STATES)
def test_a_task_begins_as_draft_or_waiting_and_in_no_other_state(sql: Sql, state: str) -> None:
    if state in ("DR", "AW"):
        assert sql.look(sql.insert(state_id=state)) == state
        return
    refusal = sql.refusal(
        "INSERT INTO long_task.task (state_id, command) VALUES (%s, '{true}')", state
    )
    assert refusal.code == "LT003"
    assert refusal.message == f"a task cannot begin in state '{state}'"
    assert refusal.hint == "Insert it as DR (draft) or AW (waiting)."


def test_a_task_without_a_state_begins_as_a_draft(sql: Sql) -> None:
    assert sql.value("INSERT INTO long_task.task DEFAULT VALUES RETURNING state_id") == "DR"


@pytest.mark.parametrize("state", STATES)
def test_the_reference_table_knows_every_state(sql: Sql, state: str) -> None:
    name, description = sql.row(
        "SELECT name, description FROM long_task.task_state WHERE id = %s", state
    )
    assert name and description


def test_one_illegal_row_refuses_the_whole_statement(sql: Sql) -> None:
    waiting, draft = sql.insert(), sql.insert(state_id="DR")
    refusal = sql.refusal("UPDATE long_task.task SET state_id = 'AC'")
    assert refusal.code == "LT003"
    assert (sql.look(waiting), sql.look(draft)) == ("AW", "DR")


def test_a_state_that_is_null_is_refused(sql: Sql) -> None:
    task_id = sql.insert()
    assert sql.refusal("UPDATE long_task.task SET state_id = NULL").code == "23502"
    assert sql.look(task_id) == "AW"


def test_an_impossible_change_of_an_unfinished_draft_is_told_as_such(sql: Sql) -> None:
    task_id = sql.insert(state_id="DR", command=None)
    refusal = sql.refusal("UPDATE long_task.task SET state_id = 'AC' WHERE id = %s", task_id)
    assert refusal.code == "LT003"


def test_a_cancelled_waiting_task_has_finished_at_that_moment(sql: Sql, stopped: Clock) -> None:
    task_id = sql.insert()
    stopped.advance(5)
    sql.change(task_id, state_id="AC")
    assert sql.look(task_id, "state_id, finished") == ("CC", stopped.now())


def test_a_task_cannot_become_another_one(sql: Sql) -> None:
    task_id = sql.insert()
    # GENERATED ALWAYS refuses it already; the trigger is for those who have dropped that.
    assert sql.refusal("UPDATE long_task.task SET id = 4711").code == "428C9"
    sql.run("ALTER TABLE long_task.task ALTER COLUMN id SET GENERATED BY DEFAULT")
    refusal = sql.refusal("UPDATE long_task.task SET id = 4711")
    assert refusal.code == "LT004"
    assert refusal.message == f"task {task_id} cannot become task 4711"


def test_the_columns_of_the_system_are_refused_on_insert(sql: Sql) -> None:
    for column in ("running_on", "attempt", "base_attempt"):
        refusal = sql.refusal(f"INSERT INTO long_task.task ({column}) VALUES (1)")
        assert refusal.code == "LT004"
        assert "written by the system" in refusal.message
