"""Throughput of ``/bin/true``, output captured and history written, beside other tools.

The time of pg_tasks begins with the COMMIT of the INSERT and ends with the last final state; what
is in the time of the others stands in ``peers``.
"""

from collections.abc import Iterator, Mapping
from statistics import median

from benchmarks import cpu, peers
from benchmarks.cpu import Cpu
from benchmarks.lab import Lab, NodeProcess
from benchmarks.rates import begin_alike, rate
from benchmarks.report import Result, at_least, say

NAME = "throughput"
_OURS = "pg_tasks"
_SLOTS = (8, 16, 50)
_TARGETS = {
    peers.XARGS: at_least(1.25),
    peers.POSIX_SPAWN: at_least(0.75),
    peers.HYPERQUEUE: at_least(2.5),
    peers.HYPERQUEUE_CAPTURING: at_least(2.5),
    peers.GNU_PARALLEL: at_least(5),
}
"""What pg_tasks is to reach, of their rates."""
_FEWER = {peers.GNU_PARALLEL: 4, peers.HYPERQUEUE: 4, peers.HYPERQUEUE_CAPTURING: 4}
"""Slow ones get fewer processes to start in a round, by this factor."""


def run(lab: Lab, *, small: bool) -> Iterator[Result]:
    """Rounds in which each tool has its turn, so that the machine's moods hit all alike."""
    count, rounds = (40, 1) if small else (2000, 5)
    present = peers.present()
    for name, where in peers.WHERE.items():
        if name not in present:
            say(f"  {name} is absent ({where})")
    for slots in _SLOTS[:1] if small else _SLOTS:
        with lab.node(slots) as node:
            yield from _beside(lab, node, slots, present, count, rounds)


def _beside(
    lab: Lab,
    node: NodeProcess,
    slots: int,
    present: Mapping[str, peers.Peer],
    count: int,
    rounds: int,
) -> Iterator[Result]:
    rates: dict[str, list[float]] = {name: [] for name in (_OURS, *present)}
    turns = list(rates)
    spent = Cpu()
    for _ in range(rounds):
        for name in turns:
            if name == _OURS:
                begin_alike(lab)
                before = cpu.look(lab, node)
                rates[name].append(rate(lab, count))
                spent = spent.plus(cpu.look(lab, node).since(before))
            else:
                some = count // _FEWER.get(name, 1)
                rates[name].append(some / present[name](some, slots, lab.environment))
        turns.reverse()
    for name, found in rates.items():
        yield Result(NAME, f"{slots} at once: {name}", median(found), "/s")
    for name in present:
        pairs = zip(rates[_OURS], rates[name], strict=True)
        ratio = median(ours / theirs for ours, theirs in pairs)
        yield Result(NAME, f"{slots} at once: {_OURS} to {name}", ratio, "x", _TARGETS[name])
    yield from _cost(slots, spent, count * rounds)


def _cost(slots: int, spent: Cpu, tasks: int) -> Iterator[Result]:
    names = {"tasks": "the task itself", "postgresql": "PostgreSQL"}
    for field, seconds in spent._asdict().items():
        name = f"{slots} at once: CPU of a task: {names.get(field, field)}"
        yield Result(NAME, name, seconds / tasks * 1e6, "us")
    name = f"{slots} at once: CPU of a task: all beside itself, of its own"
    yield Result(NAME, name, spent.share() * 100, "%")
