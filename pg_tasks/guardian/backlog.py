"""What was ordered and is not started: it waits for a slot, in the order in which it came."""

from collections.abc import Collection
from math import inf
from typing import NamedTuple

from pg_tasks.messages import Kill, Start

Key = tuple[int, int]


class Waiting(NamedTuple):
    """One that waits."""

    start: Start
    since: float
    kills: list[Kill]
    """What is to be planned as soon as it is a process."""


class Backlog:
    """First in, first out. Bookkeeping only: no clock, no I/O."""

    def __init__(self) -> None:
        self._waiting: dict[Key, Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, key: Key) -> bool:
        return key in self._waiting

    def put(self, start: Start, now: float) -> None:
        """It waits from ``now`` on. A key that is there already is left as it is."""
        self._waiting.setdefault((start.task_id, start.attempt), Waiting(start, now, []))

    def plan(self, kill: Kill) -> None:
        """For one that is there: to be ended so long after its start."""
        self._waiting[kill.task_id, kill.attempt].kills.append(kill)

    def take(self) -> Waiting:
        """Remove the first. There must be one."""
        return self._waiting.pop(next(iter(self._waiting)))

    def remove(self, key: Key) -> None:
        """It is not to be started. It must be there."""
        del self._waiting[key]

    def clear(self) -> Collection[Key]:
        """Remove all; returns their keys."""
        waiting, self._waiting = self._waiting, {}
        return waiting.keys()

    def oldest(self) -> float:
        """Since when the first has waited; infinity: there is none."""
        for waiting in self._waiting.values():
            return waiting.since
        return inf
