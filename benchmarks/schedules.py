"""Schedules: how late a start is, what many at once take, what those cost that are not due."""

import random
import time
from collections.abc import Iterator
from contextlib import closing
from statistics import median
from typing import NamedTuple

from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks import probe
from benchmarks.idle import LOGGED, RENEWAL, watch
from benchmarks.lab import Lab, wait_until
from benchmarks.report import Result, Target, at_most, say

NAME = "schedules"
_FIRST, _PAUSE = 1.0, 0.05
"""Seconds until the first start, and from one to the next: the node is idle again by then."""
_AT_ONCE = 200
"""How many a node fires at once (db/procedures/sync.sql); it calls again until nothing is due."""
_UNSERVED = 99
"""A group without a node, so that nobody starts what is inserted."""
_CRON_LINE = "*/5 2-4 * * *"
_SYNC = "SELECT long_task.sync(1, %s, 1, NULL, 4, 0)"


class Kind(NamedTuple):
    """A way to have many starts at once."""

    name: str
    columns: str
    values: str
    target: Target | None = at_most(1)


_TO_THE_SECOND = "date_trunc('second', now())"
_KINDS = (
    Kind("ended tasks", "next_start, shed_period_id", f"{_TO_THE_SECOND}, 'HOU'"),
    Kind("templates", "shed_clone, next_start, shed_period_id", f"true, {_TO_THE_SECOND}, 'HOU'"),
    # A cron line begins with a full minute: the present one.
    Kind(
        "cron lines of ended tasks",
        "next_start, cron, time_zone",
        "date_trunc('minute', now()), '* * * * *', 'Europe/Berlin'",
    ),
    Kind(
        "cron lines of templates",
        "shed_clone, next_start, cron, time_zone",
        "true, date_trunc('minute', now()), '* * * * *', 'Europe/Berlin'",
    ),
    Kind(
        "cron lines of templates, missed for a day,",
        "shed_clone, next_start, cron, time_zone",
        "true, date_trunc('minute', now()) - interval '1 day', '* * * * *', 'Europe/Berlin'",
        None,
    ),
)


def run(lab: Lab, *, small: bool) -> Iterator[Result]:
    """On a node, by single calls of its procedure, then beside a database without schedules."""
    lateness, due, rounds, not_due, calls, seconds = (
        (10, 300, 1, 1_000, 20, 0.2 * RENEWAL)
        if small
        else (300, 10_000, 5, 100_000, 1000, 3.3 * RENEWAL)
    )
    yield from _lateness(lab, lateness)
    for kind in _KINDS:
        took = median(_fire(lab, kind, due) for _ in range(rounds))
        yield Result(NAME, f"{due} {kind.name} due at once", took, "s", kind.target)
    yield from _not_due(lab, not_due, calls, seconds)
    lab.empty()


