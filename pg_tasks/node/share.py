"""One guardian's part of a node: its slots, how much it was given, and how much more it can take.

Bookkeeping only: times are passed in.
"""

from math import inf

from pg_tasks.messages import Ended
from pg_tasks.node.prefetch import Prefetch


class Share:
    """So many slots, and what is claimed ahead for them: only where short tasks end, others that
    wait get their turn."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.held = 0
        """How many attempts the guardian has."""
        self.aside = False
        """It does not answer: nothing is to be claimed for it."""
        self._prefetch = Prefetch()

    @property
    def free(self) -> int:
        """How many more have a slot at once."""
        return 0 if self.aside else max(self.slots - self.held, 0)

    @property
    def running(self) -> int:
        """How many have a slot."""
        return min(self.held, self.slots)

    @property
    def waiting(self) -> int:
        """How many wait for a slot that becomes free."""
        return 0 if self.aside else max(self.held - self.slots, 0)

    def ahead(self, now: float) -> int:
        """How many may wait for a slot."""
        return 0 if self.aside else self._prefetch.ahead(now)

    def room(self, now: float) -> int:
        """How many more it can be given."""
        return 0 if self.aside else max(self.slots + self.ahead(now) - self.held, 0)

    def starts_within(self, seconds: float, now: float) -> float:
        """How many of those that wait are started in that time, as things go now."""
        return 0 if self.aside else self._prefetch.within(seconds, now)

    def reluctance(self, now: float) -> tuple[int, float]:
        """The smallest of all is the one to be given the next attempt.

        A free slot is best. Where there is none, it has to be where slots become free: where some
        more may wait, or else where the fewest wait for what ends there.
        """
        if self.aside:
            return 3, inf
        waiting = self.held - self.slots
        if waiting < 0:
            return 0, self.held / self.slots
        ahead = self._prefetch.ahead(now)
        if waiting < ahead:
            return 1, waiting / max(self.slots, 1)
        return 2, waiting / ahead if ahead else inf

    def ended(self, report: Ended) -> None:
        """One that was given to it is over."""
        self.held -= 1
        self._prefetch.ended(report)
