"""How long a node may trust the lease it was given. Pure arithmetic on CLOCK_BOOTTIME seconds.

The database decides by its own clock; its time is never compared with ours. What is compared is how
long ago we asked: the database cannot have begun the lease before it was asked for, so a node that
counts from the moment of asking, less a margin, lets go before the database does.
"""

from typing import NamedTuple


class Terms(NamedTuple):
    """Seconds, as configured."""

    duration: float
    renewal: float
    margin: float

    def call_limit(self, wanted: float) -> float:
        """How long a call may take: after a dead link there must be time to renew over another."""
        return min(wanted, (self.duration - self.margin) / 2)


class Lease(NamedTuple):
    """A worker held under ``epoch``."""

    epoch: int
    trusted_until: float
    renew_at: float
    """Whatever is said to the database from then on renews it too."""
    idle_renew_at: float
    """When a node renews that runs nothing: later, when half of its time is over. It has no process
    to lose, and nearly all that a large fleet asks of its database are renewals of idle nodes."""

    def due_by(self, time: float) -> "Lease":
        """To be renewed at that time at the latest, idle or not."""
        return self._replace(
            renew_at=min(self.renew_at, time), idle_renew_at=min(self.idle_renew_at, time)
        )


def granted(epoch: int, asked_at: float, terms: Terms) -> Lease:
    """The lease that was asked for at ``asked_at``, by a first call or by a renewal."""
    return Lease(
        epoch=epoch,
        trusted_until=asked_at + terms.duration - terms.margin,
        renew_at=asked_at + terms.renewal,
        idle_renew_at=asked_at + (terms.duration - terms.margin) / 2,
    )
