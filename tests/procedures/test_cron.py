"""Cron lines: what they name, how they are refused, and what clocks that are changed do to them."""

import calendar
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone

import pytest

from tests.procedures.acting import Sql
from tests.servers import Clock


def _starts(
    sql: Sql, line: str, start: str, count: int = 1, zone: str | None = None
) -> list[datetime]:
    """The next starts after ``start``, which is in UTC as they are."""
    found = sql.values(
        "SELECT * FROM long_task.schedule_preview(%s, %s, %s, %s)", line, zone, f"{start}+00", count
    )
    return [time.astimezone(timezone.utc) for time in found]


def _minutes(times: Sequence[datetime]) -> list[str]:
    return [f"{time:%m-%d %H:%M}" for time in times]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # 1 January 2030 is a Tuesday.
        ("* * * * *", ["01-01 00:00", "01-01 00:01"]),
        ("*/25 * * * *", ["01-01 00:00", "01-01 00:25", "01-01 00:50", "01-01 01:00"]),
        ("5/20 * * * *", ["01-01 00:05", "01-01 00:25", "01-01 00:45", "01-01 01:05"]),
        ("10-12,40 3 * * *", ["01-01 03:10", "01-01 03:11", "01-01 03:12", "01-01 03:40"]),
        ("0 9-17/4 * * *", ["01-01 09:00", "01-01 13:00", "01-01 17:00", "01-02 09:00"]),
        ("0 0 29 feb *", ["02-29 00:00"]),
        ("0 0 1 JAN,Mar-May/2 *", ["01-01 00:00", "03-01 00:00", "05-01 00:00", "01-01 00:00"]),
        ("0 0 * * 0", ["01-06 00:00", "01-13 00:00"]),
        ("0 0 * * 7", ["01-06 00:00", "01-13 00:00"]),
        ("0 0 * * Sun", ["01-06 00:00"]),
        ("0 0 * * fri-sun", ["01-04 00:00", "01-05 00:00", "01-06 00:00", "01-11 00:00"]),
        ("0 0 * * sun-sun", ["01-06 00:00", "01-13 00:00"]),
        ("0 0 * * 5-7", ["01-04 00:00", "01-05 00:00", "01-06 00:00", "01-11 00:00"]),
        ("0 0 * * sun-tue", ["01-01 00:00", "01-06 00:00", "01-07 00:00"]),
        ("0 0 * * mon-fri/2", ["01-02 00:00", "01-04 00:00", "01-07 00:00"]),
        ("0 0 L * *", ["01-31 00:00", "02-28 00:00"]),
        ("0 0 l,15 * *", ["01-15 00:00", "01-31 00:00", "02-15 00:00", "02-28 00:00"]),
        ("0 0 LW * *", ["01-31 00:00", "02-28 00:00", "03-29 00:00", "04-30 00:00"]),
        ("0 0 * * 5L", ["01-25 00:00", "02-22 00:00"]),
        ("0 0 * * friL,1#1", ["01-07 00:00", "01-25 00:00", "02-04 00:00", "02-22 00:00"]),
        ("0 0 * * 2#5", ["01-29 00:00", "04-30 00:00"]),
        ("0 0 * * sun#2", ["01-13 00:00", "02-10 00:00"]),
        ("0 0 * * 7#2", ["01-13 00:00", "02-10 00:00"]),
        ("@hourly", ["01-01 00:00", "01-01 01:00"]),
        ("@daily", ["01-01 00:00", "01-02 00:00"]),
        ("@midnight", ["01-01 00:00", "01-02 00:00"]),
        ("@weekly", ["01-06 00:00", "01-13 00:00"]),
        ("@monthly", ["01-01 00:00", "02-01 00:00"]),
        ("@yearly", ["01-01 00:00", "01-01 00:00"]),
        ("@Annually", ["01-01 00:00", "01-01 00:00"]),
        ("  0\t12   *  * * \n", ["01-01 12:00", "01-02 12:00"]),
    ],
)  # fmt: skip
def test_a_line_names_its_starts(sql: Sql, line: str, expected: list[str]) -> None:
    found = _starts(sql, line, "2030-01-01", len(expected))
    assert _minutes(found) == expected
    assert found == sorted(set(found))


