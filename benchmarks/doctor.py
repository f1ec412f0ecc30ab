"""What it takes to ask the doctor, on an empty installation and on a large one."""

import time
from collections.abc import Iterator
from statistics import median

from benchmarks.lab import Lab
from benchmarks.report import Result, at_most

NAME = "doctor"
_CROWD = {
    "waiting in 1 000 groups": ("state_id, group_id", "'AW', n % 1000", 4),
    "ended": ("state_id, attempt, finished", "'CS', 1, now()", 4),
    "delayed": ("state_id, start_after", "'AD', now() + interval '1 day'", 1),
    "pinned to 1 000 workers": ("state_id, worker_id", "'AW', n % 1000", 1),
    "running on 100 workers": (
        "state_id, running_on, attempt, started",
        "'AE', n % 100, 1, now()",
        0.1,
    ),
}
"""Columns, values, and how many times the number that is asked for."""


def run(lab: Lab, *, small: bool) -> Iterator[Result]:
    """Rows are written without triggers; nobody serves them, so that much is found."""
    count = 1_000 if small else 500_000
    with lab.beside("examined") as own:
        before = _milliseconds(own)
        own.ask("SET session_replication_role = replica")
        for columns, values, times in _CROWD.values():
            own.ask(
                f"INSERT INTO long_task.task (command, {columns})"
                f" SELECT '{{/bin/true}}', {values} FROM generate_series(1, {int(count * times)}) n"
            )
        own.ask(
            "INSERT INTO long_task.task_dependency (task_id, needs_task_id, met)"
            " SELECT n, n + 1, CASE WHEN mod(n, 2) = 1 THEN true END"
            " FROM generate_series(1, %s) AS n",
            count,
        )
        own.ask("VACUUM ANALYZE long_task.task, long_task.task_dependency")
        rows = own.ask("SELECT count(*) FROM long_task.task")
        found = own.ask("SELECT count(*) FROM long_task.doctor()")
        after = _milliseconds(own)
        yield Result(NAME, "on an empty installation", before, "ms")
        yield Result(NAME, "tasks of the large one", rows, "")
        yield Result(NAME, "on it, nothing of it served", after, "ms", at_most(1000))
        yield Result(NAME, "findings there", found, "")


def _milliseconds(lab: Lab) -> float:
    took: list[float] = []
    for _ in range(9):
        began = time.perf_counter()
        lab.ask("SELECT count(*) FROM long_task.doctor()")
        took.append(1000 * (time.perf_counter() - began))
    return median(took)
