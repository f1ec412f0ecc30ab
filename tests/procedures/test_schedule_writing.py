"""What a person writes into the columns of a schedule; run_now; the previews."""

from datetime import datetime, timezone
from typing import Any

import pytest

from tests.procedures.acting import Node, Sql
from tests.servers import Clock

NOW = "2030-05-06 07:08:09+00:00"
"""A Monday."""


@pytest.fixture(autouse=True)
def _clock_is_stopped(stopped: Clock) -> None:
    """At NOW."""


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(f"2030-{text}:00+00:00")


def _next(sql: Sql, task_id: int) -> str | None:
    found = sql.look(task_id, "next_start")
    return None if found is None else f"{found.astimezone(timezone.utc):%m-%d %H:%M:%S}"


def _scheduled(sql: Sql, **columns: Any) -> int:
    return sql.insert(state_id="DR", **columns)


def _ended(sql: Sql, **columns: Any) -> int:
    task_id = sql.insert(**columns)
    sql.change(task_id, state_id="AC")
    return task_id


def test_a_cron_line_begins_with_its_first_time_from_now_on(sql: Sql) -> None:
    line = _scheduled(sql, cron="0 9 * * mon-fri", time_zone="Europe/Berlin")
    assert _next(sql, line) == "05-07 07:00:00"
    changed = _scheduled(sql)
    sql.change(changed, cron="8 7 * * *")
    assert _next(sql, changed) == "05-07 07:08:00"


def test_a_time_that_is_this_very_moment_is_the_first_start(sql: Sql, stopped: Clock) -> None:
    stopped.set("2030-05-06 07:08:00+00:00")
    assert _next(sql, _scheduled(sql, cron="8 7 * * *")) == "05-06 07:08:00"


def test_next_start_beside_a_cron_line_says_from_when_on(sql: Sql) -> None:
    line = _scheduled(sql, cron="@daily", next_start=_utc("06-01 12:00"))
    assert _next(sql, line) == "06-02 00:00:00"
    sql.change(line, next_start=_utc("07-01 00:00"))
    assert _next(sql, line) == "07-01 00:00:00"


def test_another_line_or_zone_begins_anew(sql: Sql) -> None:
    line = _scheduled(sql, cron="@daily", next_start=_utc("06-01 12:00"))
    sql.change(line, time_zone="Europe/Berlin")
    assert _next(sql, line) == "05-06 22:00:00"
    sql.change(line, cron="@hourly")
    assert _next(sql, line) == "05-06 08:00:00"


def test_other_columns_leave_the_next_start_alone(sql: Sql) -> None:
    line = _scheduled(sql, cron="@daily", next_start=_utc("06-01 12:00"))
    sql.change(line, missed="skip", overlap="clone", jitter="5 s", name="n", priority=3)
    sql.change(line, until=_utc("12-01 00:00"), cron="@daily", time_zone=None, shed_clone=True)
    assert _next(sql, line) == "06-02 00:00:00"


def test_without_its_line_a_task_is_not_started_any_more(sql: Sql) -> None:
    line = _scheduled(sql, cron="@daily")
    sql.change(line, cron=None)
    assert sql.look(line, "next_start, cron_fields") == (None, None)


def test_a_line_gives_way_to_an_interval_and_back(sql: Sql) -> None:
    task_id = _scheduled(sql, cron="@daily")
    sql.change(task_id, cron=None, shed_period_id="HOU", next_start=_utc("05-06 10:30"))
    assert sql.values("SELECT long_task.schedule_preview(%s, 2)", task_id) == [
        _utc("05-06 10:30"), _utc("05-06 11:30"),
    ]  # fmt: skip
    sql.change(task_id, cron="@daily", shed_period_id=None)
    assert _next(sql, task_id) == "05-07 00:00:00"


