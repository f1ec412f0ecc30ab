"""Which tasks are kept, and which go."""

import pytest

from tests.procedures.acting import Node, Sql
from tests.procedures.keeping import age, ended, policy, tasks, tidy_by_steps

DAY = "1 day"


def _gone(sql: Sql) -> int:
    return sum(step["tasks"] for step in tidy_by_steps(sql))


def test_without_a_policy_nothing_goes(sql: Sql) -> None:
    kept = [ended(sql, state, days=10_000) for state in ("CS", "CF", "CC")]
    assert _gone(sql) == 0
    assert tasks(sql) == kept


@pytest.mark.parametrize(
    ("state", "column"),
    [("CS", "keep_succeeded"), ("CF", "keep_failed"), ("CC", "keep_cancelled")],
)
def test_each_kind_of_end_goes_by_its_own_time(sql: Sql, state: str, column: str) -> None:
    policy(sql, None, **{column: DAY})
    old = {one: ended(sql, one) for one in ("CS", "CF", "CC")}
    young = ended(sql, state, days=0.9)
    assert _gone(sql) == 1
    assert tasks(sql) == [*(id_ for one, id_ in old.items() if one != state), young]


def test_what_failed_can_be_kept_for_longer(sql: Sql) -> None:
    policy(sql, keep_succeeded=DAY, keep_failed="30 days")
    failed = [ended(sql, "CF", days) for days in (2, 29)]
    for days in (2, 29, 31):
        ended(sql, "CS", days)
    ended(sql, "CF", 31)
    assert _gone(sql) == 4
    assert tasks(sql) == failed


def test_a_group_goes_by_its_own_policy_and_all_others_by_that_without_a_group(sql: Sql) -> None:
    policy(sql, keep_succeeded=DAY)
    policy(sql, 5, keep_succeeded="3 days")
    policy(sql, 6, keep_failed=DAY)
    ended(sql, group_id=1)
    kept = [ended(sql, group_id=5), ended(sql, group_id=6)]
    ended(sql, group_id=5, days=4)
    ended(sql, "CF", group_id=6)
    assert _gone(sql) == 3
    assert tasks(sql) == kept


def test_a_policy_for_one_group_says_nothing_about_others(sql: Sql) -> None:
    policy(sql, 5, keep_succeeded="0")
    kept = ended(sql, group_id=4)
    ended(sql, group_id=5, days=0)
    assert _gone(sql) == 1
    assert tasks(sql) == [kept]


@pytest.mark.parametrize("state", ["DR", "AW", "AD", "AB"])
def test_what_has_not_ended_is_kept(sql: Sql, state: str) -> None:
    policy(sql, keep_succeeded="0", keep_failed="0", keep_cancelled="0")
    task_id = ended(sql, state, days=1000)
    assert _gone(sql) == 0
    assert tasks(sql) == [task_id]


def test_what_has_a_process_is_kept_until_that_is_gone(sql: Sql, node: Node) -> None:
    policy(sql, keep_succeeded="0")
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, state_id="CS")
    assert _gone(sql) == 0
    node.report(task_id)
    assert _gone(sql) == 1


@pytest.mark.parametrize(
    "columns",
    [
        {"next_start": "2100-01-01"},
        {"next_start": "2100-01-01", "shed_period_id": "DAY"},
        {"cron": "0 4 * * *"},
        {"next_start": "2100-01-01", "shed_clone": True},
    ],
    ids=lambda columns: "+".join(columns),
)
def test_what_has_a_schedule_is_kept(sql: Sql, columns: dict[str, object]) -> None:
    policy(sql, keep_succeeded=DAY)
    task_id = ended(sql, "CS", 2, **columns)
    assert _gone(sql) == 0
    assert tasks(sql) == [task_id]


def test_a_template_and_a_cron_line_that_start_nothing_more_are_kept(sql: Sql) -> None:
    policy(sql, keep_succeeded=DAY)
    kept = [ended(sql, shed_clone=True), ended(sql, shed_period_id="DAY")]
    sql.run("INSERT INTO long_task.workflow (name) VALUES ('w')")
    kept.append(ended(sql, shed_clone=True, workflow="w"))
    assert _gone(sql) == 0
    assert tasks(sql) == kept


