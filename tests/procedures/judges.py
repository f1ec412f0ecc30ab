"""Random cron lines, zones and instants, and two independent libraries that say when they start.

Where a library follows another rule than ours, its ``agrees`` says so: test_cron_judges lists these
differences one by one.
"""

import re
from bisect import bisect_left
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from croniter import croniter
from cronsim import CronSim, CronSimError

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia",
    "Africa/Casablanca", "Asia/Kathmandu", "America/St_Johns", "America/Sao_Paulo",
    "Pacific/Chatham", "Asia/Tehran",
)  # fmt: skip
"""Half hours, quarters, a skipped day, two changes for Ramadan, changes at midnight."""

_UTC = timezone.utc
_FIRST = datetime(1996, 1, 1, tzinfo=_UTC)
_LAST = datetime(2034, 1, 1, tzinfo=_UTC)
_NEAR = timedelta(hours=26)
_FEW_DAYS = timedelta(days=2)
_LOSE_CRONSIM = {"America/St_Johns"}
"""It does not come back from a change at one minute after midnight."""
_RANGE_OF_ONE = re.compile(r"\b(\d+)-\1\b")


class Case(NamedTuple):
    """What is asked: the first start of ``line`` in ``zone`` after ``after``."""

    line: str
    zone: str
    after: datetime

    @property
    def local(self) -> datetime:
        """``after`` on the clock of the zone."""
        return self.after.astimezone(ZoneInfo(self.zone))


def random_case(random: Random) -> Case:
    """Every other one is within a day and a half of a change of clocks, if the zone has any."""
    zone = random.choice(ZONES)
    changes = _changes(zone)
    if changes and random.random() < 0.5:
        after = random.choice(changes) + timedelta(minutes=random.randint(-2000, 2000))
    else:
        after = _FIRST + random.random() * (_LAST - _FIRST)
    if random.random() < 0.7:
        after = after.replace(second=0)
    return Case(_random_line(random), zone, after.replace(microsecond=0))


def by_cronsim(case: Case) -> datetime | None:
    """The judgement of cronsim, which follows Debian's cron."""
    try:
        return next(CronSim(case.line, case.local)).astimezone(_UTC)
    except StopIteration:
        return None


def by_croniter(case: Case) -> datetime:
    """The judgement of croniter."""
    found = croniter(case.line, case.local).get_next(datetime)
    assert isinstance(found, datetime)
    return found.astimezone(_UTC)


def by_every_minute(case: Case) -> datetime | None:
    """The judgement of looking at each minute of the next days: for lines that follow elapsed time.

    What the line names is read by cronsim.
    """
    named = CronSim(case.line, case.after.replace(tzinfo=None))
    minute = case.after.replace(second=0)
    while minute < case.after + _FEW_DAYS:
        minute += timedelta(minutes=1)
        local = minute.astimezone(ZoneInfo(case.zone))
        if (
            local.minute in named.minutes
            and local.hour in named.hours
            and local.month in named.months
            and named.match_day(local.date())
        ):
            return minute
    return None


def follows_elapsed_time(case: Case) -> bool:
    """Whether the line names no fixed time of day."""
    hour = case.line.split()[1]
    return "*" in hour or "/" in hour


def cronsim_agrees(case: Case, found: datetime | None) -> bool:
    """Whether cronsim has our rule there: fixed times are others for it, and changes of clocks at
    midnight, or by half an hour, mislead it about lines that follow elapsed time."""
    try:
        CronSim(case.line, case.local)
    except CronSimError:
        return False  # a day that its months do not have, even if the other field names days too
    minute, hour, *_ = case.line.split()
    elapsed = minute.startswith("*") or hour.startswith("*")
    if _near_change(case, found):
        return not elapsed and not follows_elapsed_time(case)
    return not elapsed or case.zone not in _LOSE_CRONSIM


def minutes_agree(case: Case, found: datetime | None) -> bool:
    """Whether the start is near enough to be found by looking at each minute."""
    return follows_elapsed_time(case) and found is not None and found < case.after + _FEW_DAYS


def croniter_agrees(case: Case, found: datetime | None) -> bool:
    """Whether croniter has our rule there: away from changes of clocks, with one field for days,
    and no range such as 5-5."""
    if _RANGE_OF_ONE.search(case.line):
        return False
    _, _, days, _, weekdays = case.line.split()
    one_field = weekdays == "*" or (days == "*" and weekdays.isdigit())
    return one_field and found is not None and not _near_change(case, found)


def _near_change(case: Case, found: datetime | None) -> bool:
    return any(time is not None and _is_near(case.zone, time) for time in (case.after, found))


def _is_near(zone: str, time: datetime) -> bool:
    changes = _changes(zone)
    place = bisect_left(changes, time - _NEAR)
    return place < len(changes) and changes[place] <= time + _NEAR


@lru_cache
def _changes(zone: str) -> list[datetime]:
    """The moments at which the zone's clocks are changed."""
    found, day = [], _FIRST
    while day < _LAST:
        following = day + timedelta(days=1)
        if _offset(zone, day) != _offset(zone, following):
            before, after = day, following
            while after - before > timedelta(seconds=1):
                middle = before + (after - before) / 2
                if _offset(zone, middle) == _offset(zone, day):
                    before = middle
                else:
                    after = middle
            found.append(after.replace(second=0, microsecond=0))
        day = following
    return found


def _offset(zone: str, time: datetime) -> timedelta | None:
    return time.astimezone(ZoneInfo(zone)).utcoffset()


def _random_line(random: Random) -> str:
    days, weekdays = _field(random, 1, 31), _field(random, 0, 7)
    match random.randint(0, 9):
        case 0:
            days = "L"
        case 1:
            weekdays = f"{random.randint(0, 6)}#{random.randint(1, 5)}"
        case 2:
            weekdays = f"{random.randint(1, 6)}L"
        case 3 | 4 | 5 | 6:
            days, weekdays = random.choice(
                [("*", "*"), ("L", "*"), (str(random.randint(1, 28)), "*"), ("*", "3")]
            )
    times = f"{_field(random, 0, 59)} {_field(random, 0, 23)}"
    return f"{times} {days} {_field(random, 1, 12)} {weekdays}"


def _field(random: Random, low: int, high: int) -> str:
    one, other = sorted((random.randint(low, high), random.randint(low, high)))
    return random.choice(
        [
            "*",
            "*",
            str(one),
            str(other),
            ",".join(str(random.randint(low, high)) for _ in range(3)),
            f"{one}-{other}",
            f"*/{random.randint(1, high - low)}",
            f"{one}-{other}/{random.randint(1, other - one)}" if other > one else str(one),
        ]
    )