def test_next_start_set_to_null_is_found_anew_for_a_line_and_ends_an_interval(sql: Sql) -> None:
    line = _scheduled(sql, cron="@daily", next_start=_utc("06-01 12:00"))
    interval = _scheduled(sql, shed_period_id="HOU", next_start=_utc("06-01 12:00"))
    for task_id in (line, interval):
        sql.change(task_id, next_start=None)
    assert _next(sql, line) == "05-07 00:00:00"
    assert sql.look(interval, "next_start, shed_anchor") == (None, None)


def test_a_paused_line_may_be_rewritten(sql: Sql) -> None:
    line = _scheduled(sql, cron="@daily", shed_enabled=False)
    sql.change(line, cron="@hourly")
    sql.change(line, shed_enabled=True)
    assert _next(sql, line) == "05-06 08:00:00"


def test_a_start_that_waits_is_judged_anew_when_the_rules_change(sql: Sql, node: Node) -> None:
    task_id = sql.insert(next_start=NOW, shed_period_id="HOU", overlap="queue one")
    assert node.claim() == [task_id]
    assert sql.look(task_id, "shed_waiting") is True
    sql.change(task_id, overlap="skip")
    node.sync()
    assert sql.look(task_id, "shed_waiting") is None
    assert _next(sql, task_id) == "05-06 08:08:09"


@pytest.mark.parametrize("column", ["shed_anchor", "shed_waiting", "cron_fields", "scheduled_for"])
def test_what_the_system_writes_is_refused_even_to_the_owner(sql: Sql, column: str) -> None:
    task_id = _scheduled(sql, cron="@daily")
    values = {
        "cron_fields": "long_task.parse_cron('@hourly')", "shed_waiting": "true",
    }  # fmt: skip
    refusal = sql.refusal(
        f"UPDATE long_task.task SET {column} = {values.get(column, 'now()')} WHERE id = %s", task_id
    )
    assert (refusal.code, refusal.message) == (
        "LT004", f"{column} of task {task_id} is written by the system",
    )  # fmt: skip


def test_run_now_queues_an_ended_task_and_leaves_its_schedule_alone(sql: Sql, node: Node) -> None:
    task_id = sql.insert(cron="@daily")
    node.claim()
    node.report(task_id)
    assert sql.value("SELECT long_task.run_now(%s)", task_id) == task_id
    assert sql.look(task_id, "state_id, queued_by, scheduled_for") == ("AW", "person", None)
    assert _next(sql, task_id) == "05-07 00:00:00"
    (order,) = node.sync().start
    assert (order.task_id, order.scheduled_for) == (task_id, None)


def test_run_now_takes_a_draft_and_keeps_a_pin(sql: Sql) -> None:
    task_id = _scheduled(sql, worker_id=7)
    sql.value("SELECT long_task.run_now(%s)", task_id)
    assert sql.look(task_id, "state_id, worker_id") == ("AW", 7)


