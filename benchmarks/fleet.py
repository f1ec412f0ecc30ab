"""Large fleets: what idle nodes cost the server, whom an INSERT wakes, and races."""

from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from benchmarks import cpu
from benchmarks.crowd import TERMS, Crowd, Member
from benchmarks.lab import Lab
from benchmarks.report import Result, at_least, at_most, say
from pg_tasks.node.lease import granted

NAME = "fleet"
_FIRST = 1000
"""The workers' ids begin here."""
_FEW, _MANY = 4, 100
_WARM = 40
"""Tasks for each node before its time is taken."""
_PLANNED = 5
"""Times that a session plans a statement with the values of the moment, before it keeps a plan."""
_MOMENT = 2.0
"""Seconds in which everything that follows an INSERT has happened."""


def run(lab: Lab, *, small: bool) -> Iterator[Result]:
    """Idle nodes, then the same nodes when something is inserted, then nodes that race."""
    idle, tasks, rounds = (60, 500, 1) if small else (1_000, 6_000, 5)
    with lab.with_connections(max(idle, _MANY) + 50):
        yield from _idle(lab, idle, *((1, 0.5) if small else (_PLANNED + 1, 2)))
        yield from _woken(lab, 20, rounds)
        yield from _woken(lab, idle, rounds)
        yield from _racing(lab, tasks, rounds)
    lab.empty()


def _idle(lab: Lab, count: int, before: float, watched: float) -> Iterator[Result]:
    """So many renewals of each node ``before`` its time is taken, and while it is."""
    renewal = granted(0, 0.0, TERMS).idle_renew_at
    with crowd(lab, count, slots=4) as nodes:
        nodes.run(renewal * before)
        seconds = renewal * watched
        say(f"  watching {count} idle nodes for {seconds:.0f} s")
        used, syncs = cpu.server(lab), nodes.syncs
        took = nodes.run(seconds)
        share, calls = (cpu.server(lab) - used) / took, (nodes.syncs - syncs) / took
    yield Result(NAME, f"{count} idle nodes: calls", calls, "/s")
    yield Result(NAME, "  the server's CPU for each", share / calls * 1e6, "us")
    yield Result(NAME, "  the server's share of one core", share * 100, "%", at_most(5.0))


def _woken(lab: Lab, count: int, rounds: int) -> Iterator[Result]:
    """Calls that follow an INSERT, renewals left out."""
    with crowd(lab, count, slots=1) as nodes:
        nodes.run(_MOMENT)
        calls = []
        for _ in range(rounds):
            before = nodes.unrenewing
            _insert(lab, 1)
            nodes.run(_MOMENT)
            calls.append(nodes.unrenewing - before)
    yield Result(NAME, f"{count} idle nodes: calls after one INSERT", median(calls), "", at_most(5))


def _racing(lab: Lab, tasks: int, rounds: int) -> Iterator[Result]:
    """A queue that is filled at once, emptied by a few nodes and by many, by turns."""
    rates: dict[int, list[float]] = {_FEW: [], _MANY: []}
    for _ in range(rounds):
        for count, found in rates.items():
            lab.empty()
            with crowd(lab, count, slots=4) as nodes:
                # Each session has to compile the procedures and to plan, once.
                _work_off(lab, nodes, _WARM * count)
                nodes.run(0.5)
                found.append(tasks / _work_off(lab, nodes, tasks))
    for count, found in rates.items():
        yield Result(NAME, f"{count} nodes that race for {tasks} tasks", median(found), "/s")
    ratio = median(many / few for few, many in zip(rates[_FEW], rates[_MANY], strict=True))
    yield Result(NAME, f"  {_MANY} nodes to {_FEW}", ratio, "x", at_least(0.9))


def _work_off(lab: Lab, nodes: Crowd, tasks: int) -> float:
    """Inserts so many. Returns the seconds until all were run."""
    enough = nodes.started + tasks
    _insert(lab, tasks)
    return nodes.run(120.0, lambda: nodes.started >= enough)


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
