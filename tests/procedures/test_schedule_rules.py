"""Starts that were missed, that overlap, that are late; schedules that end, and that pause."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.procedures.acting import Node, Sql
from tests.servers import Clock

NOW = "2030-05-06 07:08:09+00:00"
HOUR = 3600
YEAR = 365 * 24 * HOUR


@pytest.fixture(autouse=True)
def _clock_is_stopped(stopped: Clock) -> None:
    """At NOW."""


@pytest.fixture
def node(sql: Sql) -> Node:
    """One whose lease outlasts every outage here, so that only the schedules notice it."""
    serving = Node(sql)
    serving.sync(lease=100 * YEAR, free=0)
    return serving


def _at(seconds: float) -> datetime:
    return datetime.fromisoformat(NOW).astimezone(timezone.utc) + timedelta(seconds=seconds)


def _ended(sql: Sql, **columns: Any) -> int:
    task_id = sql.insert()
    sql.change(task_id, state_id="AC")
    sql.change(task_id, **columns)
    return task_id


def _hourly(sql: Sql, **columns: Any) -> int:
    return _ended(sql, next_start=NOW, shed_period_id="HOU", **columns)


def _fire(sql: Sql) -> None:
    """Until nothing is due."""
    for _ in range(1000):
        if sql.value("SELECT long_task.fire_schedules(10000)") != 0:
            return
    raise AssertionError("something is always due")


def _run(sql: Sql, node: Node, task_id: int) -> None:
    """Starts the task and ends it."""
    attempt = sql.look(task_id, "attempt") + 1
    assert task_id in node.claim(free=1000)
    node.report(task_id, attempt)


def _copies(sql: Sql, task_id: int) -> list[datetime]:
    return sql.values(
        "SELECT scheduled_for FROM long_task.task WHERE shed_parent_id = %s ORDER BY id", task_id
    )


def _served(sql: Sql, task_id: int) -> list[datetime]:
    return [time for (time,) in sql.runs(task_id, "scheduled_for")]


def test_each_attempt_remembers_the_time_that_it_was_made_for(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    task_id = _hourly(sql, max_attempts=2, retry_delay="0")
    (order,) = node.sync().start
    assert order.scheduled_for == "2030-05-06T07:08:09+00:00"
    node.report(task_id, 1, exit_code=1)
    (order,) = node.sync().start
    assert order.scheduled_for == "2030-05-06T07:08:09+00:00"
    node.report(task_id, 2)
    assert sql.runs(task_id, "started_by, scheduled_for") == [
        ("schedule", _at(0)), ("retry", _at(0)),
    ]  # fmt: skip
    sql.change(task_id, state_id="AW")
    assert node.sync().start[0].scheduled_for is None


def test_a_fraction_of_a_second_is_kept(sql: Sql, node: Node) -> None:
    _ended(sql, next_start="2030-05-06 07:08:08.25+00:00")
    assert node.sync().start[0].scheduled_for == "2030-05-06T07:08:08.250000+00:00"


@pytest.mark.parametrize("missed", [None, "run once"])
@pytest.mark.parametrize("outage", [0, 59 * 60, HOUR, 7 * HOUR + 5, 3 * YEAR])
def test_run_once_is_one_start_for_the_latest_time(
    sql: Sql, stopped: Clock, missed: str | None, outage: int
) -> None:
    task_id, template = _hourly(sql, missed=missed), _hourly(sql, missed=missed, shed_clone=True)
    stopped.advance(outage)
    _fire(sql)
    latest = _at(outage // HOUR * HOUR)
    assert sql.look(task_id, "state_id, scheduled_for") == ("AW", latest)
    assert _copies(sql, template) == [latest]
    for row in (task_id, template):
        assert sql.look(row, "next_start") == latest + timedelta(hours=1)


def test_run_each_makes_every_start_one_after_the_other(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    task_id = _hourly(sql, missed="run each")
    stopped.advance(5 * HOUR + 60)
    for _ in range(6):
        _run(sql, node, task_id)
    assert node.claim() == []
    assert _served(sql, task_id) == [_at(n * HOUR) for n in range(6)]
    assert sql.look(task_id, "next_start, shed_waiting") == (_at(6 * HOUR), None)
    stopped.advance(HOUR)
    _run(sql, node, task_id)
    assert _served(sql, task_id)[6:] == [_at(6 * HOUR)]


def test_run_each_waits_for_the_end_of_a_start_that_takes_long(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    task_id = _hourly(sql, missed="run each")
    assert node.claim() == [task_id]
    stopped.advance(2 * HOUR)
    assert node.claim() == []
    assert sql.look(task_id, "shed_waiting, next_start") == (True, _at(HOUR))
    assert node.sync(free=0).wake_in is None, "nothing to wake for before it has ended"
    node.report(task_id, 1)
    for _ in range(2):
        _run(sql, node, task_id)
    assert _served(sql, task_id) == [_at(n * HOUR) for n in range(3)]


def test_run_each_of_a_template_is_a_copy_for_every_start(sql: Sql, stopped: Clock) -> None:
    template = _hourly(sql, missed="run each", shed_clone=True)
    stopped.advance(2500 * HOUR)
    _fire(sql)
    assert _copies(sql, template) == [_at(n * HOUR) for n in range(2501)]
    _fire(sql)
    assert len(_copies(sql, template)) == 2501


def test_run_each_with_overlap_clone_makes_the_first_itself_and_copies_of_the_others(
    sql: Sql, stopped: Clock
) -> None:
    task_id = _hourly(sql, missed="run each", overlap="clone")
    stopped.advance(3 * HOUR)
    _fire(sql)
    assert sql.look(task_id, "state_id, scheduled_for") == ("AW", _at(0))
    assert _copies(sql, task_id) == [_at(n * HOUR) for n in (1, 2, 3)]


@pytest.mark.parametrize(("late", "made"), [(0, 1), (60, 1), (61, 0)])
def test_skip_gives_up_what_is_later_than_a_minute(
    sql: Sql, stopped: Clock, late: int, made: int
) -> None:
    task_id, single = _hourly(sql, missed="skip"), _ended(sql, next_start=NOW, missed="skip")
    template = _hourly(sql, missed="skip", shed_clone=True)
    stopped.advance(late)
    _fire(sql)
    for row in (task_id, single):
        assert sql.look(row) == ("AW" if made else "CC")
    assert len(_copies(sql, template)) == made
    assert sql.look(task_id, "next_start") == _at(HOUR)
    assert sql.look(single, "next_start") is None


@pytest.mark.parametrize(("missed", "made"), [(None, [5]), ("skip", [5]), ("run each", [3, 4, 5])])
def test_what_is_later_than_missed_after_is_given_up(
    sql: Sql, stopped: Clock, missed: str | None, made: list[int]
) -> None:
    rules = {"missed": missed, "missed_after": "2 hours 30 minutes", "shed_clone": True}
    template = _hourly(sql, **rules)
    stopped.advance(5 * HOUR + 60)
    _fire(sql)
    assert _copies(sql, template) == [_at(n * HOUR) for n in made]


def test_a_start_that_has_waited_for_an_end_is_not_too_late(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    task_id = _hourly(sql, missed="skip", overlap="queue one")
    assert node.claim() == [task_id]
    stopped.advance(HOUR)
    assert node.claim() == []
    stopped.advance(30 * 60)
    node.report(task_id, 1)
    assert node.claim() == [task_id]
    assert sql.look(task_id, "scheduled_for") == _at(HOUR)


@pytest.mark.parametrize("state", ["AW", "AE", "AS", "AC"])
def test_overlap_skip_passes_over_a_start(sql: Sql, node: Node, stopped: Clock, state: str) -> None:
    task_id = _hourly(sql, overlap="skip")
    if state == "AW":
        _fire(sql)
    else:
        node.claim()
        sql.change(task_id, state_id=state)
    stopped.advance(HOUR)
    _fire(sql)
    assert sql.look(task_id, "state_id, scheduled_for") == (state, _at(0))
    assert sql.look(task_id, "next_start") == _at(2 * HOUR)
    assert _copies(sql, task_id) == []


def test_overlap_clone_makes_a_copy_beside_it(sql: Sql, node: Node, stopped: Clock) -> None:
    task_id = _hourly(sql, overlap="clone")
    assert node.claim() == [task_id]
    stopped.advance(HOUR)
    (copy,) = node.claim()
    assert sql.look(copy, "shed_parent_id, scheduled_for, queued_by") == (
        task_id, _at(HOUR), "schedule",
    )  # fmt: skip
    assert sql.look(task_id, "state_id, scheduled_for") == ("AE", _at(0))
    node.report(task_id, 1)
    stopped.advance(HOUR)
    assert node.claim() == [task_id]


def test_overlap_queue_one_makes_one_start_after_the_end_however_many_there_were(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    task_id = _hourly(sql, overlap="queue one")
    assert node.claim() == [task_id]
    for _ in range(3):
        stopped.advance(HOUR)
        assert node.claim() == []
    node.report(task_id, 1)
    assert node.claim() == [task_id]
    assert sql.look(task_id, "scheduled_for, next_start") == (_at(3 * HOUR), _at(4 * HOUR))
    node.report(task_id, 2)
    assert node.claim() == []


@pytest.mark.parametrize("how", ["cancelled", "failed", "deleted meanwhile", "ended by itself"])
def test_whatever_ends_the_task_lets_the_waiting_start_go(
    sql: Sql, node: Node, stopped: Clock, how: str
) -> None:
    task_id = _hourly(sql, overlap="queue one")
    node.claim()
    stopped.advance(HOUR)
    node.claim()
    match how:
        case "cancelled":
            sql.change(task_id, state_id="AC")
            node.report(task_id, 1, signal=9, exit_code=None)
        case "failed":
            node.report(task_id, 1, exit_code=1)
        case "ended by itself":
            sql.change(task_id, state_id="CS")
            node.report(task_id, 1)
        case _:
            sql.run("DELETE FROM long_task.task WHERE id = %s", task_id)
            assert node.claim() == []
            return
    assert node.claim() == [task_id]


def test_a_draft_does_not_wait(sql: Sql, node: Node, stopped: Clock) -> None:
    task_id = _hourly(sql, overlap="queue one")
    node.claim()
    stopped.advance(HOUR)
    node.claim()
    sql.change(task_id, state_id="CS")
    sql.change(task_id, state_id="DR")
    _fire(sql)
    assert sql.look(task_id, "state_id, next_start") == ("DR", _at(2 * HOUR))


def test_overlap_skip_of_a_template_waits_for_no_copy_to_be_active(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    template = _hourly(sql, shed_clone=True, overlap="skip")
    (copy,) = node.claim()
    for active in (True, False):
        if not active:
            node.report(copy, 1)
        stopped.advance(HOUR)
        _fire(sql)
        assert len(_copies(sql, template)) == (1 if active else 2)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"missed": "run each", "overlap": "skip"}, "missed 'run each' and overlap 'skip' exclude"),
        ({"missed": "run each", "overlap": "queue one"}, "missed 'run each' and overlap 'queue"),
        ({"shed_clone": True, "overlap": "queue one"}, "shed_clone and overlap 'queue one' excl"),
        ({"cron": "@daily", "shed_period_id": "DAY"}, "a task has either cron or shed_period_id"),
    ],
)
def test_rules_that_exclude_each_other_are_refused(
    sql: Sql, columns: dict[str, object], message: str
) -> None:
    task_id = sql.insert(state_id="DR")
    names = ", ".join(columns)
    given = ", ".join(["%s"] * len(columns))
    for statement in (
        f"INSERT INTO long_task.task (command, {names}) VALUES ('{{true}}', {given})",
        f"UPDATE long_task.task SET ({names}) = ROW ({given})",
    ):
        refusal = sql.refusal(statement, *columns.values())
        assert refusal.code == "LT007"
        assert refusal.message.startswith(message)
    assert sql.look(task_id, "next_start") is None


def test_jitter_delays_each_start_by_another_time(sql: Sql, node: Node, stopped: Clock) -> None:
    tasks = [_hourly(sql, jitter="10 minutes") for _ in range(50)]
    template = _hourly(sql, shed_clone=True, jitter="10 minutes", missed="run each")
    stopped.advance(49 * HOUR)
    _fire(sql)
    found = sql.rows(
        "SELECT state_id, start_after FROM long_task.task"
        " WHERE id = ANY (%s) OR shed_parent_id = %s",
        tasks, template,
    )  # fmt: skip
    assert len(found) == 100
    assert all(_at(49 * HOUR) <= time <= _at(49 * HOUR + 600) for _, time in found)
    assert len({time for _, time in found}) > 90
    assert {state for state, _ in found} <= {"AD", "AW"}
    stopped.advance(600)
    assert len(node.claim(free=1000)) == 100


def test_jitter_does_not_bring_a_task_forward_that_a_person_has_delayed(sql: Sql) -> None:
    task_id = _hourly(sql, jitter="10 minutes", start_after=_at(HOUR))
    _fire(sql)
    assert sql.look(task_id, "state_id, start_after") == ("AD", _at(HOUR))


def test_a_cancelled_jitter_does_not_delay_the_task_when_a_person_queues_it(sql: Sql) -> None:
    task_id = _hourly(sql, jitter="100 years")
    _fire(sql)
    assert sql.look(task_id) == "AD"
    sql.change(task_id, state_id="AC")
    sql.change(task_id, state_id="AW")
    assert sql.look(task_id) == "AW"


def test_nothing_is_started_after_until(sql: Sql, stopped: Clock) -> None:
    template = _hourly(sql, shed_clone=True, missed="run each", until=_at(2 * HOUR))
    cron = _ended(sql, cron="@hourly", until=_at(2 * HOUR))
    assert sql.values("SELECT * FROM long_task.schedule_preview(%s)", template) == [
        _at(n * HOUR) for n in range(3)
    ]
    stopped.advance(5 * HOUR)
    _fire(sql)
    assert _copies(sql, template) == [_at(n * HOUR) for n in range(3)]
    assert sql.look(template, "next_start") is None
    assert sql.look(cron, "state_id, next_start") == ("AW", None)
    assert sql.look(cron, "scheduled_for") == datetime(2030, 5, 6, 9, tzinfo=timezone.utc)


def test_a_schedule_whose_end_is_brought_forward_makes_no_further_start(
    sql: Sql, stopped: Clock
) -> None:
    task_id = _hourly(sql)
    _fire(sql)
    sql.change(task_id, state_id="AC", until=_at(60))
    stopped.advance(HOUR)
    _fire(sql)
    assert sql.look(task_id, "state_id, next_start") == ("CC", None)


def test_an_end_that_is_put_off_lets_a_cron_line_go_on(sql: Sql, stopped: Clock) -> None:
    task_id = _ended(sql, cron="@hourly", until=_at(0))
    assert sql.look(task_id, "next_start") is None
    sql.change(task_id, until=None)
    assert sql.look(task_id, "next_start") == datetime(2030, 5, 6, 8, tzinfo=timezone.utc)


@pytest.mark.parametrize("missed", [None, "run each"])
def test_what_falls_into_a_pause_is_not_made_up_for(
    sql: Sql, stopped: Clock, missed: str | None
) -> None:
    interval, cron = _hourly(sql, missed=missed), _ended(sql, cron="@hourly", missed=missed)
    for task_id in (interval, cron):
        sql.change(task_id, shed_enabled=False)
    stopped.advance(5 * HOUR + 60)
    _fire(sql)
    for task_id in (interval, cron):
        sql.change(task_id, shed_enabled=True)
    _fire(sql)
    assert sql.look(interval, "state_id, next_start") == ("CC", _at(6 * HOUR))
    assert sql.look(cron, "state_id, next_start") == (
        "CC", datetime(2030, 5, 6, 13, tzinfo=timezone.utc),
    )  # fmt: skip


def test_a_single_start_is_kept_for_the_end_of_a_pause(sql: Sql, stopped: Clock) -> None:
    task_id = _ended(sql, next_start=_at(60), shed_enabled=False)
    stopped.advance(HOUR)
    _fire(sql)
    assert sql.look(task_id) == "CC"
    sql.change(task_id, shed_enabled=True)
    _fire(sql)
    assert sql.look(task_id, "state_id, scheduled_for") == ("AW", _at(60))