def _lateness(lab: Lab, count: int) -> Iterator[Result]:
    """Each start is of another task; all are written before the first, and then nobody asks."""
    lab.empty()
    made = probe.make(lab.directory)
    say(f"  the probe is {made.kind}")
    _add_ended(lab, count, [*made.command, "start"], group=0)
    first = lab.ask("SELECT min(id) FROM long_task.task")
    moments = random.Random(count)
    due = [
        time.time() + _FIRST + number * _PAUSE + moments.uniform(0, _PAUSE / 2)
        for number in range(count)
    ]
    with lab.node(4):
        lab.ask(
            "UPDATE long_task.task AS t SET next_start = to_timestamp(d.due)"
            " FROM unnest(%s) WITH ORDINALITY AS d(due, place) WHERE t.id = %s + d.place - 1",
            due,
            first,
        )
        time.sleep(due[-1] - time.time())
        scheduled = "SELECT count(*) FROM long_task.task_run"
        wait_until(lambda: lab.ask(scheduled) == count, pause=0.1)
    # From the clock of next_start to the one that the probe prints.
    apart = made.clock() - time.time()
    outputs = lab.ask("SELECT array_agg(output::float8 ORDER BY id) FROM long_task.task")
    late = sorted(said - apart - at for said, at in zip(outputs, due, strict=True))
    name = "next_start -> first instruction"
    yield Result(NAME, f"{name}, p50", late[count // 2] * 1000, "ms")
    yield Result(NAME, f"{name}, p99", late[count * 99 // 100] * 1000, "ms", at_most(50))
    yield Result(NAME, f"{name}, worst", late[-1] * 1000, "ms")


def _fire(lab: Lab, kind: Kind, due: int) -> float:
    """Seconds until all of them are started."""
    lab.empty()
    # What this session knows of the round before (procedure note_gaps), whose times are the same.
    lab.ask("SELECT set_config('long_task.gaps_schedule_0', '', false)")
    if "shed_clone" in kind.columns:
        lab.ask(
            f"INSERT INTO long_task.task (state_id, group_id, command, {kind.columns})"
            f" SELECT 'DR', %s, '{{/bin/true}}', {kind.values} FROM generate_series(1, %s)",
            _UNSERVED,
            due,
        )
    else:
        _add_ended(lab, due, ["/bin/true"], group=_UNSERVED)
        lab.ask(f"UPDATE long_task.task SET ({kind.columns}) = ROW({kind.values})")
    lab.ask("VACUUM ANALYZE long_task.task")
    # A session knows what it has fired before, in the same places of the queue, and would pass by.
    with closing(lab.connect()) as connection, connection.cursor() as cursor:
        began = time.perf_counter()
        again: object = 0
        while again == 0:
            cursor.execute("SELECT long_task.fire_schedules(%s)", (_AT_ONCE,))
            ((again,),) = cursor.fetchall()
        took = time.perf_counter() - began
    started = lab.ask("SELECT count(*) FROM long_task.task WHERE state_id = 'AW'")
    # More, if a minute ended meanwhile: the lines are of each minute.
    if started < due:
        raise RuntimeError(f"{started} of {due} {kind.name} were started")
    return took


def _not_due(lab: Lab, count: int, calls: int, seconds: float) -> Iterator[Result]:
    lab.empty()
    lab.ask(
        "INSERT INTO long_task.task (state_id, command, next_start, cron, shed_period_id)"
        " SELECT 'DR', '{/bin/true}', now() + '1 day' + n * interval '1 second',"
        " CASE WHEN n %% 2 = 0 THEN %s END, CASE WHEN n %% 2 = 1 THEN 'DAY' END"
        " FROM generate_series(1, %s) AS n",
        _CRON_LINE,
        count,
    )
    lab.ask("VACUUM ANALYZE long_task.task")
    with lab.node(4, options=LOGGED) as node:
        watched = watch(lab, node, seconds)
    name = f"{count} not due, idle node"
    yield Result(NAME, f"{name}: share of one core", watched.share * 100, "%", at_most(0.2))
    yield Result(NAME, f"{name}: queries beside renewals", watched.queries, "", at_most(0))
    beside = lab.create_beside("without_schedules")
    scheduled = lab.connect()
    yield from _compared(scheduled, beside, count, calls)
    scheduled.close()
    beside.close()
    lab.ask("DELETE FROM long_task.worker_lease")  # an hour's, of this program
    lab.ask("DROP DATABASE without_schedules")


def _compared(scheduled: Connection, plain: Connection, count: int, calls: int) -> Iterator[Result]:
    """Calls by turns; the first of each connection have plans and caches to make."""
    epochs = {connection: _lease(connection) for connection in (scheduled, plain)}
    took: dict[Connection, list[float]] = {scheduled: [], plain: []}
    turns = [scheduled, plain]
    for _ in range(calls + calls // 10):
        turns.reverse()
        for connection in turns:
            with connection.cursor() as cursor:
                began = time.perf_counter()
                cursor.execute(_SYNC, (epochs[connection],))
                took[connection].append(time.perf_counter() - began)
    ours, theirs = (median(took[side][calls // 10 :]) for side in (scheduled, plain))
    yield Result(NAME, f"sync with {count} schedules not due", ours * 1000, "ms")
    yield Result(NAME, "sync without schedules", theirs * 1000, "ms")
    yield Result(NAME, "sync with to without", ours / theirs, "x", at_most(1.1))


def _lease(connection: Connection) -> int:
    """The epoch of worker 1, held by this program."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM long_task.worker_lease WHERE NOT active")
        cursor.execute(
            "SELECT epoch FROM long_task.lock_worker"
            "(1, 0, 4, 'benchmark', 'host', 1, 'benchmark', 1, '1', 3600, 3600)"
        )
        (epoch,) = cursor.fetchone() or (0,)
    return int(epoch)


def _add_ended(lab: Lab, count: int, command: list[str], group: int) -> None:
    """Tasks that were cancelled before anybody started them."""
    lab.ask(
        "INSERT INTO long_task.task (state_id, group_id, command)"
        " SELECT 'AW', %s, %s FROM generate_series(1, %s)",
        group,
        command,
        count,
    )
    lab.ask("UPDATE long_task.task SET state_id = 'AC'")
