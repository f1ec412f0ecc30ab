"""A second connection on which a node listens, for when its calls go through a pooler.

A pooler in transaction mode has no session that could LISTEN. What is heard only makes a call come
sooner: while this connection is away, a node finds its work at the next renewal.
"""

import logging

from pg_tasks.errors import DatabaseAway, DatabaseRefused, LeaseLost
from pg_tasks.log import event
from pg_tasks.node import calls
from pg_tasks.node.backoff import Backoff
from pg_tasks.node.link import Hints, Link, Phase

logger = logging.getLogger(__name__)

_NOTHING = Hints()
_EVERYTHING = Hints(group=True, worker=True, schedule=True)


class Ear:
    """Listens for one worker of one group."""

    def __init__(self, link: Link, worker_id: int, group_id: int, backoff: Backoff) -> None:
        self.link = link
        self._worker_id = worker_id
        self._group_id = group_id
        self._backoff = backoff
        self._open_at = 0.0
        self._listens = False

    def turn(self, now: float) -> None:
        """Connect, if that is due."""
        try:
            if self.link.phase is Phase.CLOSED and now >= self._open_at:
                self.link.open(now)
            elif self.link.deadline is not None and now >= self.link.deadline:
                self.link.advance(now)
            self._ask(now)
        except (DatabaseAway, DatabaseRefused, LeaseLost) as error:
            self._away(error, now)

    def advance(self, now: float) -> Hints:
        """The connection has something; what was heard."""
        try:
            if self.link.advance(now) is not None:
                self._listens = True
                self._backoff.reset()
                # What happened while nobody listened.
                return _EVERYTHING
            self._ask(now)
            hints = self.link.take_hints(
                calls.worker_channel(self._worker_id), calls.SCHEDULE_CHANNEL
            )
            # Its node has no post: whoever of the group is called, it may be the only one there.
            return hints._replace(group=hints.group or bool(hints.calls))
        except (DatabaseAway, DatabaseRefused, LeaseLost) as error:
            self._away(error, now)
            return _NOTHING

    def wake_at(self) -> float | None:
        """When ``turn`` has something to do at the latest."""
        return self._open_at if self.link.phase is Phase.CLOSED else self.link.deadline

    def _ask(self, now: float) -> None:
        if self.link.phase is Phase.READY and not self._listens:
            self.link.ask(calls.listen(self._worker_id, self._group_id), now)

    def _away(self, error: Exception, now: float) -> None:
        self._listens = False
        wait = self._backoff.wait()
        self._open_at = now + wait
        event(logger, logging.WARNING, "listening_away", error=error, retry_in=wait)
