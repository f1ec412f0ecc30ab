"""Graphs: from the end of a task to the start of the next, wide ones, and ones of long ago."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from statistics import median
from typing import NamedTuple

from benchmarks import peers, probe
from benchmarks.lab import Lab, wait_until
from benchmarks.probe import Probe
from benchmarks.report import Result, Target, at_least, at_most, say

NAME = "graphs"
_SLOTS = 16
_LIFE = 25
"""Milliseconds that a longer step lives: long enough for its node to hear of its start."""
_EACH_NEEDS = 2
"""Dependencies of each task of the history."""


class Shape(NamedTuple):
    """Tasks with ids from ``first`` to ``last``, and who needs whom."""

    name: str
    links: str | None
    """Query for pairs of a task and one that it needs."""
    more: int = 0
    """Tasks beside those that are counted."""
    target: Target | None = None


_CHAIN = Shape("chain", "SELECT id, id - 1 FROM generate_series(%(first)s + 1, %(last)s) AS id")
_INDEPENDENT = Shape("independent", None)
_FAN_OUT = Shape(
    "fan-out",
    "SELECT id, %(first)s FROM generate_series(%(first)s + 1, %(last)s) AS id",
    more=1,
    target=at_most(1.2),
)
_FAN_IN = Shape(
    "fan-in",
    "SELECT %(last)s, id FROM generate_series(%(first)s, %(last)s - 1) AS id",
    more=1,
    target=at_most(1.2),
)


class Queued(NamedTuple):
    """Tasks that were inserted, with their dependencies, in one transaction."""

    first: int
    last: int
    committed: datetime
    linking: float
    """Seconds that the INSERT of the dependencies took."""


def run(lab: Lab, *, small: bool) -> Iterator[Result]:
    """On one node, then on two by turns: one of them has a past."""
    steps, longer, wide, rounds = (10, 3, 30, 1) if small else (1000, 300, 10_000, 5)
    past, tasks, turns = (1_000, 30, 1) if small else (1_000_000, 5_000, 7)
    made = probe.make(lab.directory)
    say(f"  the probe is {made.kind}")
    with lab.node(_SLOTS):
        yield from _chain(lab, made, steps, 0, "chain")
        yield from _chain(lab, made, longer, _LIFE, f"chain of {_LIFE} ms steps")
        yield from _wide(lab, wide, rounds)
    yield from _with_a_past(lab, made, past, tasks, turns, steps)
    lab.empty()


def _chain(lab: Lab, made: Probe, steps: int, life: int, name: str) -> Iterator[Result]:
    """Each step prints when it began, and when it ended."""
    queued = _queue(lab, _CHAIN, [*made.command, "both", str(life)], steps)
    _took(lab, queued)
    outputs = lab.ask(
        "SELECT array_agg(output ORDER BY id) FROM long_task.task WHERE id BETWEEN %s AND %s",
        queued.first,
        queued.last,
    )
    spans = [tuple(map(float, output.split())) for output in outputs]
    gaps = sorted(after[0] - before[1] for before, after in zip(spans[:-1], spans[1:], strict=True))
    name = f"{name}: end -> next start"
    yield Result(NAME, f"{name}, p50", gaps[len(gaps) // 2] * 1000, "ms", at_most(5))
    yield Result(NAME, f"{name}, p99", gaps[len(gaps) * 99 // 100] * 1000, "ms")


def _wide(lab: Lab, count: int, rounds: int) -> Iterator[Result]:
    """Each round has its turn of each; independent tasks twice, to show the noise."""
    shapes = (_INDEPENDENT, _FAN_OUT, _INDEPENDENT._replace(name="independent again"), _FAN_IN)
    took: dict[str, list[float]] = {shape.name: [] for shape in shapes}
    linking: dict[str, list[float]] = {shape.name: [] for shape in shapes}
    turns = list(shapes)
    for _ in range(rounds):
        for shape in turns:
            lab.empty()
            queued = _queue(lab, shape, [peers.TRUE], count + shape.more)
            took[shape.name].append(_took(lab, queued))
            linking[shape.name].append(queued.linking)
        turns.reverse()
    base = took[_INDEPENDENT.name]
    yield Result(NAME, f"{count} independent tasks", median(base), "s")
    for shape in shapes[1:]:
        ratios = [mine / other for mine, other in zip(took[shape.name], base, strict=True)]
        name = f"{shape.name} of {count}"
        if shape.links:
            yield Result(
                NAME, f"{name}: INSERT of its dependencies", median(linking[shape.name]), "s"
            )
        yield from _ratio(f"{name} to independent", ratios, shape.target)


def _with_a_past(
    lab: Lab, made: Probe, past: int, tasks: int, turns: int, steps: int
) -> Iterator[Result]:
    """Two databases, each with its node, take turns; what they do stays in both."""
    lab.empty()
    with lab.beside("with_a_past") as other:
        _remember(other, past)
        with lab.node(_SLOTS), other.node(_SLOTS):
            rates: dict[Lab, list[float]] = {lab: [], other: []}
            order = [lab, other]
            for each in order:
                _rate(each, 100)
            for _ in range(turns):
                order.reverse()
                for each in order:
                    rates[each].append(_rate(each, tasks))
            yield Result(NAME, f"{tasks} tasks alone", median(rates[lab]), "/s")
            name = f"beside {past} old dependencies"
            yield Result(NAME, f"{tasks} tasks {name}", median(rates[other]), "/s")
            pairs = zip(rates[other], rates[lab], strict=True)
            ratios = [theirs / ours for theirs, ours in pairs]
            yield from _ratio("beside to alone", ratios, at_least(0.95))
            yield from _chain(other, made, steps, 0, f"chain {name}")


def _ratio(name: str, ratios: Sequence[float], target: Target | None) -> Iterator[Result]:
    """The noise is seen in the least and the most."""
    yield Result(NAME, name, median(ratios), "x", target)
    yield Result(NAME, f"  {name}, least", min(ratios), "x")
    yield Result(NAME, f"  {name}, most", max(ratios), "x")


def _remember(lab: Lab, dependencies: int) -> None:
    """Ended tasks, each of which needed those before it. Triggers would look at every one."""
    tasks = dependencies // _EACH_NEEDS
    lab.ask("SET session_replication_role = replica")
    lab.ask(
        "INSERT INTO long_task.task (state_id, command, attempt, worker_id, started, finished,"
        " exit_code, output, queued_by, has_needs, has_dependents)"
        " SELECT 'CS', ARRAY[%s], 1, 1, now(), now(), 0, '', 'dependency', true, true"
        " FROM generate_series(1, %s)",
        peers.TRUE,
        tasks + _EACH_NEEDS,
    )
    lab.ask(
        "INSERT INTO long_task.task_dependency (task_id, needs_task_id, met)"
        " SELECT t.id, t.id - n, true FROM long_task.task AS t, generate_series(1, %s) AS n"
        " WHERE t.id > (SELECT min(f.id) + %s - 1 FROM long_task.task AS f)",
        _EACH_NEEDS,
        _EACH_NEEDS,
    )
    lab.ask("SET session_replication_role = origin")
    if lab.ask("SELECT count(*) FROM long_task.task_dependency") != dependencies:
        raise RuntimeError(f"the past is not {dependencies} dependencies long")
    # It is long ago: nothing of it waits to be written or cleaned up.
    lab.ask("VACUUM ANALYZE long_task.task, long_task.task_dependency")
    lab.ask("CHECKPOINT")


def _rate(lab: Lab, count: int) -> float:
    return count / _took(lab, _queue(lab, _INDEPENDENT, [peers.TRUE], count))


def _queue(lab: Lab, shape: Shape, command: Sequence[str], count: int) -> Queued:
    connection = lab.connect(autocommit=False)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "WITH written AS (INSERT INTO long_task.task (state_id, command)"
                " SELECT 'AW', %s FROM generate_series(1, %s) RETURNING id)"
                " SELECT min(id), max(id), clock_timestamp() FROM written",
                (list(command), count),
            )
            first, last, written = cursor.fetchone() or (0, 0, None)
            if shape.links:
                cursor.execute(
                    f"INSERT INTO long_task.task_dependency (task_id, needs_task_id) {shape.links}",
                    {"first": first, "last": last},
                )
            cursor.execute("SELECT clock_timestamp()")
            (linked,) = cursor.fetchone() or (written,)
        connection.commit()
    finally:
        connection.close()
    return Queued(first, last, linked, (linked - written).total_seconds())


def _took(lab: Lab, queued: Queued) -> float:
    """Seconds from their commit to the last one's final state."""
    # Each question has an index of a few entries, or a table of a few rows.
    busy = (
        "SELECT EXISTS (SELECT FROM long_task.task WHERE running_on IS NOT NULL) OR EXISTS ("
        " SELECT FROM long_task.task WHERE state_id = 'AW' AND running_on IS NULL"
        " AND worker_id IS NULL AND group_id = 0)"
        " OR EXISTS (SELECT FROM long_task.unsettled_task)"
    )
    wait_until(lambda: not lab.ask(busy), pause=0.1)
    those = "long_task.task WHERE id BETWEEN %s AND %s"
    ended = f"SELECT count(*) FROM {those} AND state_id = 'CS' AND exit_code = 0"
    if lab.ask(ended, queued.first, queued.last) != queued.last - queued.first + 1:
        raise RuntimeError("not every task ended well")
    took = f"SELECT extract(epoch FROM max(last_state_change) - %s)::float FROM {those}"
    return float(lab.ask(took, queued.committed, queued.first, queued.last))
