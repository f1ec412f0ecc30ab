"""What the doctor finds about retention, and that it is content afterwards."""

import pytest

from tests.procedures.acting import Node, Sql
from tests.procedures.complaints import about, only
from tests.procedures.keeping import ended, keep_history, policy, tidy_by_steps
from tests.servers import Clock

HOUR, DAY = 3600.0, 86400.0
SOURCE = "SELECT pg_get_functiondef('long_task.doctor_retention()'::regprocedure)"


def _codes(sql: Sql) -> list[str]:
    codes = sql.values("SELECT code FROM long_task.doctor_retention()")
    assert all(len(about(sql, code)) == 1 for code in codes), "doctor asks it"
    return codes


def _tidy(sql: Sql) -> None:
    tidy_by_steps(sql)
    assert _codes(sql) == []


@pytest.mark.parametrize("of_history", [False, True])
def test_a_policy_that_nobody_sees_to(sql: Sql, stopped: Clock, of_history: bool) -> None:
    tidy_by_steps(sql)
    keep_history(sql, keep="1 day") if of_history else policy(sql, keep_succeeded="1 day")
    stopped.advance(DAY)
    assert _codes(sql) == []
    stopped.advance(2 * HOUR)
    finding = only(sql, "retention_late")
    assert (finding.severity, finding.subject) == ("warning", "table maintenance")
    assert "nobody has seen to them" in finding.found
    assert finding.advice.startswith("Start a node")
    _tidy(sql)


def test_without_a_policy_there_is_nothing_to_see_to(sql: Sql, stopped: Clock) -> None:
    tidy_by_steps(sql)
    stopped.advance(30 * DAY)
    assert _codes(sql) == []


def test_a_round_that_does_not_come_to_an_end(sql: Sql, stopped: Clock) -> None:
    policy(sql, keep_succeeded="1 day")
    tidy_by_steps(sql)
    stopped.advance(30 * HOUR)
    sql.value("SELECT long_task.maintain_step(0)")
    finding = only(sql, "retention_late")
    assert "has not come to an end since 2030-05-06" in finding.found
    assert finding.advice.startswith("CALL long_task.maintain()")
    _tidy(sql)


def test_what_is_in_the_way_of_a_policy(sql: Sql, stopped: Clock) -> None:
    policy(sql, keep_succeeded="1 day")
    task_id = ended(sql)
    sql.run("CREATE TABLE public.invoice (task_id bigint REFERENCES long_task.task)")
    sql.run("INSERT INTO public.invoice VALUES (%s)", task_id)
    tidy_by_steps(sql)
    finding = only(sql, "not_tidied_up")
    assert finding.severity == "warning"
    assert f"task {task_id} stays" in finding.found
    sql.run("DELETE FROM public.invoice")
    _tidy(sql)


def _run_one(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    assert node.claim() == [task_id]
    node.report(task_id)


def test_history_of_many_rows_that_is_kept_for_ever(sql: Sql, node: Node) -> None:
    _run_one(sql, node)
    assert _codes(sql) == []
    sql.run(
        "UPDATE pg_class SET reltuples = 2e8, relpages = greatest(pg_relation_size(oid) / 8192, 1)"
        " WHERE oid = 'long_task.task_run_0'::regclass"
    )
    finding = only(sql, "history_endless")
    assert (finding.severity, finding.subject) == ("warning", "table task_run")
    assert "about 200000000 rows" in finding.found
    sql.run("INSERT INTO long_task.history_retention DEFAULT VALUES")
    assert _codes(sql) == ["history_endless"], "a policy that says nothing"
    sql.run("DELETE FROM long_task.history_retention")
    sql.run(finding.advice.partition(", or")[0])
    assert _codes(sql) == []


def test_history_of_many_bytes_that_is_kept_for_ever(sql: Sql, node: Node) -> None:
    """Kilobytes stand for gigabytes, ten for one."""
    source = sql.value(SOURCE)
    assert source.count("'50 GB'") == 1
    sql.run(source.replace("'50 GB'", "'500 kB'"))
    _run_one(sql, node)
    assert _codes(sql) == []
    with sql.without_triggers():
        sql.run(
            "INSERT INTO long_task.task_run (task_id, attempt, group_id, worker_id, started,"
            " finished, state_id, started_by, part) SELECT n, 1, 0, 1, now(), now(), 'CS', '', 0"
            " FROM generate_series(1, 10000) AS n ON CONFLICT DO NOTHING"
        )
    assert _codes(sql) == ["history_endless"]
    keep_history(sql, keep_rows=100)
    assert _codes(sql) == []