def test_run_now_forgets_who_ran_the_task_last(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    node.report(task_id)
    sql.value("SELECT long_task.run_now(%s)", task_id)
    assert sql.look(task_id, "worker_id") is None


def test_run_now_of_a_template_is_a_copy_without_jitter(sql: Sql) -> None:
    template = _scheduled(sql, cron="@daily", shed_clone=True, name="n", jitter="1 day")
    copy = sql.value("SELECT long_task.run_now(%s)", template)
    assert sql.look(copy, "state_id, shed_parent_id, queued_by, scheduled_for, cron, name") == (
        "AW", template, "person", None, None, "n",
    )  # fmt: skip
    assert sql.look(template) == "DR"


def test_run_now_of_an_active_task_is_refused(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    for _ in range(2):
        refusal = sql.refusal("SELECT long_task.run_now(%s)", task_id)
        assert (refusal.code, refusal.message) == ("LT003", f"task {task_id} is active already")
        node.claim()


@pytest.mark.parametrize("task_id", [4711, None])
def test_what_does_not_exist_is_not_run_and_has_no_preview(sql: Sql, task_id: int | None) -> None:
    for function in ("run_now", "schedule_preview"):
        refusal = sql.refusal(f"SELECT long_task.{function}(%s::bigint)", task_id)
        assert refusal.code == "LT006"
        assert refusal.message.startswith("there is no task ")


def test_the_preview_of_a_task_is_what_its_schedule_will_do(sql: Sql) -> None:
    task_id = _scheduled(
        sql, next_start=_utc("05-31 09:00"), shed_period_id="MON", until=_utc("09-01 00:00")
    )
    preview = "SELECT long_task.schedule_preview(%s, %s, %s)"
    series = [_utc("05-31 09:00"), _utc("06-30 09:00"), _utc("07-31 09:00"), _utc("08-31 09:00")]
    assert sql.values(preview, task_id, 10, None) == series
    assert sql.values(preview, task_id, 2, _utc("06-30 09:00")) == series[1:3]
    assert sql.values(preview, task_id, 2, _utc("09-30 09:00")) == []
    assert sql.values(preview, task_id, 0, None) == []
    assert sql.values(preview, _scheduled(sql, next_start=NOW), 5, None) == [
        datetime.fromisoformat(NOW)
    ]
    assert sql.values(preview, _scheduled(sql), 5, None) == []


@pytest.mark.parametrize(
    ("call", "count"),
    [
        ("'@daily'", 10), ("'@daily', 'Europe/Berlin'", 10), ("'@daily', null, '2030-01-01'", 10),
        ("'@daily', 'UTC', '2030-01-01', 3", 3), ("(SELECT max(id) FROM long_task.task)", 10),
        ("{id}", 10), ("{id}, 3", 3), ("{id}, 3, '2031-01-01'", 3),
    ],
)  # fmt: skip
def test_a_preview_is_told_by_its_first_value(sql: Sql, call: str, count: int) -> None:
    written = call.format(id=_scheduled(sql, cron="@daily"))
    assert len(sql.rows(f"SELECT * FROM long_task.schedule_preview({written})")) == count


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("'@daily', 'Mars'", "LT007"), ("'@daily', 'UTC', now(), -1", "LT004"),
        ("'@daily', 'UTC', now(), 10001", "LT004"), ("'@daily', 'UTC', now(), null", "LT004"),
        ("1, -1", "LT004"), ("1, 5, 'infinity'", "LT004"), ("null, 'UTC'", "LT007"),
        ("'@daily', 'UTC', '-infinity'", "LT004"), ("'@daily', 'UTC', '20000-01-01'", "LT004"),
    ],
)  # fmt: skip
def test_a_preview_of_nonsense_is_refused(sql: Sql, call: str, code: str) -> None:
    assert sql.refusal(f"SELECT long_task.schedule_preview({call})").code == code


def test_all_schedules_are_seen_with_their_next_starts(sql: Sql) -> None:
    sql.insert()
    once = _ended(sql, next_start=_utc("05-06 09:00"), name="once")
    line = _ended(sql, cron="0 9 * * *", time_zone="Europe/Berlin", missed="run each")
    paused = _ended(sql, next_start=NOW, shed_period_id="DAY", shed_enabled=False)
    template = _scheduled(
        sql, next_start=_utc("05-06 12:00"), shed_period_id="HOU", shed_period_count=2,
        shed_clone=True, jitter="1 s", until=_utc("05-06 15:00"), missed_after="1 hour",
    )  # fmt: skip
    found = sql.rows(
        "SELECT id, schedule, time_zone, status, overlap, missed, next_starts"
        " FROM long_task.scheduled"
    )
    berlin = [_utc("05-07 07:00"), _utc("05-08 07:00"), _utc("05-09 07:00")]
    tomorrow = [
        datetime.fromisoformat(f"2030-05-{day}T07:08:09+00:00") for day in ("06", "07", "08")
    ]
    assert found == [
        (once, "once", "UTC", "on", "skip", "run once", [_utc("05-06 09:00")]),
        (
            template, "every 2 HOU", "UTC", "on", "clone", "run once",
            [_utc("05-06 12:00"), _utc("05-06 14:00")],
        ),
        (line, "0 9 * * *", "Europe/Berlin", "on", "queue each", "run each", berlin),
        (paused, "every 1 DAY", "UTC", "paused", "skip", "run once", tomorrow),
    ]  # fmt: skip