def _needs(sql: Sql, task_id: int, needed: int) -> None:
    sql.run(
        "INSERT INTO long_task.task_dependency (task_id, needs_task_id) VALUES (%s, %s)",
        task_id, needed,
    )  # fmt: skip


@pytest.mark.parametrize("state", ["DR", "AB", "AW"])
def test_what_a_task_needs_that_has_not_ended_is_kept(sql: Sql, state: str) -> None:
    policy(sql, keep_succeeded=DAY)
    needed, other = ended(sql), ended(sql)
    waiting = sql.insert(state_id="DR")
    _needs(sql, waiting, needed)
    with sql.without_triggers():
        sql.change(waiting, state_id=state)
    assert _gone(sql) == 1
    assert tasks(sql) == [needed, waiting]
    assert other not in tasks(sql)


def test_what_ended_tasks_need_goes_and_what_they_know_of_it_stays(sql: Sql) -> None:
    policy(sql, keep_succeeded=DAY)
    needed = ended(sql)
    task_id = sql.insert(state_id="DR")
    _needs(sql, task_id, needed)
    age(sql, task_id, days=0.5)
    assert _gone(sql) == 1
    assert sql.row("SELECT task_id, met FROM long_task.task_dependency") == (task_id, True)
    sql.change(task_id, state_id="AW")
    assert sql.look(task_id) == "AW"


def test_dependencies_go_with_the_task_that_has_them(sql: Sql) -> None:
    policy(sql, keep_succeeded=DAY)
    chain = [sql.insert(state_id="DR") for _ in range(5)]
    for needed, task_id in zip(chain, chain[1:], strict=False):
        _needs(sql, task_id, needed)
    for task_id in chain:
        age(sql, task_id)
    assert _gone(sql) == 5
    assert sql.value("SELECT count(*) FROM long_task.task_dependency") == 0
    assert sql.value("SELECT count(*) FROM long_task.unsettled_task") == 0


def test_history_stays_when_its_task_goes(sql: Sql, node: Node) -> None:
    policy(sql, keep_succeeded="0")
    task_id = sql.insert()
    node.claim()
    node.report(task_id)
    assert _gone(sql) == 1
    assert sql.runs(task_id, "attempt, state_id") == [(1, "CS")]


def test_an_archive_gets_what_goes(sql: Sql) -> None:
    policy(sql, keep_succeeded=DAY, archive=True)
    policy(sql, 5, keep_succeeded=DAY)
    task_id = ended(sql, name="import", params={"day": 1})
    ended(sql, group_id=5)
    assert _gone(sql) == 2
    found, task = sql.row("SELECT task_id, task FROM long_task.task_archive")
    assert found == task_id
    assert (task["name"], task["state_id"], task["params"]) == ("import", "CS", {"day": 1})
    assert "cron" not in task


def test_people_see_until_when_a_task_is_kept(sql: Sql) -> None:
    policy(sql, keep_succeeded="3 days", archive=True)
    task_id, failed = ended(sql), ended(sql, "CF")
    kept = "SELECT kept_until = last_state_change + interval '3 days', archive"
    kept += " FROM long_task.task_kept JOIN long_task.task USING (id) WHERE id = %s"
    assert sql.row(kept, task_id) == (True, True)
    for_ever = "SELECT kept_until = 'infinity' FROM long_task.task_kept WHERE id = %s"
    assert sql.value(for_ever, failed)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO long_task.retention (keep_succeeded) VALUES ('-1 day')",
        "INSERT INTO long_task.retention (keep_failed) VALUES ('2000 years')",
        "INSERT INTO long_task.retention (group_id) VALUES (1), (1)",
        "INSERT INTO long_task.retention (group_id) VALUES (null), (null)",
        "INSERT INTO long_task.history_retention (keep) VALUES ('1 second')",
        "INSERT INTO long_task.history_retention (keep_rows) VALUES (0)",
        "INSERT INTO long_task.history_retention (only_row) VALUES (false)",
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(sql: Sql, statement: str) -> None:
    assert sql.refusal(statement).code[:2] == "23"


def test_history_alone_is_gone_through_once_a_minute(sql: Sql) -> None:
    sql.run("INSERT INTO long_task.history_retention (keep) VALUES ('1 year')")
    assert sql.value(
        "SELECT long_task.next_round('2030-01-01 00:00+00') = '2030-01-01 00:01+00'::timestamptz"
    )
