"""Leases of other nodes, and since when each has not been renewed. Pure bookkeeping.

The database tells how long a lease still has; how long that is, this node measures itself. So a
step of the database's clock ends nobody's lease, and time in which this node could not see the
leases does not count: after an outage each holder gets a whole lease to come back.
"""

from collections.abc import Iterable
from typing import NamedTuple


class Watched(NamedTuple):
    """A lease as the database has it."""

    lease: str
    """Its state; another one after each renewal."""
    over_in: float
    """Seconds until others may have it; not positive: by the database's clock they may."""
    whole: float
    """Seconds: the lease and its recovery delay."""


class Watch:
    """When each lease that this node sees is over by this node's clock."""

    def __init__(self) -> None:
        self._over_at: dict[str, float] = {}

    def see(self, leases: Iterable[Watched], now: float) -> None:
        """These are all there are."""
        self._over_at = {
            item.lease: self._over_at.get(
                item.lease, now + (item.over_in if item.over_in > 0 else item.whole)
            )
            for item in leases
        }

    def over(self, now: float) -> list[str]:
        """The leases whose time this node has waited for."""
        return [lease for lease, over_at in self._over_at.items() if over_at <= now]

    def next_at(self) -> float | None:
        """When the next one is over; None: there is none."""
        return min(self._over_at.values(), default=None)

    def forget(self) -> None:
        """The database is out of sight."""
        self._over_at.clear()