def test_a_day_has_to_match_one_field_if_both_name_days_and_both_if_one_begins_with_a_star(
    sql: Sql,
) -> None:
    assert _minutes(_starts(sql, "0 0 13 * fri", "2030-09-01", 4)) == [
        "09-06 00:00", "09-13 00:00", "09-20 00:00", "09-27 00:00",
    ]  # fmt: skip
    assert _minutes(_starts(sql, "0 0 2 * fri", "2030-09-01", 2)) == ["09-02 00:00", "09-06 00:00"]
    assert _minutes(_starts(sql, "0 0 */2 * fri", "2030-09-01", 2)) == [
        "09-13 00:00", "09-27 00:00",
    ]  # fmt: skip
    assert _minutes(_starts(sql, "0 0 13 * */5", "2030-01-01", 2)) == ["01-13 00:00", "09-13 00:00"]


def _nearest_weekday(year: int, month: int, day: int) -> date | None:
    """By trying: the weekday of the month with the smallest distance."""
    last = calendar.monthrange(year, month)[1]
    if day > last:
        return None
    weekdays = [
        date(year, month, other)
        for other in range(1, last + 1)
        if date(year, month, other).weekday() < 5
    ]
    return min(weekdays, key=lambda found: abs((found - date(year, month, day)).days))


@pytest.mark.parametrize("day", [1, 2, 15, 28, 29, 30, 31])
def test_w_is_the_weekday_nearest_to_a_day_within_its_month(sql: Sql, day: int) -> None:
    months = [(year, month) for year in range(2028, 2035) for month in range(1, 13)]
    expected = [_nearest_weekday(year, month, day) for year, month in months]
    wanted = [day for day in expected if day]
    found = _starts(sql, f"0 0 {day}W * *", "2028-01-01", len(wanted))
    assert [time.date() for time in found] == wanted


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "cron '' has 1 fields, not five"),
        ("* * * *", "cron '* * * *' has 4 fields, not five"),
        ("0 0 * * * *", "cron '0 0 * * * *' has 6 fields, not five"),
        ("@reboot", "cron '@reboot' has 1 fields, not five"),
        ("60 * * * *", "minute '60' of cron '60 * * * *' is not between 0 and 59"),
        ("-1 * * * *", "minute '-1' of cron '-1 * * * *' is not understood"),
        (
            "*/0 * * * *",
            "minute '*/0' of cron '*/0 * * * *' has a step that is not between 1 and 60",
        ),
        ("*/90 * * * *", "minute '*/90' of cron '*/90 * * * *' has a step that is not between"),
        ("1,,2 * * * *", "minute '' of cron '1,,2 * * * *' is not understood"),
        ("1,2, * * * *", "minute '' of cron '1,2, * * * *' is not understood"),
        ("99999999999 * * * *", "minute '99999999999' of cron"),
        ("* 24 * * *", "hour '24' of cron '* 24 * * *' is not between 0 and 23"),
        ("* 9-5 * * *", "hour '9-5' of cron '* 9-5 * * *' goes backwards"),
        ("* nine * * *", "hour 'nine' of cron '* nine * * *' is not understood"),
        ("* * 0 * *", "day of month '0' of cron '* * 0 * *' is not between 1 and 31"),
        ("* * 32 * *", "day of month '32' of cron '* * 32 * *' is not between 1 and 31"),
        ("* * 32W * *", "day of month '32w' of cron '* * 32W * *' is not understood"),
        ("* * 0W * *", "day of month '0w' of cron '* * 0W * *' is not understood"),
        ("* * ? * *", "day of month '?' of cron '* * ? * *' is not understood"),
        ("* * * 13 *", "month '13' of cron '* * * 13 *' is not between 1 and 12"),
        ("* * * foo *", "month 'foo' of cron '* * * foo *' is not understood"),
        ("* * * L *", "month 'l' of cron '* * * L *' is not understood"),
        ("* * * * 8", "day of week '8' of cron '* * * * 8' is not between 0 and 7"),
        ("* * * * sat-mon", "day of week '6-1' of cron '* * * * sat-mon' goes backwards"),
        ("* * * * 1#6", "day of week '1#6' of cron '* * * * 1#6' is not understood"),
        ("* * * * 1#0", "day of week '1#0' of cron '* * * * 1#0' is not understood"),
        ("* * * * L", "day of week 'l' of cron '* * * * L' is not understood"),
    ],
)
def test_a_line_that_makes_no_sense_is_refused_at_the_statement(
    sql: Sql, line: str, message: str
) -> None:
    for statement in (
        "INSERT INTO long_task.task (cron) VALUES (%s)",
        "SELECT long_task.schedule_preview(%s)",
    ):
        refusal = sql.refusal(statement, line)
        assert refusal.code == "LT007"
        assert refusal.message.startswith(message)