def test_a_schedule_that_starts_nothing_says_so(sql: Sql, node: Node) -> None:
    over = _ended(sql, next_start=NOW, shed_period_id="HOU", until=NOW)
    waiting = sql.insert(next_start=NOW, shed_period_id="HOU", overlap="queue one")
    node.sync()
    draft = _scheduled(sql, cron="@daily")
    without = _ended(sql, shed_period_id="DAY")
    assert dict(sql.rows("SELECT id, status FROM long_task.scheduled")) == {
        over: "over", waiting: "waiting", draft: "draft", without: "without next_start",
    }  # fmt: skip
    starts = "SELECT next_starts FROM long_task.scheduled WHERE id = %s"
    assert sql.value(starts, draft) is None
    assert "Its schedule passes over it" in sql.value("SELECT long_task.why(%s)", draft)


def test_another_interval_is_counted_from_the_next_start(sql: Sql) -> None:
    task_id = _scheduled(sql, next_start=_utc("05-06 07:30"), shed_period_id="HOU")
    sql.change(task_id, next_start=_utc("05-06 07:30"), shed_period_id="DAY")
    assert sql.values("SELECT long_task.schedule_preview(%s, 2)", task_id) == [
        _utc("05-06 07:30"), _utc("05-07 07:30"),
    ]  # fmt: skip


def test_a_line_whose_end_is_put_off_keeps_its_beginning(sql: Sql) -> None:
    start = _utc("06-01 00:00")
    task_id = _scheduled(sql, cron="@daily", next_start=start, until=_utc("05-20 00:00"))
    assert _next(sql, task_id) is None
    sql.change(task_id, until=None)
    assert sql.look(task_id, "next_start") == start


