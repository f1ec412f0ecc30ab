"""Whether a guardian answers.

After it was told something it is asked for a sign of life, and looked at now and then until it has
given one. What counts is how often that was in vain, not how long: looks are a while apart, and
each comes after all that lay unread was read. So a node that was frozen itself, or a machine that
was suspended, does not take the time that has passed for silence.

Bookkeeping only: times are passed in.
"""

from collections.abc import Iterable
from math import inf

from pg_tasks.messages import News, Ping, Pong

_PACE = 1.0
"""Seconds between two looks."""
_HASTE = 0.25
"""The same, where everything has to be dead."""
_SILENT = 2
"""Looks in vain: a guardian that is well answers in milliseconds, on a busy machine in tenths."""
_LOST = 10
"""The same: nobody stops a guardian for so long by mistake and lets it go on."""
_DEAF = 4
"""Looks in vain after which somebody else has to kill what it runs, if it has to be dead."""


class Vigil:
    """Over one guardian."""

    def __init__(self) -> None:
        self.look_at = inf
        """When ``look`` has something to do; infinity: nothing is owed."""
        self.in_vain = 0
        """How many looks there were since its last sign of life."""
        self.has_spoken = False
        """It has given one at least."""
        self._pace = _PACE
        self._owes = False
        self._asked = False
        self._number = 0
        self._over = False

    @property
    def is_silent(self) -> bool:
        """Others are to be given what there is to start."""
        return self.in_vain >= _SILENT

    @property
    def is_lost(self) -> bool:
        """If somebody has stopped it, it is not waited for. Else it may be slow, or wait for a
        disk, and what it runs is well."""
        return self.in_vain >= _LOST

    @property
    def is_deaf(self) -> bool:
        """It was to kill everything at once, and has not even said that it has heard it."""
        return self._pace == _HASTE and self.in_vain >= _DEAF

    def doubt(self, now: float) -> Ping:
        """It is taken for silent until it has answered what is returned."""
        self.in_vain = _SILENT
        return self._ask(now)

    def told(self, now: float) -> None:
        """It was told something, and is asked for a sign of life at the next look."""
        self._owes = True
        if not self._over:
            self.look_at = min(self.look_at, now + self._pace)

    def hurry(self, now: float) -> Ping:
        """It is told to kill everything at once, and what is returned."""
        self._pace = _HASTE
        self.in_vain = 0
        return self._ask(now)

    def look(self, now: float) -> Ping | None:
        """Call after what it had said was read. Returns what to ask it."""
        if now < self.look_at:
            return None
        if not self._asked:
            return self._ask(now)
        self.in_vain += 1
        self.look_at = now + self._pace
        return None

    def heard(self, news: Iterable[News]) -> None:
        """What it has said."""
        for item in news:
            self.in_vain = 0
            self.has_spoken = True
            if item == Pong(self._number) and self._asked:
                self._asked = False
                self._pace = _PACE
                self.look_at = self.look_at if self._owes else inf

    def end(self) -> None:
        """It was killed: nobody looks at it any more."""
        self._over = True
        self.look_at = inf

    def _ask(self, now: float) -> Ping:
        self._owes = False
        self._asked = True
        self._number += 1
        if not self._over:
            self.look_at = now + self._pace
        return Ping(self._number)
