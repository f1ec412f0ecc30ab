"""What was measured: lines for people, JSON for tools."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple


class Target(NamedTuple):
    """What a value is held against."""

    limit: float
    at_least: bool
    """False: at most."""

    def is_met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


class Result(NamedTuple):
    """One number."""

    benchmark: str
    name: str
    value: float
    unit: str
    target: Target | None = None


class Machine(NamedTuple):
    """Where it was measured, in general words."""

    cores: int
    memory_gib: int
    kernel: str
    python: str
    postgresql: str
    tools: dict[str, str]
    """Versions of what is compared with."""
    commit: str
    date: str
    """In UTC, to the second."""


def describe_machine(postgresql: str, tools: dict[str, str]) -> Machine:
    """This machine, now; ``postgresql`` is the server's version."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(pages * size / 2**30),
        kernel=".".join(platform.release().split(".")[:2]),
        python=platform.python_version(),
        postgresql=postgresql,
        tools=tools,
        commit=_commit(),
        date=datetime.now(tz=timezone.utc).replace(tzinfo=None).isoformat(timespec="seconds"),
    )


def file_name(machine: Machine) -> str:
    """One for each run; the names sort by time."""
    return f"{machine.date.replace(':', '')}-{machine.commit}.json"


def at_least(limit: float) -> Target:
    return Target(limit, at_least=True)


def at_most(limit: float) -> Target:
    return Target(limit, at_least=False)


def show(results: Sequence[Result]) -> None:
    """A row of the table for each."""
    for result in results:
        line = f"  {result.name:<58} {_number(result.value):>9} {result.unit:<6}"
        if result.target is not None:
            sign = ">=" if result.target.at_least else "<="
            verdict = "met" if result.target.is_met(result.value) else "MISSED"
            line += f" target {sign} {result.target.limit:g}: {verdict}"
        say(line.rstrip())


def say(text: str) -> None:
    """A line that is there at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def write(
    path: Path,
    machine: Machine,
    results: Sequence[Result],
    turns: Sequence[Mapping[str, float]] = (),
) -> None:
    """The same as JSON; ``turns`` are what was seen over time, if anything was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content: dict[str, object] = {
        "machine": machine._asdict(),
        "results": [_as_json(result) for result in results],
    }
    if turns:
        content["turns"] = list(turns)
    path.write_text(json.dumps(content, indent=2) + "\n")


def _commit() -> str:
    """Of the sources; ``dirty`` if they have been changed since, ``unknown`` outside of git."""
    here = Path(__file__).parent
    words = ["git", "-C", str(here), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def _as_json(result: Result) -> dict[str, object]:
    found: dict[str, object] = result._asdict()
    found["value"] = round(result.value, 6)
    found["target"] = None
    if result.target is not None:
        met = result.target.is_met(result.value)
        found["target"] = {**result.target._asdict(), "met": met}
    return found


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
