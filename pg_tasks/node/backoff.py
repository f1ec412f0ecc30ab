"""How long to wait before the next try: longer each time, to a limit, and not all nodes at once."""

from collections.abc import Callable


class Backoff:
    """Waits that double from ``first`` to ``limit`` seconds, each shortened by up to half."""

    def __init__(self, first: float, limit: float, random: Callable[[], float]) -> None:
        """``random`` returns numbers from 0 to 1."""
        self._first = first
        self._limit = limit
        self._random = random
        self._next = first

    def wait(self) -> float:
        """Seconds to wait now."""
        wait = self._next * (1 - self._random() / 2)
        self._next = min(self._next * 2, self._limit)
        return wait

    def reset(self) -> None:
        """The try succeeded: begin with the shortest wait again."""
        self._next = self._first
