"""Runs of workflows go as a whole."""

import pytest

from tests.procedures.acting import Sql
from tests.procedures.keeping import age, ended, policy, tasks, tidy_by_steps
from tests.procedures.workflows import define, start

DAY = "1 day"


def _age_run(sql: Sql, run_id: int, *, days: float = 2, **states: str) -> None:
    """All its tasks have ended so many days ago, completed unless ``states`` say otherwise."""
    for task_id, name in sql.rows("SELECT id, step FROM long_task.task WHERE run_id = %s", run_id):
        age(sql, task_id, states.get(name, "CS"), days)


def _runs(sql: Sql) -> list[int]:
    return sql.values("SELECT id FROM long_task.workflow_run ORDER BY id")


@pytest.fixture
def run_id(sql: Sql) -> int:
    """A run of two steps that has not ended."""
    define(sql, "pair", {"first": {}, "second": {}}, ("second", "first"))
    return start(sql, "pair")


def _go(sql: Sql) -> tuple[int, int]:
    steps = tidy_by_steps(sql)
    return sum(one["tasks"] for one in steps), sum(one["runs"] for one in steps)


def test_a_run_goes_with_its_tasks_and_their_dependencies(sql: Sql, run_id: int) -> None:
    policy(sql, keep_succeeded=DAY)
    _age_run(sql, run_id)
    assert _go(sql) == (2, 1)
    assert (tasks(sql), _runs(sql)) == ([], [])
    assert sql.value("SELECT count(*) FROM long_task.task_dependency") == 0
    assert sql.value("SELECT count(*) FROM long_task.run_kept") == 0


def test_a_run_that_has_not_ended_is_kept_with_the_steps_that_have(sql: Sql, run_id: int) -> None:
    policy(sql, keep_succeeded=DAY, keep_failed=DAY, keep_cancelled=DAY)
    _age_run(sql, run_id, second="AB")
    assert _go(sql) == (0, 0)
    _age_run(sql, run_id, second="DR")
    assert _go(sql) == (0, 0)


def test_a_run_is_kept_for_as_long_as_any_of_its_tasks(sql: Sql, run_id: int) -> None:
    policy(sql, keep_succeeded=DAY, keep_failed="3 days")
    _age_run(sql, run_id, second="CF")
    assert _go(sql) == (0, 0)
    _age_run(sql, run_id, days=4, second="CF")
    assert _go(sql) == (0, 0), "it is known until when it is kept"
    sql.run("UPDATE long_task.retention SET keep_failed = '3.5 days'")
    assert _go(sql) == (2, 1)


def test_when_the_time_has_come_that_was_remembered_a_run_is_looked_at_again(
    sql: Sql, run_id: int
) -> None:
    policy(sql, keep_succeeded=DAY)
    _age_run(sql, run_id, days=0.5)
    assert _go(sql) == (0, 0)
    sql.run("UPDATE test_clock.state SET shift = '0.4 days'")
    assert _go(sql) == (0, 0)
    sql.run("UPDATE test_clock.state SET shift = '0.6 days'")
    assert _go(sql) == (2, 1)


def test_a_run_that_was_resumed_meanwhile_is_kept(sql: Sql, run_id: int) -> None:
    policy(sql, keep_succeeded=DAY, keep_failed=DAY)
    _age_run(sql, run_id, second="CF")
    assert sql.value("SELECT long_task.resume_workflow(%s)", run_id) == 1
    assert _go(sql) == (0, 0)
    _age_run(sql, run_id, days=0.5)
    assert _go(sql) == (0, 0)


def test_a_run_stays_while_a_task_of_somebodys_own_needs_one_of_it(sql: Sql, run_id: int) -> None:
    policy(sql, keep_succeeded=DAY)
    _age_run(sql, run_id)
    waiting = sql.insert(state_id="DR")
    sql.run(
        "INSERT INTO long_task.task_dependency (task_id, needs_task_id)"
        " SELECT %s, min(id) FROM long_task.task WHERE run_id = %s", waiting, run_id,
    )  # fmt: skip
    assert _go(sql) == (0, 0)
    age(sql, waiting, days=0.5)
    assert _go(sql) == (2, 1)
    assert tasks(sql) == [waiting]


