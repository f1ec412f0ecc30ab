"""Whatever the schedule and however long the outage: no start is lost, and none is made twice."""

from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any, NamedTuple

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.procedures.acting import Sql
from tests.procedures.judges import ZONES
from tests.servers import Clock, Database

EXAMPLES = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)


class Schedule(NamedTuple):
    """Its columns."""

    columns: dict[str, Any]
    start: datetime


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    values = st.integers(low, high)
    return st.one_of(
        st.just("*"),
        values.map(str),
        st.lists(values, min_size=2, max_size=4).map(lambda some: ",".join(map(str, some))),
        st.tuples(values, values).map(lambda ends: f"{min(ends)}-{max(ends)}"),
        st.integers(1, high - low).map(lambda step: f"*/{step}"),
    )


LINES = st.tuples(_field(0, 59), _field(0, 23), _field(1, 28), st.just("*"), _field(0, 7)).map(
    " ".join
)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2035, 1, 1), timezones=st.just(timezone.utc))  # noqa: DTZ001
SCHEDULES = st.builds(
    Schedule,
    st.one_of(
        st.fixed_dictionaries({"cron": LINES, "time_zone": st.sampled_from(ZONES)}),
        st.fixed_dictionaries(
            {
                "shed_period_id": st.sampled_from(["SEC", "MIN", "HOU", "DAY", "WEE", "MON"]),
                "shed_period_count": st.integers(1, 50),
                "time_zone": st.sampled_from(ZONES),
            }
        ),
    ),
    TIMES,
)
OUTAGES = st.one_of(
    st.timedeltas(timedelta(0), timedelta(hours=5)), st.timedeltas(timedelta(0), timedelta(days=3))
)


def _begin(sql: Sql, clock: Clock, schedule: Schedule, **columns: Any) -> int:
    """A task with the schedule, that has ended."""
    sql.run("DELETE FROM long_task.task")
    clock.set(schedule.start)
    # Time goes back here, and what the session knows of it is not so (procedure note_gaps).
    sql.value("SELECT set_config('long_task.gaps_schedule_0', '', false)")
    task_id = sql.insert()
    sql.change(task_id, state_id="AC")
    sql.change(task_id, next_start=schedule.start, **schedule.columns, **columns)
    return task_id


def _planned(sql: Sql, task_id: int, until: datetime) -> list[datetime]:
    """The starts of the schedule up to a time, by the preview; not too many."""
    found: list[datetime] = []
    for count in (25, 2001):  # of a rare line the next two thousand are millennia away
        found = sql.values(
            "SELECT * FROM long_task.schedule_preview(%s, %s) AS p (start) WHERE start <= %s",
            task_id, count, until,
        )  # fmt: skip
        if len(found) < count:
            return found
    assume(False)
    return found


def _fire(sql: Sql) -> None:
    for _ in range(10):
        if sql.value("SELECT long_task.fire_schedules(10000)") != 0:
            return


def _made(sql: Sql, task_id: int) -> list[datetime]:
    return sql.values(
        "SELECT scheduled_for FROM long_task.task"
        " WHERE (id = %s OR shed_parent_id = %s) AND scheduled_for IS NOT NULL ORDER BY id",
        task_id, task_id,
    )  # fmt: skip


@EXAMPLES
@given(line=LINES, zone=st.sampled_from(ZONES), start=TIMES)
def test_a_series_begins_after_its_beginning_and_only_grows(
    sql: Sql, line: str, zone: str, start: datetime
) -> None:
    series = sql.values(
        "SELECT * FROM long_task.schedule_preview(%s, %s, %s, 50)", line, zone, start
    )
    assert series[0] >= start
    assert all(before < after for before, after in pairwise(series))
    # Where a series is cut, its rest is the same: the time that is asked about leaves no trace.
    rest = sql.values(
        "SELECT * FROM long_task.schedule_preview(%s, %s, %s, 25)", line, zone, series[25]
    )
    assert rest == series[25:]


@EXAMPLES
@given(schedule=SCHEDULES, outage=OUTAGES, clone=st.booleans())
def test_run_each_makes_each_start_of_an_outage_once(
    sql: Sql, clock: Clock, schedule: Schedule, outage: timedelta, clone: bool
) -> None:
    rule = {"shed_clone": True} if clone else {"overlap": "clone"}
    task_id = _begin(sql, clock, schedule, missed="run each", **rule)
    planned = _planned(sql, task_id, schedule.start + outage)
    clock.set(schedule.start + outage)
    _fire(sql)
    assert _made(sql, task_id) == planned
    _fire(sql)
    assert _made(sql, task_id) == planned, "a second look at the same time"


@EXAMPLES
@given(schedule=SCHEDULES, outage=OUTAGES, clone=st.booleans())
def test_run_once_makes_one_start_of_an_outage(
    sql: Sql, clock: Clock, schedule: Schedule, outage: timedelta, clone: bool
) -> None:
    task_id = _begin(sql, clock, schedule, shed_clone=clone)
    planned = _planned(sql, task_id, schedule.start + outage)
    clock.set(schedule.start + outage)
    for _ in range(2):
        _fire(sql)
        assert _made(sql, task_id) == planned[-1:]


@EXAMPLES
@given(schedule=SCHEDULES, steps=st.lists(OUTAGES, min_size=1, max_size=6))
def test_it_does_not_matter_how_often_and_when_somebody_looks(
    sql: Sql, clock: Clock, schedule: Schedule, steps: list[timedelta]
) -> None:
    task_id = _begin(sql, clock, schedule, missed="run each", shed_clone=True)
    end = schedule.start + sum(steps, timedelta(0))
    planned = _planned(sql, task_id, end)
    now = schedule.start
    for step in steps:
        now += step
        clock.set(now)
        _fire(sql)
    assert _made(sql, task_id) == planned


def test_three_years_of_a_daily_task_pass_in_no_time(sql: Sql, clock: Clock) -> None:
    start = datetime(2029, 12, 31, 20, tzinfo=timezone.utc)
    line = {"cron": "30 2 * * *", "time_zone": "Europe/Berlin"}
    task_id = _begin(sql, clock, Schedule(line, start), shed_clone=True)
    for _ in range(3 * 365):
        clock.set(sql.look(task_id, "next_start"))
        _fire(sql)
    made = _made(sql, task_id)
    assert len(set(made)) == 3 * 365
    # When 02:30 is left out, the start is at 03:00, half an hour before its time.
    assert {after - before for before, after in pairwise(made)} == {
        timedelta(hours=24), timedelta(hours=23, minutes=30), timedelta(hours=25),
    }  # fmt: skip


def test_ten_thousand_starts_that_are_all_found_late_drift_by_nothing(database: Database) -> None:
    sql, start = Sql(database.connect()), datetime(2030, 1, 1, tzinfo=timezone.utc)
    every = {"shed_period_id": "MIN", "shed_period_count": 7}
    task_id = _begin(sql, database.clock, Schedule(every, start))
    sql.change(task_id, state_id="DR")
    sql.run(
        """
        DO $$
        BEGIN
          FOR v_n IN 1 .. 10000 LOOP
            UPDATE test_clock.state AS s
            SET frozen = t.next_start + (v_n % 419) * interval '1 second'
            FROM long_task.task AS t;
            PERFORM long_task.fire_schedules(10);
            COMMIT;
          END LOOP;
        END
        $$
        """
    )
    assert sql.look(task_id, "next_start") == start + timedelta(minutes=70_000)
