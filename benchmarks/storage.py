"""Storage parameters of ``task``: how full its pages are packed, how often it is vacuumed.

A client makes the calls of a node that starts nothing: it claims, and reports what it has claimed
before. So the database is measured, and nothing else.
"""

import json
import time
from collections.abc import Iterator
from statistics import median
from typing import Any, NamedTuple

import psutil

from benchmarks.lab import Lab
from benchmarks.report import Result

PACKING, VACUUMING = "packing", "vacuuming"
_BATCH = 16
_PACKED = (100, 90, 80, 70, 50)
_SHARES = (0.01, 0.05, 0.2)
"""Of the table that has to be dead before autovacuum begins."""
_PACE = 1500
"""Tasks a second: what a busy node ends."""


class Counted(NamedTuple):
    """What the server has counted of long_task.task."""

    updated: int
    hot: int
    bytes: int
    wal: int
    vacuums: int


def packing(lab: Lab, *, small: bool) -> Iterator[Result]:
    """The fill factors by turns; each task reports its progress twice between claim and end."""
    count, rounds = (200, 1) if small else (40_000, 3)
    factors = _PACKED[:2] if small else _PACKED
    rates: dict[int, list[float]] = {factor: [] for factor in factors}
    grown: dict[int, Counted] = {}
    for number in range(rounds):
        for factor in factors:
            with lab.beside(f"packed_{factor}_{number}") as own:
                own.ask(f"ALTER TABLE long_task.task SET (fillfactor = {factor})")
                _fill(own, count)
                client = _Client(own)
                before = _count(own)
                took = client.work(count, progress=2)
                rates[factor].append(count / sum(took))
                after = _count(own)
                grown[factor] = Counted(*(b - a for a, b in zip(before, after, strict=True)))
                size = after.bytes
            if number == rounds - 1:
                found, name = grown[factor], f"fillfactor {factor}"
                yield Result(PACKING, f"{name}: tasks", median(rates[factor]), "/s")
                yield Result(PACKING, f"{name}: HOT updates", found.hot / found.updated, "")
                yield Result(PACKING, f"{name}: size at the end", size / count, "B each")
                yield Result(PACKING, f"{name}: WAL", found.wal / count, "B each")


def vacuuming(lab: Lab, *, small: bool) -> Iterator[Result]:
    """Claims from a long queue at the pace of a node, while dead rows gather in its indexes."""
    yield from vacuumed(lab, *((20_000, 3, _PACE, 5) if small else (2_000_000, 35, _PACE, 30)))


def vacuumed(lab: Lab, count: int, seconds: float, pace: float, naptime: int) -> Iterator[Result]:
    """The shares by turns, each after a VACUUM, on one queue of so many tasks."""
    before = lab.ask("SHOW autovacuum_naptime")
    lab.ask(f"ALTER SYSTEM SET autovacuum_naptime = '{naptime}s'")
    lab.ask("SELECT pg_reload_conf()")
    with lab.beside("vacuumed") as own:
        _fill(own, count)
        own.ask("VACUUM (ANALYZE, FREEZE) long_task.task")
        client = _Client(own)
        for share in _SHARES:
            own.ask("VACUUM long_task.task")
            own.ask("CHECKPOINT")
            own.ask(f"ALTER TABLE long_task.task SET (autovacuum_vacuum_scale_factor = {share})")
            yield from _watched(own, client, f"vacuumed at {100 * share:.0f} %", seconds, pace)
    lab.ask(f"ALTER SYSTEM SET autovacuum_naptime = '{before}'")
    lab.ask("SELECT pg_reload_conf()")


def _watched(
    lab: Lab, client: "_Client", name: str, seconds: float, pace: float
) -> Iterator[Result]:
    before, busy = _count(lab), _cpu(lab)
    took = client.work(2**31, seconds=seconds, pace=pace)
    after, busy = _count(lab), _cpu(lab) - busy
    done = _BATCH * len(took)
    late = sorted(took[-len(took) // 4 :])
    yield Result(VACUUMING, f"{name}: tasks", done / sum(took), "/s")
    for part in (0.5, 0.99):
        call = f"{name}: last quarter of calls, p{100 * part:.0f}"
        yield Result(VACUUMING, call, 1000 * late[int(len(late) * part)], "ms")
    yield Result(VACUUMING, f"{name}: CPU of the server", 1e6 * busy / done, "us each")
    yield Result(VACUUMING, f"{name}: vacuums", after.vacuums - before.vacuums, "")
    yield Result(VACUUMING, f"{name}: WAL", (after.wal - before.wal) / done, "B each")


def _cpu(lab: Lab) -> float:
    """Seconds that all processes of the server have taken, those included that have ended."""
    server = psutil.Process(lab.connection.info.backend_pid).parent()
    if server is None:
        raise RuntimeError("the server has no process")
    taken = sum(server.cpu_times()[:4])
    return taken + sum(sum(child.cpu_times()[:2]) for child in server.children())


class _Client:
    """A node of worker 1 in group 0, as the database sees it."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._epoch = lab.ask(
            "SELECT epoch FROM"
            " long_task.lock_worker(1, 0, %s, 'storage', 'here', 1, 'p', 1, '1', 3600, 5)",
            _BATCH,
        )

    def work(
        self, count: int, *, progress: int = 0, seconds: float = 1e9, pace: float = 1e9
    ) -> list[float]:
        """Until so many have ended, or so long, at most ``pace`` a second; seconds of each call."""
        took: list[float] = []
        reports: list[dict[str, Any]] = []
        began = time.perf_counter()
        while len(took) * _BATCH < count and time.perf_counter() - began < seconds:
            time.sleep(max(0, began + len(took) * _BATCH / pace - time.perf_counter()))
            asked = time.perf_counter()
            answer = self._lab.ask(
                "SELECT long_task.sync(1, %s, 1, %s, %s, 0)",
                self._epoch,
                json.dumps(reports) if reports else None,
                _BATCH,
            )
            took.append(time.perf_counter() - asked)
            reports = [_report(order) for order in answer["start"] or ()]
            for step in range(progress):
                self._lab.ask(
                    "UPDATE long_task.task SET progress = %s WHERE id = ANY (%s)",
                    step / progress,
                    [report["task_id"] for report in reports],
                )
        return took


def _report(order: dict[str, Any]) -> dict[str, Any]:
    return {
        "task_id": order["task_id"],
        "attempt": order["attempt"],
        "pid": 1,
        "exit_code": 0,
        "core_dumped": False,
        "started_ago": 0.002,
        "ended_ago": 0.001,
        "user_seconds": 0.001,
        "system_seconds": 0.001,
        "peak_memory": 1000000,
        "output": "hello",
    }


def _fill(lab: Lab, count: int) -> None:
    lab.ask("SET session_replication_role = replica")
    lab.ask(
        "INSERT INTO long_task.task (state_id, command)"
        " SELECT 'AW', '{/bin/true}' FROM generate_series(1, %s)",
        count,
    )
    lab.ask("RESET session_replication_role")


def _count(lab: Lab) -> Counted:
    lab.ask("SELECT pg_stat_force_next_flush()")
    with lab.connect() as other, other.cursor() as cursor:
        cursor.execute(
            "SELECT n_tup_upd, n_tup_hot_upd, pg_relation_size(relid),"
            " pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint, autovacuum_count"
            " FROM pg_stat_user_tables WHERE relid = 'long_task.task'::regclass"
        )
        row = cursor.fetchone()
    if row is None:
        raise RuntimeError("nothing is known of long_task.task")
    return Counted(*row)