def test_a_run_that_a_foreign_key_of_somebodys_own_holds_stays_whole_and_is_told(
    sql: Sql, run_id: int
) -> None:
    policy(sql, keep_succeeded=DAY)
    _age_run(sql, run_id)
    sql.run("CREATE TABLE public.note (run_id bigint REFERENCES long_task.workflow_run)")
    sql.run("INSERT INTO public.note VALUES (%s)", run_id)
    assert _go(sql) == (0, 0)
    assert len(tasks(sql)) == 2
    error = sql.value("SELECT error FROM long_task.maintenance")
    assert error.startswith(f"run {run_id} stays: ")
    sql.run("DELETE FROM public.note")
    sql.run("UPDATE test_clock.state SET shift = '61 minutes'")
    assert _go(sql) == (2, 1)


def test_runs_without_tasks_go_by_the_policy_for_every_other_group(sql: Sql, run_id: int) -> None:
    policy(sql, keep_succeeded=DAY)
    sql.run("DELETE FROM long_task.task WHERE run_id = %s", run_id)
    assert _go(sql) == (0, 0)
    sql.run("UPDATE long_task.workflow_run SET started = long_task.clock() - interval '2 days'")
    sql.run("DELETE FROM long_task.run_kept")
    assert _go(sql) == (0, 1)


def test_a_run_that_was_never_begun_goes_when_it_was_cancelled_for_long_and_not_before(
    sql: Sql,
) -> None:
    policy(sql, keep_succeeded=DAY, keep_cancelled="3 days")
    define(sql, "single", {"only": {}}, one_at_a_time=True)
    active, waiting, cancelled = (start(sql, "single") for _ in range(3))
    sql.run("SELECT long_task.cancel_workflow(%s)", cancelled)
    sql.run("UPDATE test_clock.state SET shift = '2 days'")
    assert _go(sql) == (0, 0)
    sql.run("UPDATE test_clock.state SET shift = '4 days'")
    assert _go(sql) == (0, 1)
    assert _runs(sql) == [active, waiting]


def test_that_a_run_goes_lets_no_other_begin_and_wakes_nobody(sql: Sql) -> None:
    policy(sql, keep_succeeded=DAY)
    define(sql, "single", {"only": {}}, one_at_a_time=True)
    over = start(sql, "single")
    _age_run(sql, over)
    start(sql, "single")
    start(sql, "single")
    sql.run("DELETE FROM long_task.unsettled_workflow")
    assert _go(sql) == (1, 1)
    assert sql.value("SELECT count(*) FROM long_task.unsettled_workflow") == 0


def test_a_large_run_goes_in_steps_each_of_which_is_small(sql: Sql) -> None:
    policy(sql, keep_succeeded=DAY)
    define(sql, "fan", {"each": {"fan_out": "$.items"}, "last": {}}, ("last", "each"))
    run_id = start(sql, "fan", items=list(range(1500)))
    with sql.without_triggers():
        sql.run(
            "UPDATE long_task.task SET state_id = 'CS',"
            " last_state_change = long_task.clock() - interval '2 days' WHERE run_id = %s", run_id,
        )  # fmt: skip
    other = ended(sql, days=0.5)
    steps = [one for one in tidy_by_steps(sql) if one["tasks"]]
    assert sum(one["tasks"] for one in steps) == 1501
    assert max(one["tasks"] for one in steps) <= 200
    assert (tasks(sql), _runs(sql)) == ([other], [])


def test_a_large_run_that_is_resumed_while_it_goes_stays(sql: Sql) -> None:
    policy(sql, keep_succeeded=DAY)
    define(sql, "fan", {"each": {"fan_out": "$.items"}})
    run_id = start(sql, "fan", items=list(range(500)))
    _age_run(sql, run_id)
    answer = sql.value("SELECT long_task.maintain_step(0)")
    while not answer["tasks"]:
        answer = sql.value("SELECT long_task.maintain_step(%s)", answer["turn"])
    left = sql.value("SELECT count(*) FROM long_task.task")
    assert 0 < left < 500
    sql.run(
        "UPDATE long_task.task SET state_id = 'AW' WHERE id = (SELECT max(id) FROM long_task.task)"
    )
    assert _go(sql) == (0, 0)
    assert sql.value("SELECT count(*) FROM long_task.task") == left
