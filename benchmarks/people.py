"""People's side: what the triggers cost those who insert tasks."""

import re
import time
from collections.abc import Iterator
from statistics import median

from benchmarks.lab import Lab
from benchmarks.report import Result

NAME = "people"
_WITHOUT = "-c session_replication_role=replica"
"""The server setting that leaves out ordinary triggers."""
_SESSIONS = 16
_UNSERVED = 99
"""A group without a node, so that nobody starts what is inserted."""


def run(lab: Lab, *, small: bool) -> Iterator[Result]:
    """Each way with its triggers and without, by turns; a node of another group listens."""
    count, seconds, rounds = (5_000, 1, 2) if small else (50_000, 3, 4)
    with lab.node(4):
        yield from _one_statement(lab, count, rounds)
        yield from _many_sessions(lab, seconds, rounds)
    lab.empty()


def _one_statement(lab: Lab, count: int, rounds: int) -> Iterator[Result]:
    plain: list[float] = []
    triggered: list[float] = []
    turns = [("replica", plain), ("origin", triggered)]
    for _ in range(rounds):
        turns.reverse()
        for role, rates in turns:
            lab.empty()
            lab.ask(f"SET session_replication_role = {role}")
            began = time.perf_counter()
            lab.ask(
                "INSERT INTO long_task.task (state_id, group_id, command)"
                " SELECT 'AW', %s, '{/bin/true}' FROM generate_series(1, %s)",
                _UNSERVED,
                count,
            )
            rates.append(count / (time.perf_counter() - began))
    yield from _compared(f"{count} rows in one INSERT", triggered, plain)


def _many_sessions(lab: Lab, seconds: int, rounds: int) -> Iterator[Result]:
    script = lab.directory / "insert.sql"
    script.write_text(
        "INSERT INTO long_task.task (state_id, group_id, command)"
        f" VALUES ('AW', {_UNSERVED}, '{{/bin/true}}');\n"
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
    yield from _compared(f"{_SESSIONS} sessions that insert single rows", triggered, plain)


def _compared(name: str, triggered: list[float], plain: list[float]) -> Iterator[Result]:
    ratio = median(ours / theirs for ours, theirs in zip(triggered, plain, strict=True))
    yield Result(NAME, f"{name}: with the triggers", median(triggered), "/s")
    yield Result(NAME, f"{name}: without", median(plain), "/s")
    yield Result(NAME, f"{name}: ratio", ratio, "x")
