"""Size: memory of node and guardian, idle and with 1 000 processes; what an idle node costs."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.idle import LOGGED, RENEWAL, watch
from benchmarks.lab import Lab, NodeProcess, wait_until
from benchmarks.report import Result, at_least, at_most

NAME = "size"


class Memory(NamedTuple):
    """Of node and guardian together, in kB. Shared pages count whole in rss, in parts in pss."""

    rss: float
    pss: float


def run(lab: Lab, *, small: bool) -> Iterator[Result]:
    """A node with as many slots as it is to run processes."""
    count, seconds = (200, 1.2 * RENEWAL) if small else (1000, 3.3 * RENEWAL)
    lab.empty()
    with lab.node(count, options=LOGGED) as node:
        time.sleep(1)
        idle = _memory(node)
        yield Result(NAME, "idle: RSS of node and guardian", idle.rss / 1024, "MB", at_most(80))
        yield Result(NAME, "idle: PSS of node and guardian", idle.pss / 1024, "MB")
        watched = watch(lab, node, seconds)
        yield Result(NAME, "idle: share of one core", watched.share * 100, "%", at_most(0.2))
        yield Result(NAME, "idle: lease renewals", watched.renewals, "")
        yield Result(NAME, "idle: queries beside the renewals", watched.queries, "", at_most(0))
        yield from _many(lab, node, count, idle)


def _many(lab: Lab, node: NodeProcess, count: int, idle: Memory) -> Iterator[Result]:
    lab.ask(
        "INSERT INTO long_task.task (state_id, command, kill_grace)"
        " SELECT 'AW', '{sleep,600}', '5 s' FROM generate_series(1, %s)",
        count,
    )
    wait_until(lambda: len(node.tasks()) == count, pause=0.2)
    time.sleep(1)
    full = _memory(node)
    yield Result(NAME, "full: processes at once", len(node.tasks()), "", at_least(count))
    yield Result(NAME, "full: RSS of node and guardian", full.rss / 1024, "MB")
    each = (full.rss - idle.rss) / count
    yield Result(NAME, "full: RSS more for each process", each, "kB", at_most(50))
    yield Result(NAME, "full: PSS more for each process", (full.pss - idle.pss) / count, "kB")
    began = time.monotonic()
    lab.ask("UPDATE long_task.task SET state_id = 'AC' WHERE state_id = 'AE'")
    active = "SELECT count(*) FROM long_task.task WHERE running_on IS NOT NULL"
    wait_until(lambda: lab.ask(active) == 0, pause=0.05)
    took = time.monotonic() - began
    yield Result(NAME, "full: all cancelled in one UPDATE, until the last is gone", took, "s")


def _memory(node: NodeProcess) -> Memory:
    rss = pss = 0
    for pid in node.pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            rss += int(value.split()[0]) if name == "Rss" else 0
            pss += int(value.split()[0]) if name == "Pss" else 0
    return Memory(rss, pss)
