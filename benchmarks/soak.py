"""``python -m benchmarks.soak [--minutes 30] [--slots 16] [--json <file>]``: full rate for long.

A feeder keeps the queue from running empty, the node runs ``/bin/true`` as fast as it can and sees
to the policies of retention: what has ended goes. Each turn (a minute, or a tenth of a shorter
soak) is a row of a table. In the end the queue is drained, and what a long life must not change is
held against its bounds. The exit code is 1 when one of them is broken.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import cpu, peers, report
from benchmarks.cpu import Cpu
from benchmarks.lab import Lab, NodeProcess, opened, wait_until
from benchmarks.rates import rate
from benchmarks.report import Result, at_least, at_most, say
from benchmarks.vitals import Vitals, look

NAME = "soak"
_RESULTS = Path(__file__).parent / "results"
_TICK = 0.2
"""Seconds from one look at the queue to the next."""
_LOW, _MORE = 3_000, 4_000
"""Fewer waiting than the first, and so many are added: a second's work and more."""
_TASKS_GO = "INSERT INTO long_task.retention (group_id, keep_succeeded) VALUES (NULL, '10 seconds')"
_HISTORY_GOES = "INSERT INTO long_task.history_retention (keep, keep_rows) VALUES ('1 minute', %s)"
_ACTIVE = (
    "SELECT (SELECT count(*) FROM long_task.task WHERE running_on IS NOT NULL)"
    " + (SELECT count(*) FROM long_task.task WHERE state_id = 'AW' AND running_on IS NULL"
    " AND worker_id IS NULL AND group_id = 0)"
)
"""Two short scans of an index."""
_WARM_UP = 500


class Bounds(NamedTuple):
    """Ratios. Of the last turn to the first, but for the tables."""

    pace: float
    """At least. The others: at most."""
    cost: float
    tables: float
    """Of the largest size in the second half to that in the first."""
    memory: float


class Turn(NamedTuple):
    """What was seen at its end."""

    rate: float
    """Tasks that ended, a second."""
    cost: float
    """Microseconds of CPU for each, its own and all beside it: what else the machine does changes
    the rate, and this little."""
    vitals: Vitals


class Queue:
    """Never empty; what ended a while ago is left to the policies."""

    def __init__(self, lab: Lab, rows: int | None) -> None:
        self._lab = lab
        lab.empty()
        lab.ask(_TASKS_GO)
        lab.ask(_HISTORY_GOES, rows)
        self._fed = 0
        self._well: dict[int, int] = {}

    def tend(self) -> None:
        """Feed, and count what is about to go."""
        enough = "SELECT true FROM long_task.task WHERE state_id = 'AW' OFFSET %s"
        if not self._lab.ask(enough, _LOW):
            self._lab.ask(
                "INSERT INTO long_task.task (state_id, command)"
                " SELECT 'AW', ARRAY[%s] FROM generate_series(1, %s)",
                peers.TRUE,
                _MORE,
            )
            self._fed += _MORE
        self._count("ended IS NOT NULL")

    def ended(self) -> int:
        """So far."""
        return self._fed - int(self._lab.ask(_ACTIVE))

    def lost(self) -> int:
        """Tasks of which history does not say that they ended well; less than 0: twice."""
        self._count("true")
        return self._fed - sum(self._well.values())

    def _count(self, which: str) -> None:
        """Attempts that ended well, of each partition of history before it is dropped."""
        known = "SELECT coalesce(array_agg(part), '{}') FROM long_task.task_run_part WHERE "
        for part in self._lab.ask(known + which):
            if part not in self._well:
                self._well[part] = int(
                    self._lab.ask(
                        "SELECT count(*) FROM long_task.task_run"
                        " WHERE part = %s AND state_id = 'CS' AND exit_code = 0",
                        part,
                    )
                )


class _Mark(NamedTuple):
    """Where a turn begins or ends."""

    ended: int
    moment: float
    spent: Cpu

    @classmethod
    def now(cls, lab: Lab, node: NodeProcess, queue: Queue) -> "_Mark":
        return cls(queue.ended(), time.monotonic(), cpu.look(lab, node))