@pytest.mark.parametrize("line", ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "* * 31W feb *"])
def test_a_line_whose_time_never_comes_is_refused(sql: Sql, line: str) -> None:
    refusal = sql.refusal("INSERT INTO long_task.task (cron) VALUES (%s)", line)
    assert (refusal.code, refusal.message) == ("LT007", f"the time of cron '{line}' never comes")


def test_a_day_that_is_rare_is_found(sql: Sql) -> None:
    # A 29 February that is a Friday, and the leap day that 2100 does not have.
    assert [str(time.date()) for time in _starts(sql, "0 0 * 2 5#5", "2030-01-01", 2)] == [
        "2036-02-29", "2064-02-29",
    ]  # fmt: skip
    assert [str(time.date()) for time in _starts(sql, "0 0 29 2 *", "2095-01-01", 2)] == [
        "2096-02-29", "2104-02-29",
    ]  # fmt: skip


def test_there_is_an_end_of_time(sql: Sql) -> None:
    assert len(_starts(sql, "0 0 1 1 *", "9998-06-01", 10)) == 1


def test_a_step_past_the_last_minute_begins_anew_at_the_hour(sql: Sql) -> None:
    assert _minutes(_starts(sql, "*/35 * * * *", "2030-01-01", 4)) == [
        "01-01 00:00", "01-01 00:35", "01-01 01:00", "01-01 01:35",
    ]  # fmt: skip


def test_a_start_at_the_very_time_counts_for_a_preview(sql: Sql) -> None:
    assert _starts(sql, "30 12 * * *", "2030-01-01 12:30")[0].day == 1
    assert _starts(sql, "30 12 * * *", "2030-01-01 12:30:00.000001")[0].day == 2


