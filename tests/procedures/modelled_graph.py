"""Tasks that need each other, as plain Python: what must become of each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

Pair = tuple[int, int]
"""Who waits, and for whom."""

ENDED = ("CS", "CF", "CC")
WAITING = ("AB", "AW")
_END_OF = {"CS": "success", "CF": "failure", "CC": "cancel"}


def _items(result: Any) -> list[Any]:
    """A path that is not strict looks into an array by itself."""
    return result if isinstance(result, list) else [result]


def _has_rows(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item["rows"], int) and item["rows"] > 0


CONDITIONS: dict[str | None, Callable[[Any], bool]] = {
    None: lambda result: True,
    "$.rows > 0": lambda result: any(map(_has_rows, _items(result))),
    "strict $.rows > 0": _has_rows,
    "$ == 3": lambda result: 3 in _items(result),
    "exists($.rows)": lambda result: any(isinstance(item, dict) for item in _items(result)),
}
"""Conditions as people write them, and what they mean."""
# Every object among them has rows.
RESULTS: list[Any] = [None, None, {"rows": 0}, {"rows": 7}, {"rows": "many"}, 3, [{"rows": 2}, 3]]


@dataclass
class Edge:
    """One task's need of another's end."""

    on: str = "success"
    condition: str | None = None
    enabled: bool = True
    met: bool | None = None


@dataclass
class Task:
    """What is known of a row."""

    state: str
    needs: str | None = None
    unmet: str | None = None
    max_attempts: int = 1
    attempt: int = 0
    base_attempt: int = 0
    running_on: int | None = None
    result: Any = None


@dataclass
class Graph:
    """All tasks and edges. Whatever is changed, ``settle`` has to follow."""

    tasks: dict[int, Task] = field(default_factory=dict)
    edges: dict[Pair, Edge] = field(default_factory=dict)

    def has_cycle_with(self, pairs: Iterable[Pair]) -> bool:
        """Whether some task would wait for itself if these were edges too."""
        return order_of([*self.edges, *pairs]) is None

    def verdict(self, task_id: int) -> str:
        """What is to become of a task that waits, by the edges as they were last recounted."""
        task = self.tasks[task_id]
        mets = [e.met for (waiting, _), e in self.edges.items() if waiting == task_id and e.enabled]
        return verdict(task.needs, task.unmet, mets)

    def delete(self, task_id: int) -> None:
        """Its process may live on; ``bury`` it when that is gone."""
        for pair in [pair for pair in self.edges if pair[0] == task_id]:
            del self.edges[pair]
        if self.tasks.pop(task_id).running_on is None:
            self.bury(task_id)

    def bury(self, task_id: int) -> None:
        """What was open counts as cancelled from now on, what was decided stays decided."""
        for (_, needed), edge in self.edges.items():
            if needed == task_id and edge.met is None:
                edge.met = met_by(edge, Task("CC"))

    def settle(self) -> None:
        """Recounts all edges and lets tasks wait, go on or be cancelled, needed ones first."""
        order = order_of(self.edges)
        assert order is not None
        needs: dict[int, list[Pair]] = {}
        for pair in self.edges:
            needs.setdefault(pair[0], []).append(pair)
        for task_id in [*order, *(self.tasks.keys() - order)]:
            task = self.tasks.get(task_id)
            if task is None:
                continue
            for pair in needs.get(task_id, ()):
                if pair[1] in self.tasks:
                    self.edges[pair].met = met_by(self.edges[pair], self.tasks[pair[1]])
            if task.state in WAITING:
                edges = [self.edges[pair] for pair in needs.get(task_id, ())]
                found = verdict(task.needs, task.unmet, [e.met for e in edges if e.enabled])
                task.state = {"start": "AW", "wait": "AB", "cancel": "CC"}[found]

    def waits_for_good_reason(self, task_id: int) -> bool:
        """Whether a blocked task may stay so although nothing runs and nothing is ready."""
        edges = [
            (needed, edge)
            for (waiting, needed), edge in self.edges.items()
            if waiting == task_id and edge.enabled
        ]
        for needed, edge in edges:
            if edge.met is None and self.tasks[needed].state in ("DR", "AB"):
                return True
        return self.tasks[task_id].unmet == "wait" and any(e.met is False for _, e in edges)


def met_by(edge: Edge, needed: Task) -> bool | None:
    """Whether that end has come; None: no end has."""
    if needed.state not in ENDED or needed.running_on is not None:
        return None
    if edge.on not in ("end", _END_OF[needed.state]):
        return False
    return CONDITIONS[edge.condition](needed.result)


def verdict(needs: str | None, unmet: str | None, mets: list[bool | None]) -> str:
    """start, wait or cancel."""
    if not mets or (needs == "any" and True in mets):
        return "start"
    missed = False in mets
    if None in mets:
        return "cancel" if missed and needs != "any" and unmet in (None, "cancel") else "wait"
    return (unmet or "cancel") if missed else "start"


def order_of(pairs: Iterable[Pair]) -> list[int] | None:
    """The tasks of these edges, each after those it needs; None: there is a cycle."""
    open_needs: dict[int, set[int]] = {}
    dependents: dict[int, set[int]] = {}
    for waiting, needed in pairs:
        open_needs.setdefault(waiting, set()).add(needed)
        open_needs.setdefault(needed, set())
        dependents.setdefault(needed, set()).add(waiting)
    free = [task_id for task_id, needs in open_needs.items() if not needs]
    order = []
    while free:
        task_id = free.pop()
        order.append(task_id)
        for waiting in dependents.get(task_id, ()):
            open_needs[waiting].discard(task_id)
            if not open_needs[waiting]:
                free.append(waiting)
    return order if len(order) == len(open_needs) else None
