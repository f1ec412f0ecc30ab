"""People's side: what the triggers cost those who insert tasks."""

import re
import time
from collections.abc import Iterator
from statistics import median

from benchmarks.fleet import crowd
from benchmarks.lab import Lab
from benchmarks.report import Result, Target, at_least, at_most

NAME = "people"
_WITHOUT = "-c session_replication_role=replica"
"""The server setting that leaves out ordinary triggers."""
_SESSIONS = 16
_UNSERVED = 99
"""A group without a node, so that nobody starts what is inserted."""
_SERVED = 0


def run(lab: Lab, *, small: bool) -> Iterator[Result]:
    """Each way with its triggers and without, by turns."""
    count, seconds, rounds = (2_000, 1, 1) if small else (1_000_000, 3, 4)
    yield from _one_statement(lab, count, 2)
    with crowd(lab, 20, slots=4):
        yield from _many_sessions(lab, "20 idle nodes listen", _UNSERVED, seconds, rounds)
    with lab.node(4):
        yield from _many_sessions(lab, "a node runs them", _SERVED, seconds, rounds)
    lab.empty()


def _one_statement(lab: Lab, count: int, rounds: int) -> Iterator[Result]:
    plain: list[float] = []
    triggered: list[float] = []
    turns = [("replica", plain), ("origin", triggered)]
    for _ in range(rounds):
        turns.reverse()
        for role, times in turns:
            lab.empty()
            lab.ask("CHECKPOINT")
            lab.ask(f"SET session_replication_role = {role}")
            began = time.perf_counter()
            lab.ask(
                "INSERT INTO long_task.task (state_id, group_id, command)"
                " SELECT 'AW', %s, '{/bin/true}' FROM generate_series(1, %s)",
                _UNSERVED,
                count,
            )
            times.append(time.perf_counter() - began)
    lab.ask("RESET session_replication_role")
    lab.empty()
    name = f"{count} rows in one INSERT"
    yield from _compared(name, "s", triggered, plain, at_most(1.5))


def _many_sessions(
    lab: Lab, beside: str, group_id: int, seconds: int, rounds: int
) -> Iterator[Result]:
    script = lab.directory / "insert.sql"
    script.write_text(
        "INSERT INTO long_task.task (state_id, group_id, command)"
        f" VALUES ('AW', {group_id}, '{{/bin/sleep,0.2}}');\n"
    )
    words = ["-n", "-f", str(script), f"-c{_SESSIONS}", "-j2", f"-T{seconds}"]
    plain: list[float] = []
    triggered: list[float] = []
    for _ in range(rounds):
        for options, rates in ((_WITHOUT, plain), ("", triggered)):
            lab.empty()
            said = lab.pgbench(*words, options=options)
            found = re.search(r"tps = ([\d.]+)", said)
            rates.append(float(found[1]) if found else 0.0)
    name = f"{_SESSIONS} sessions, {beside}"
    yield from _compared(name, "/s", triggered, plain, at_least(0.7))


def _compared(
    name: str, unit: str, triggered: list[float], plain: list[float], target: Target
) -> Iterator[Result]:
    ratio = median(ours / theirs for ours, theirs in zip(triggered, plain, strict=True))
    yield Result(NAME, f"{name}: with the triggers", median(triggered), unit)
    yield Result(NAME, "  without", median(plain), unit)
    yield Result(NAME, "  ratio", ratio, "x", target)