@pytest.mark.parametrize(
    ("zone", "line", "start", "expected"),
    [
        # Clocks are set forward from 02:00 to 03:00: at 01:00 UTC in Berlin, at 07:00 in New York.
        ("Europe/Berlin", "30 2 * * *", "2030-03-30 12:00", ["03-31 01:00", "04-01 00:30"]),
        ("America/New_York", "30 2 * * *", "2030-03-09 12:00", ["03-10 07:00", "03-11 06:30"]),
        ("Europe/Berlin", "0,30 2 * * *", "2030-03-30 12:00", ["03-31 01:00", "04-01 00:00"]),
        ("Europe/Berlin", "30 * * * *", "2030-03-31 00:00", ["03-31 00:30", "03-31 01:30"]),
        ("Europe/Berlin", "30 */2 * * *", "2030-03-30 23:00", ["03-30 23:30", "03-31 02:30"]),
        # And back from 03:00 to 02:00: at 01:00 UTC in Berlin, at 06:00 in New York.
        ("Europe/Berlin", "30 2 * * *", "2030-10-26 12:00", ["10-27 00:30", "10-28 01:30"]),
        ("America/New_York", "30 1 * * *", "2030-11-02 12:00", ["11-03 05:30", "11-04 06:30"]),
        ("Europe/Berlin", "30 * * * *", "2030-10-27 00:00", ["10-27 00:30", "10-27 01:30"]),
        ("Europe/Berlin", "30 */2 * * *", "2030-10-27 00:00", ["10-27 00:30", "10-27 01:30"]),
        # By half an hour: forward from 02:00 at 15:30 UTC, back from 02:00 at 15:00 UTC.
        ("Australia/Lord_Howe", "15 2 * * *", "2030-10-05 12:00", ["10-05 15:30", "10-06 15:15"]),
        ("Australia/Lord_Howe", "45 1 * * *", "2030-04-06 12:00", ["04-06 14:45", "04-07 15:15"]),
        (
            "Australia/Lord_Howe", "*/30 * * * *", "2030-04-06 14:20",
            ["04-06 14:30", "04-06 15:00", "04-06 15:30"],
        ),
        # 30 December 2011 did not come: its nine o'clock is the first moment of the 31st.
        (
            "Pacific/Apia", "0 9 * * *", "2011-12-29 12:00",
            ["12-29 19:00", "12-30 10:00", "12-30 19:00"],
        ),
        ("Pacific/Apia", "0 */12 * * *", "2011-12-29 21:00", ["12-29 22:00", "12-30 10:00"]),
        # Ramadan: clocks back from 03:00 to 02:00 at 02:00 UTC, forward again at 02:00 UTC.
        ("Africa/Casablanca", "30 2 * * *", "2024-03-09 12:00", ["03-10 01:30", "03-11 02:30"]),
        ("Africa/Casablanca", "30 2 * * *", "2024-04-13 12:00", ["04-14 02:00", "04-15 01:30"]),
        ("Asia/Kathmandu", "0 6 * * *", "2030-01-01", ["01-01 00:15", "01-02 00:15"]),
    ],
)  # fmt: skip
def test_a_change_of_clocks(
    sql: Sql, zone: str, line: str, start: str, expected: list[str]
) -> None:
    assert _minutes(_starts(sql, line, start, len(expected), zone)) == expected


def test_a_year_of_a_daily_line_has_one_start_for_each_day(sql: Sql) -> None:
    for zone in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"):
        found = _starts(sql, "30 2 * * *", "2030-01-01 12:00", 365, zone)
        gaps = {after - before for before, after in zip(found, found[1:], strict=False)}
        assert gaps <= {
            timedelta(hours=24) + timedelta(minutes=m) for m in (-60, -30, -15, 0, 15, 30, 60)
        }
        assert max(found) - min(found) == timedelta(days=364)


def test_a_year_of_an_hourly_line_has_a_start_each_hour(sql: Sql) -> None:
    for zone in ("Europe/Berlin", "America/New_York", "Africa/Casablanca", "Pacific/Apia"):
        found = _starts(sql, "0 * * * *", "2011-06-01", 8760, zone)
        gaps = {after - before for before, after in zip(found, found[1:], strict=False)}
        assert gaps == {timedelta(hours=1)}


def test_the_time_zone_of_the_session_does_not_matter(sql: Sql, stopped: Clock) -> None:
    sql.run("SET LOCAL timezone = 'America/New_York'")
    assert _minutes(_starts(sql, "30 2 * * *", "2030-03-08 12:00", 3)) == [
        "03-09 02:30", "03-10 02:30", "03-11 02:30",
    ]  # fmt: skip
    assert _minutes(_starts(sql, "30 2 * * *", "2030-03-30 12:00", 2, "Europe/Berlin")) == [
        "03-31 01:00", "04-01 00:30",
    ]  # fmt: skip
