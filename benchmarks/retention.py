"""Whether tidying up keeps up with a node at full rate, and what it costs that node."""

import time
from collections.abc import Iterator
from statistics import median

from benchmarks.lab import Lab, wait_until
from benchmarks.report import Result, say

NAME = "retention"
_SLOTS = 16
_ENDED = "SELECT count(*) FROM long_task.task_run"
_LEFT = "SELECT count(*) FROM long_task.task"


def run(lab: Lab, *, small: bool) -> Iterator[Result]:
    """By turns: nothing is cleared away; whatever has completed is, a second later."""
    count, rounds = (200, 1) if small else (30_000, 2)
    kept: list[float] = []
    cleared: list[float] = []
    after: list[float] = []
    for _ in range(rounds):
        kept.append(_round(lab, count)[0])
        lab.ask("INSERT INTO long_task.retention (keep_succeeded) VALUES ('1 second')")
        rate, behind = _round(lab, count, cleared=True)
        lab.ask("DELETE FROM long_task.retention")
        cleared.append(rate)
        after.append(behind)
        say(f"  {kept[-1]:.0f} a second; while ended ones go {rate:.0f}, {behind:.1f} s behind")
    lab.empty()
    pairs = [with_it / without for with_it, without in zip(cleared, kept, strict=True)]
    yield Result(NAME, "tasks a second while ended ones are cleared away", median(cleared), "/s")
    yield Result(NAME, "the same to nothing is cleared away", median(pairs), "")
    yield Result(NAME, "last end → all are gone", median(after), "s")
    yield from _steps(lab, 2_000 if small else 100_000)


def _round(lab: Lab, count: int, *, cleared: bool = False) -> tuple[float, float]:
    """Tasks a second, and the seconds after that until all are gone."""
    lab.empty()
    with lab.node(_SLOTS):
        began = time.monotonic()
        lab.ask(
            "INSERT INTO long_task.task (state_id, command)"
            " SELECT 'AW', '{/bin/true}' FROM generate_series(1, %s)",
            count,
        )
        wait_until(lambda: lab.ask(_ENDED) == count, pause=0.2)
        rate, ended = count / (time.monotonic() - began), time.monotonic()
        if cleared:
            wait_until(lambda: lab.ask(_LEFT) == 0)
        return rate, time.monotonic() - ended


def _steps(lab: Lab, count: int) -> Iterator[Result]:
    """One step after the other, without pauses: how long each takes, and how much goes."""
    lab.ask(
        "INSERT INTO long_task.task (state_id, command)"
        " SELECT 'DR', '{/bin/true}' FROM generate_series(1, %s)",
        count,
    )
    lab.ask("SET session_replication_role = replica")
    lab.ask(
        "UPDATE long_task.task SET state_id = 'CS', last_state_change = now() - interval '2 days',"
        " created = now() - interval '2 days'"
    )
    lab.ask("SET session_replication_role = origin")
    lab.ask("INSERT INTO long_task.retention (keep_succeeded) VALUES ('1 day')")
    took: list[float] = []
    turn: int | None = 0
    gone = 0
    while turn is not None:
        began = time.perf_counter()
        answer = lab.ask("SELECT long_task.maintain_step(%s)", turn)
        if answer["tasks"]:
            took.append(time.perf_counter() - began)
        gone += answer["tasks"]
        turn = answer["turn"] if answer["again_in"] is not None else None
    lab.ask("DELETE FROM long_task.retention")
    lab.empty()
    yield Result(NAME, "a step that clears 200 tasks away, p50", median(took) * 1e3, "ms")
    yield Result(NAME, "the longest of them", max(took) * 1e3, "ms")
    yield Result(NAME, "tasks cleared away in a second of steps", gone / sum(took), "/s")