def test_a_start_that_waits_goes_on_waiting_when_something_else_changes(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    task_id = sql.insert(next_start=NOW, overlap="queue one", missed_after="5 seconds")
    assert node.claim() == [task_id]
    stopped.advance(15)
    sql.change(task_id, until=_utc("12-01 00:00"))
    assert sql.look(task_id, "shed_waiting") is True
    node.report(task_id)
    assert node.claim() == [task_id]


def test_the_reason_of_a_pause_stays_until_the_schedule_is_resumed(sql: Sql) -> None:
    task_id = _scheduled(sql, cron="@daily")
    sql.force(task_id, shed_enabled=False, shed_error="lost")
    sql.change(task_id, missed="skip")
    assert sql.look(task_id, "shed_error") == "lost"
    sql.change(task_id, shed_enabled=True)
    assert sql.look(task_id, "shed_error") is None


def test_an_interval_goes_on_when_its_end_is_put_off(sql: Sql, node: Node, stopped: Clock) -> None:
    task_id = _ended(sql, next_start=NOW, shed_period_id="HOU", until=NOW)
    node.claim()
    assert _next(sql, task_id) is None
    stopped.advance(90 * 60)
    sql.change(task_id, until=None)
    assert _next(sql, task_id) == "05-06 09:08:09"


@pytest.mark.parametrize("columns", [{"cron": "@daily"}, {"shed_period_id": "DAY"}])
def test_a_pause_before_the_first_start_does_not_bring_it_forward(
    sql: Sql, columns: dict[str, str]
) -> None:
    start = _utc("06-01 00:00")
    task_id = _scheduled(sql, next_start=start, shed_enabled=False, **columns)
    for enabled in (True, False, True):
        sql.change(task_id, shed_enabled=enabled)
        assert sql.look(task_id, "next_start") == start


@pytest.mark.parametrize("columns", [{"cron": "@daily"}, {"next_start": NOW}])
def test_a_template_has_to_have_a_command(sql: Sql, columns: dict[str, str]) -> None:
    ((name, value),) = columns.items()
    refusal = sql.refusal(
        f"INSERT INTO long_task.task (shed_clone, {name}) VALUES (true, %s)", value
    )
    assert refusal.code == "LT005"
    draft = sql.insert(state_id="DR", command=None, shed_clone=True)
    statement = f"UPDATE long_task.task SET {name} = %s WHERE id = %s"
    assert sql.refusal(statement, value, draft).code == "LT005"


def test_a_copy_keeps_the_delay_and_the_jitter_of_its_template(sql: Sql, node: Node) -> None:
    delayed = _scheduled(sql, next_start=NOW, shed_clone=True, start_after=_utc("05-07 00:00"))
    jittered = _scheduled(sql, next_start=NOW, shed_clone=True, jitter="100 years")
    node.sync(free=0)
    copies = dict(
        sql.rows("SELECT shed_parent_id, id FROM long_task.task WHERE shed_parent_id IS NOT NULL")
    )
    assert sql.look(copies[delayed], "state_id, start_after") == ("AD", _utc("05-07 00:00"))
    assert sql.value("SELECT long_task.why(%s)", copies[jittered]).endswith("(jitter).")
    sql.change(copies[jittered], state_id="AC")
    sql.change(copies[jittered], state_id="AW")
    assert sql.look(copies[jittered]) == "AW"


def test_run_now_of_an_active_task_whose_starts_overlap_is_a_copy(sql: Sql, node: Node) -> None:
    task_id = sql.insert(overlap="clone")
    node.claim()
    copy = sql.value("SELECT long_task.run_now(%s)", task_id)
    assert sql.look(copy, "state_id, shed_parent_id") == ("AW", task_id)


def test_a_thousand_schedules_with_zones_are_written_in_one_statement(sql: Sql) -> None:
    sql.run("SET LOCAL statement_timeout = '5s'")
    sql.run(
        "INSERT INTO long_task.task (command, cron, time_zone)"
        " SELECT '{true}', n % 60 || ' 3 * * *', 'America/Argentina/Buenos_Aires'"
        " FROM generate_series(1, 1000) AS n"
    )
    assert sql.value("SELECT count(*) FROM long_task.task WHERE next_start IS NOT NULL") == 1000


def test_a_user_schedules_runs_and_looks_and_a_reader_looks(sql: Sql) -> None:
    sql.run("CREATE ROLE ann LOGIN IN ROLE long_task_user")
    sql.run("CREATE ROLE bob LOGIN IN ROLE long_task_reader")
    sql.run("SET LOCAL SESSION AUTHORIZATION ann")
    task_id = _scheduled(
        sql, cron="0 9 1W,L * fri#2", time_zone="Europe/Berlin", shed_clone=True, missed="skip",
        jitter="5 s", until=_utc("12-01 00:00"), missed_after="1 hour", overlap="skip",
    )  # fmt: skip
    copy = sql.value("SELECT long_task.run_now(%s)", task_id)
    assert sql.look(copy, "owner") == "ann"
    for role in ("ann", "bob"):
        sql.run("RESET SESSION AUTHORIZATION")
        sql.run(f"SET LOCAL SESSION AUTHORIZATION {role}")
        assert len(sql.rows("SELECT * FROM long_task.schedule_preview(%s)", task_id)) == 10
        assert len(sql.rows("SELECT * FROM long_task.schedule_preview('@daily', 'UTC')")) == 10
        assert len(sql.rows("TABLE long_task.scheduled")) == 1
    assert sql.refusal("SELECT long_task.run_now(%s)", task_id).code == "42501"
