"""The instants at which attempts have to be looked at again, earliest first."""

import heapq
from math import inf

from pg_tasks.guardian.attempt import Attempt

_SLACK = 64


class Deadlines:
    """A heap in which what has changed or is over is left until it comes up or becomes too much."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Attempt]] = []
        self._count = 0

    def put(self, attempt: Attempt) -> None:
        """Call when ``attempt.escalation.next()`` may have changed; infinity needs no entry."""
        when = attempt.escalation.next()
        if when < inf:
            self._count += 1
            heapq.heappush(self._heap, (when, self._count, attempt))

    def next(self) -> float:
        """The earliest; it may turn out to be nobody's. Infinity: nothing to wait for."""
        return self._heap[0][0] if self._heap else inf

    def take(self, now: float) -> list[Attempt]:
        """Remove and return those that are due, each once; some of them may be over."""
        due: dict[tuple[int, int], Attempt] = {}
        while self._heap and self._heap[0][0] <= now:
            when, _, attempt = heapq.heappop(self._heap)
            if attempt.escalation.next() == when:
                due[attempt.key] = attempt
        return list(due.values())

    def forget_all_but(self, attempts: dict[tuple[int, int], Attempt]) -> None:
        """Call now and then: drops the entries of attempts that ended long before their timeout."""
        if len(self._heap) <= 2 * len(attempts) + _SLACK:
            return
        self._heap = []
        for attempt in attempts.values():
            self.put(attempt)
