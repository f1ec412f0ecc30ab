"""How much is claimed beyond the slots of a guardian, so that it has the next tasks at hand.

A slot whose task ends is empty until the end was reported, another task was claimed and its order
has come: a few milliseconds, which only short tasks notice. So as many are claimed ahead as short
ones have ended a moment ago: they wait for about that moment, in which nobody else could have
started them much sooner. Where tasks take longer, nothing is claimed ahead.

Bookkeeping only: times are passed in.
"""

from collections import deque

from pg_tasks.messages import Ended

_WINDOW = 0.05
"""Seconds for which what is claimed ahead is to last: until the next call, and what it takes."""
_SHORT = 0.05
"""Seconds: a task that takes longer does not miss the milliseconds between two."""
_MOST = 200


class Prefetch:
    """Counts the ends of short tasks at one guardian."""

    def __init__(self) -> None:
        self._ends: deque[float] = deque(maxlen=_MOST)

    def ended(self, report: Ended) -> None:
        """Take note of an end."""
        if report.pid is not None and report.ended - report.started <= _SHORT:
            self._ends.append(report.ended)

    def ahead(self, now: float) -> int:
        """How many tasks to have beyond the slots."""
        while self._ends and self._ends[0] < now - _WINDOW:
            self._ends.popleft()
        return len(self._ends)

    def within(self, seconds: float, now: float) -> float:
        """How many short ones end in that time, as things go now."""
        return self.ahead(now) * seconds / _WINDOW
