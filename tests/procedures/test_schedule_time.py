"""Calendar arithmetic: the first start of an interval schedule after a time."""

import pytest

from tests.procedures.acting import Sql


def _next(
    sql: Sql, anchor: str, period: str, after: str, *, count: int = 1, zone: str | None = None
) -> str:
    return str(
        sql.value(
            "SELECT to_char(long_task.schedule_time_after(%s, %s, %s, %s, %s)"
            " AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')",
            f"{anchor}+00", period, count, zone, f"{after}+00",
        )
    )  # fmt: skip


def _series(sql: Sql, anchor: str, period: str, length: int, zone: str | None) -> list[str]:
    found, last = [], anchor
    for _ in range(length):
        last = _next(sql, anchor, period, last, zone=zone)
        found.append(last)
    return found


def test_an_anchor_that_is_still_to_come_is_the_next_start(sql: Sql) -> None:
    assert _next(sql, "2030-01-01 00:00:00", "DAY", "2029-12-31 23:59:59") == "2030-01-01 00:00:00"


@pytest.mark.parametrize(
    ("period", "count", "expected"),
    [
        ("SEC", 1, "2030-01-15 12:00:01"),
        ("SEC", 7, "2030-01-15 12:00:04"),
        ("MIN", 1, "2030-01-15 12:01:00"),
        ("HOU", 5, "2030-01-15 14:00:00"),
        ("DAY", 1, "2030-01-16 00:00:00"),
        ("DAY", 10, "2030-01-21 00:00:00"),
        ("WEE", 1, "2030-01-22 00:00:00"),
        ("WEE", 3, "2030-01-22 00:00:00"),
        ("MON", 1, "2030-02-01 00:00:00"),
        ("MON", 5, "2030-06-01 00:00:00"),
    ],
)
def test_periods_are_counted_from_the_anchor(
    sql: Sql, period: str, count: int, expected: str
) -> None:
    found = _next(sql, "2030-01-01 00:00:00", period, "2030-01-15 12:00:00", count=count)
    assert found == expected


def test_a_start_at_the_very_time_is_over(sql: Sql) -> None:
    assert _next(sql, "2030-01-01 00:00:00", "HOU", "2030-01-01 01:00:00") == "2030-01-01 02:00:00"


def test_the_31st_comes_back_after_short_months(sql: Sql) -> None:
    assert [day[:10] for day in _series(sql, "2028-01-31 09:00:00", "MON", 14, None)] == [
        "2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31", "2028-06-30", "2028-07-31",
        "2028-08-31", "2028-09-30", "2028-10-31", "2028-11-30", "2028-12-31", "2029-01-31",
        "2029-02-28", "2029-03-31",
    ]  # fmt: skip


@pytest.mark.parametrize("after", ["2029-02-28 08:59:59", "2029-02-01 00:00:00"])
def test_a_month_is_found_from_any_day_before(sql: Sql, after: str) -> None:
    assert _next(sql, "2028-01-31 09:00:00", "MON", after) == "2029-02-28 09:00:00"


def test_days_keep_the_wall_clock_of_their_zone(sql: Sql) -> None:
    # 09:00 in Berlin is 08:00 UTC in winter; summer time begins on 31 March 2030.
    assert _series(sql, "2030-03-29 08:00:00", "DAY", 4, "Europe/Berlin") == [
        "2030-03-30 08:00:00", "2030-03-31 07:00:00", "2030-04-01 07:00:00", "2030-04-02 07:00:00",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("period", "expected"), [("WEE", "2030-04-01 07:00:00"), ("MON", "2030-04-25 07:00:00")]
)
def test_weeks_and_months_keep_the_wall_clock_too(sql: Sql, period: str, expected: str) -> None:
    found = _next(sql, "2030-03-25 08:00:00", period, "2030-03-25 08:00:00", zone="Europe/Berlin")
    assert found == expected


def test_without_a_zone_days_are_those_of_utc(sql: Sql) -> None:
    sql.run("SET LOCAL timezone = 'America/New_York'")
    assert _series(sql, "2030-03-09 12:00:00", "DAY", 2, None) == [
        "2030-03-10 12:00:00", "2030-03-11 12:00:00",
    ]  # fmt: skip


def test_hours_are_elapsed_time_across_the_change_of_clocks(sql: Sql) -> None:
    assert _series(sql, "2030-03-30 23:30:00", "HOU", 3, "Europe/Berlin") == [
        "2030-03-31 00:30:00", "2030-03-31 01:30:00", "2030-03-31 02:30:00",
    ]  # fmt: skip


def test_a_time_that_the_clock_leaves_out_is_the_moment_of_the_change(sql: Sql) -> None:
    # 02:30 in Berlin is 01:30 UTC in winter and 00:30 in summer; on 31 March 02:00 becomes 03:00.
    assert _series(sql, "2030-03-29 01:30:00", "DAY", 3, "Europe/Berlin") == [
        "2030-03-30 01:30:00", "2030-03-31 01:00:00", "2030-04-01 00:30:00",
    ]  # fmt: skip


@pytest.mark.parametrize("anchor", ["2030-10-25 00:30:00", "2030-10-27 00:30:00"])
def test_a_time_that_the_clock_shows_twice_is_one_start(sql: Sql, anchor: str) -> None:
    # 02:30 in Berlin comes twice on 27 October: at 00:30 UTC and at 01:30 UTC.
    starts = [
        start for start in _series(sql, anchor, "DAY", 4, "Europe/Berlin") if "10-27" in start
    ]
    assert len(starts) == (0 if anchor.startswith("2030-10-27") else 1)


def test_a_series_only_grows_and_never_skips_a_day(sql: Sql) -> None:
    days = _series(sql, "2030-01-01 06:59:59", "DAY", 400, "America/New_York")
    assert days == sorted(set(days))
    assert len({day[:10] for day in days}) == 400


def test_an_anchor_of_long_ago_costs_no_more_than_a_young_one(sql: Sql) -> None:
    sql.run("SET LOCAL statement_timeout = '20s'")
    for period in ("SEC", "MIN", "HOU", "DAY", "WEE", "MON"):
        found = _next(
            sql, "1900-01-31 00:00:00", period, "9990-01-31 00:00:00", zone="Europe/Berlin"
        )
        assert found > "9990-01-31 00:00:00"


@pytest.mark.parametrize("period", ["SEC", "DAY", "MON"])
@pytest.mark.parametrize(
    "arguments",
    [
        "'2030-01-01', '{}', null, 'UTC', '2030-02-01'",
        "'2030-01-01', '{}', 0, 'UTC', '2030-02-01'",
        "'2030-01-01', '{}', -1, 'UTC', '2030-02-01'", "null, '{}', 1, 'UTC', '2030-02-01'",
        "'2030-01-01', '{}', 1, 'UTC', null", "'2030-01-01', '{}', 1, 'UTC', 'infinity'",
        "'-infinity', '{}', 1, 'UTC', '2030-02-01'", "'2030-01-01', 'YEA', 1, null, '2030-02-01'",
        "'2030-01-01', null, 1, null, '2030-02-01'",
    ],
)  # fmt: skip
def test_a_schedule_without_a_next_start_is_refused(sql: Sql, period: str, arguments: str) -> None:
    sql.run("SET LOCAL statement_timeout = '10s'")
    refusal = sql.refusal(f"SELECT long_task.schedule_time_after({arguments.format(period)})")
    assert refusal.code == "LT007"
    assert refusal.message.startswith("there is no start after ")
