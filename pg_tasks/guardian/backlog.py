"""What was ordered and is not started: it waits for a slot, the best first."""

import heapq
from collections.abc import Collection
from math import inf
from typing import NamedTuple

from pg_tasks.messages import Start

Key = tuple[int, int]


class Waiting(NamedTuple):
    """One that waits."""

    start: Start
    since: float


class Backlog:
    """By priority, and among equals in the order in which they came. No clock, no I/O."""

    def __init__(self) -> None:
        self._waiting: dict[Key, Waiting] = {}
        self._heap: list[tuple[int, int, Key]] = []
        """Of those that wait; what was removed is left until it comes up."""
        self._count = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, key: Key) -> bool:
        return key in self._waiting

    def put(self, start: Start, now: float) -> None:
        """It waits from ``now`` on. A key that is there already is left as it is."""
        key = (start.task_id, start.attempt)
        if key not in self._waiting:
            self._waiting[key] = Waiting(start, now)
            self._count += 1
            heapq.heappush(self._heap, (start.priority, self._count, key))

    def take(self) -> Waiting:
        """Remove the best. There must be one."""
        while True:
            _, _, key = heapq.heappop(self._heap)
            waiting = self._waiting.pop(key, None)
            if waiting is not None:
                return waiting

    def remove(self, key: Key) -> None:
        """It is not to be started. It must be there."""
        del self._waiting[key]

    def clear(self) -> Collection[Key]:
        """Remove all; returns their keys."""
        waiting, self._waiting = self._waiting, {}
        self._heap.clear()
        return waiting.keys()

    def oldest(self) -> float:
        """Since when the one has waited that came first; infinity: there is none."""
        for waiting in self._waiting.values():
            return waiting.since
        return inf
