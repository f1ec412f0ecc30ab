"""Large fleets: what a thousand idle nodes cost the server, whom an insert wakes, who gets in whose way."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.crowd import Crowd, Member
from benchmarks.lab import Lab
from benchmarks.report import Result, at_least, at_most, say

NAME = "fleet"
_FIRST = 1000
"""The workers' ids begin here."""


def run(lab: Lab, *, small: bool) -> Iterator[Result]:
    """Idle nodes, then the same nodes when something is inserted, then nodes that race."""
    idle, seconds, tasks, rounds = (60, 12.0, 2_000, 2) if small else (1_000, 45.0, 20_000, 5)
    with lab.with_connections(idle + 50):
        yield from _idle(lab, idle, seconds)
        yield from _woken(lab, idle, 5)
        yield from _racing(lab, tasks, rounds)
    lab.empty()


def _idle(lab: Lab, count: int, seconds: float) -> Iterator[Result]:
    with crowd(lab, count, slots=4) as nodes:
        nodes.run(12.0)  # the first renewal of each
        say(f"  watching {count} idle nodes for {seconds:.0f} s")
        server = int(lab.ask("SELECT pg_postmaster_pid FROM (SELECT 1) AS one,"
                             " LATERAL (SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)"
                             " AS pg_postmaster_pid) AS p"))
        before, syncs = _cpu(server), nodes.syncs
        took = nodes.run(seconds)
        share = (_cpu(server) - before) / took
        calls = (nodes.syncs - syncs) / took
        yield Result(NAME, f"{count} idle nodes: calls", calls, "/s")
        yield Result(NAME, f"{count} idle nodes: the server's share of one core", share * 100, "%", at_most(5.0))
        yield Result(NAME, "  of which each call", share / calls * 1e6, "us")


def _woken(lab: Lab, count: int, rounds: int) -> Iterator[Result]:
    """Calls within a second of an INSERT beside those of any other second."""
    for some in (20, count):
        with crowd(lab, some, slots=1) as nodes:
            extra: list[float] = []
            for _ in range(rounds):
                idle = -nodes.syncs
                nodes.run(2.0)
                idle += nodes.syncs
                woken = -nodes.syncs
                _insert(lab, 1)
                nodes.run(2.0)
                woken += nodes.syncs
                extra.append(woken - idle)
            yield Result(NAME, f"{some} idle nodes with 1 slot: calls after one INSERT", median(extra), "", at_most(5))


def _racing(lab: Lab, tasks: int, rounds: int) -> Iterator[Result]:
    rates: dict[int, list[float]] = {4: [], 100: []}
    for _ in range(rounds):
        for count, found in rates.items():
            lab.empty()
            with crowd(lab, count, slots=4, group_id=_UNSERVED) as nodes:
                pass
    yield Result(NAME, "TODO", 0, "")


_UNSERVED = 98


@contextmanager
def crowd(lab: Lab, count: int, slots: int, group_id: int = 0) -> Iterator[Crowd]:
    """So many nodes that serve; their workers are gone afterwards."""
    nodes = Crowd()
    try:
        nodes.add(Member(lab.dsn, _FIRST + number, group_id, slots) for number in range(count))
        yield nodes
    finally:
        nodes.close()
        lab.ask("DELETE FROM long_task.worker_lease WHERE worker_id >= %s", _FIRST)


def _insert(lab: Lab, count: int) -> None:
    lab.ask(
        "INSERT INTO long_task.task (state_id, group_id, command)"
        " SELECT 'AW', 0, '{/bin/true}' FROM generate_series(1, %s)",
        count,
    )


def _cpu(server: int) -> float:
    """Seconds that the server's processes have been on a processor, to the nanosecond."""
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    total = 0
    for pid in [str(server), *children]:
        try:
            total += int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
        except OSError:
            continue
    return total / 1e9