def main() -> int:
    words = _arguments()
    length = min(60.0, words.minutes * 6)
    count = max(2, round(words.minutes * 60 / length))
    with opened() as lab:
        machine = report.describe_machine(lab.ask("SHOW server_version"), {})
        say(f"PostgreSQL {machine.postgresql}, {machine.cores} cores, commit {machine.commit};")
        say(f"{count} turns of {length:g} s, {words.slots} slots")
        with lab.node(words.slots) as node:
            rate(lab, _WARM_UP)
            start = look(lab, node)
            queue = Queue(lab, words.rows)
            turns = list(_turns(lab, node, queue, count, length))
            wait_until(lambda: lab.ask(_ACTIVE) == 0, pause=_TICK)
            end = look(lab, node)
            results = [
                *_verdict(turns, Bounds(words.pace, words.cost, words.tables, words.memory)),
                *_left(start, end, len(node.tasks()), queue.lost()),
            ]
    report.show(results)
    path = words.json or _RESULTS / f"soak-{report.file_name(machine)}"
    series = [{"rate": turn.rate, "cost": turn.cost, **turn.vitals._asdict()} for turn in turns]
    report.write(path, machine, results, series)
    say(f"written to {path}")
    met = [item.target is None or item.target.is_met(item.value) for item in results]
    return 0 if all(met) else 1


def _turns(lab: Lab, node: NodeProcess, queue: Queue, count: int, length: float) -> Iterator[Turn]:
    names = (
        "turn",
        "tasks/s",
        "us/task",
        *(f"{name} MB" for name in Vitals._fields[:-2]),
        "fds",
        "zombies",
    )
    say("".join(f"{name:>12}" for name in names))
    queue.tend()
    before = _Mark.now(lab, node, queue)
    for number in range(1, count + 1):
        while time.monotonic() - before.moment < length:
            queue.tend()
            time.sleep(_TICK)
        after = _Mark.now(lab, node, queue)
        ended = after.ended - before.ended
        turn = Turn(
            ended / (after.moment - before.moment),
            sum(after.spent.since(before.spent)) / ended * 1e6,
            look(lab, node),
        )
        before = after
        numbers = (number, turn.rate, turn.cost, *turn.vitals)
        say("".join(f"{value:>12.5g}" for value in numbers))
        yield turn


def _verdict(turns: Sequence[Turn], bounds: Bounds) -> Iterator[Result]:
    """Of the first and the last turn; of sizes, which go up and down, of the halves' largest.

    What grows without end is twice as large in the second half. Memory is compared with what it is
    after a sixth: until then the server fills the caches of a session.
    """
    first, last = turns[0], turns[-1]
    yield Result(NAME, "tasks in the first turn", first.rate, "/s")
    yield Result(NAME, "tasks in the last turn", last.rate, "/s")
    yield Result(NAME, "last turn to first", last.rate / first.rate, "x", at_least(bounds.pace))
    grown = last.cost / first.cost
    yield Result(NAME, "CPU of a task: last turn to first", grown, "x", at_most(bounds.cost))
    for name in ("tables", "indexes"):
        sizes = [getattr(turn.vitals, name) for turn in turns]
        half = len(sizes) // 2
        grown = max(sizes[half:]) / max(sizes[:half])
        yield Result(NAME, f"{name}: largest", max(sizes), "MB")
        yield Result(NAME, f"{name}: second half to first", grown, "x", at_most(bounds.tables))
    for name in ("node", "guardian", "backend"):
        early, size = (getattr(turn.vitals, name) for turn in (turns[len(turns) // 6], last))
        yield Result(NAME, f"memory of {name}: after a sixth", early, "MB")
        yield Result(NAME, f"memory of {name}: in the last turn", size, "MB")
        yield Result(NAME, f"memory of {name}: growth", size / early, "x", at_most(bounds.memory))


def _left(start: Vitals, end: Vitals, processes: int, lost: int) -> Iterator[Result]:
    """Once the queue has been drained."""
    descriptors = end.descriptors - start.descriptors
    yield Result(NAME, "in the end: descriptors more than before", descriptors, "", at_most(0))
    yield Result(NAME, "in the end: zombies", end.zombies, "", at_most(0))
    yield Result(NAME, "in the end: processes left", processes, "", at_most(0))
    yield Result(NAME, "tasks that did not end well", lost, "", at_most(0))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    bounds = parser.add_argument_group("bounds, as ratios")
    parser.add_argument("--minutes", type=float, default=30.0, help="[%(default)g]")
    parser.add_argument("--slots", type=int, default=16, help="[%(default)s]")
    parser.add_argument(
        "--rows", type=int, help="of history that are kept, if not those of a minute"
    )
    parser.add_argument("--json", type=Path, help=f"[{_RESULTS}/soak-<date>-<commit>.json]")
    bounds.add_argument(
        "--pace", type=float, default=0.95, help="last turn, at least [%(default)s]"
    )
    bounds.add_argument("--cost", type=float, default=1.25, help="growth [%(default)s]")
    bounds.add_argument("--tables", type=float, default=1.5, help="growth [%(default)s]")
    bounds.add_argument("--memory", type=float, default=1.1, help="growth [%(default)s]")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
