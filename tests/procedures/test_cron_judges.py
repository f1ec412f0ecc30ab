"""Cron lines start when independent judges say so: two libraries, wherever those follow the same
rule, and a look at each single minute.

Where they do not, each difference is a test: what the library says, what we say, and why.
"""

from collections import Counter
from datetime import datetime, timedelta, timezone
from random import Random

import pytest

from tests.procedures.acting import Sql
from tests.procedures.judges import (
    Case,
    by_croniter,
    by_cronsim,
    by_every_minute,
    croniter_agrees,
    cronsim_agrees,
    minutes_agree,
    random_case,
)

CASES = 3_000
JUDGES = (
    ("cronsim", cronsim_agrees, by_cronsim),
    ("croniter", croniter_agrees, by_croniter),
    ("each minute", minutes_agree, by_every_minute),
)


def _ours(sql: Sql, cases: list[Case]) -> list[datetime | None]:
    lines, zones, times = zip(*cases, strict=True)
    found = sql.values(
        "SELECT long_task.cron_time_after(long_task.parse_cron(c.line), c.zone, c.after)"
        " FROM unnest(%s::text[], %s::text[], %s::timestamptz[]) WITH ORDINALITY"
        " AS c (line, zone, after, place) ORDER BY c.place",
        list(lines), list(zones), list(times),
    )  # fmt: skip
    return [None if time is None else time.astimezone(timezone.utc) for time in found]


# On the two versions together more than 20 000 lines.
@pytest.mark.parametrize("seed", range(4))
def test_the_judges_find_the_same_start(sql: Sql, seed: int) -> None:
    random = Random(seed)
    cases = [random_case(random) for _ in range(CASES)]
    judged: Counter[str] = Counter()
    for case, found in zip(cases, _ours(sql, cases), strict=True):
        for name, agrees, judge in JUDGES:
            if agrees(case, found):
                judged[name] += 1
                assert found == judge(case), (name, case)
    assert judged["cronsim"] > 0.6 * CASES
    assert judged["croniter"] > 0.15 * CASES
    assert judged["each minute"] > 0.05 * CASES
    assert judged.total() > CASES, judged


def _case(line: str, after: str, zone: str = "Europe/Berlin") -> Case:
    return Case(line, zone, datetime.fromisoformat(f"{after}+00:00"))


def _times(*times: str) -> list[datetime]:
    return [datetime.fromisoformat(f"{time}+00:00") for time in times]


def _series(sql: Sql, case: Case, count: int) -> list[datetime]:
    found = sql.values(
        "SELECT * FROM long_task.schedule_preview(%s, %s, %s, %s)",
        case.line, case.zone, case.after + timedelta(microseconds=1), count,
    )  # fmt: skip
    return [time.astimezone(timezone.utc) for time in found]


def test_cronsim_takes_a_star_in_the_minutes_for_elapsed_time(sql: Sql) -> None:
    """Debian does so too. We look at the hours alone: a named hour comes once a day."""
    back = _case("*/20 2 * * *", "2030-10-27 00:50")  # the second 02:00 is at 01:00
    assert by_cronsim(back) == _times("2030-10-27 01:00")[0]
    assert _series(sql, back, 1) == _times("2030-10-28 01:00")
    forward = _case("*/20 2 * * *", "2030-03-30 12:00")  # there is no 02:00
    assert by_cronsim(forward) == _times("2030-04-01 00:00")[0]
    assert _series(sql, forward, 2) == _times("2030-03-31 01:00", "2030-04-01 00:00")


def test_cronsim_takes_a_step_within_a_range_of_hours_for_fixed_times(sql: Sql) -> None:
    """As Debian does, which looks at the first character. We take every second hour at its word."""
    case = _case("30 0-22/2 * * *", "2030-10-27 00:30")
    assert by_cronsim(case) == _times("2030-10-27 03:30")[0]
    assert _series(sql, case, 2) == _times("2030-10-27 01:30", "2030-10-27 03:30")


def test_cronsim_gives_a_time_before_the_one_it_is_asked_about(sql: Sql) -> None:
    """Asked in the second of two equal hours about a fixed time, it names the first. We go on."""
    case = _case("30 2 * * *", "2030-10-27 01:15")
    assert by_cronsim(case) == _times("2030-10-27 00:30")[0]
    assert _series(sql, case, 1) == _times("2030-10-28 01:30")


def test_croniter_starts_a_fixed_time_twice_when_it_comes_twice(sql: Sql) -> None:
    """Debian's cron and we start it once."""
    case = _case("30 2 * * *", "2030-10-27 00:30")
    assert by_croniter(case) == _times("2030-10-27 01:30")[0]
    assert _series(sql, case, 1) == _times("2030-10-28 01:30")


def test_croniter_makes_up_for_a_step_that_is_left_out(sql: Sql) -> None:
    """Debian's cron and we do not: the next one is two hours away at most."""
    case = _case("30 */2 * * *", "2030-03-30 23:30")
    assert by_croniter(case) == _times("2030-03-31 01:00")[0]
    assert _series(sql, case, 1) == _times("2030-03-31 02:30")


def test_croniter_takes_a_star_with_a_step_for_a_list_of_days(sql: Sql) -> None:
    """crontab(5): a field that begins with * restricts together with the other one."""
    case = _case("0 0 */10 * mon", "2030-01-01 12:00", "UTC")
    assert by_croniter(case) == _times("2030-01-07 00:00")[0]
    assert _series(sql, case, 1) == _times("2030-01-21 00:00")


def test_croniter_takes_a_range_of_one_value_for_all_values(sql: Sql) -> None:
    """A flaw of it."""
    case = _case("0 5-5 * * *", "2030-01-01 12:00", "UTC")
    assert by_croniter(case) == _times("2030-01-01 13:00")[0]
    assert _series(sql, case, 1) == _times("2030-01-02 05:00")


def test_cronsim_starts_at_an_hour_that_is_not_named_when_midnight_is_left_out(sql: Sql) -> None:
    """A flaw of it: at 01:00, though the line names 00 and 19 o'clock."""
    case = _case("* */19 15 10 *", "2017-10-14 12:00", "America/Sao_Paulo")
    assert by_cronsim(case) == _times("2017-10-15 03:00")[0]
    assert _series(sql, case, 1) == _times("2017-10-15 21:00")


def test_cronsim_loses_minutes_when_clocks_are_set_back_by_half_an_hour(sql: Sql) -> None:
    """A flaw of it: it names 15:30, though 15:27 comes before."""
    case = _case("27-38 */15 * * *", "1999-03-27 13:39", "Australia/Lord_Howe")
    assert by_cronsim(case) == _times("1999-03-28 05:00")[0]
    assert _series(sql, case, 1) == _times("1999-03-28 04:57")
