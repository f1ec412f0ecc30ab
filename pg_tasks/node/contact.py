"""How a node comes to a connection, and to another one when it is lost."""

import logging

from pg_tasks.errors import DatabaseRefused, PgTasksError, SchemaMissing
from pg_tasks.log import event
from pg_tasks.node.backoff import Backoff
from pg_tasks.node.link import Link
from pg_tasks.schema_version import check_version

logger = logging.getLogger(__name__)


class Contact:
    """What is known of the present connection, and when the next one is due."""

    def __init__(self, link: Link, backoff: Backoff) -> None:
        self._link = link
        self._backoff = backoff
        self._proven = False
        self.number = 0
        """Of the present connection; what an earlier one left behind on its way is refused."""
        self.open_at = 0.0
        self.greeted = False
        """The schema is one that this node can work with."""
        self.registered = False
        """The lease is held over this connection."""
        self.compared = False
        """The database has been told over this connection what the node knows."""

    def open(self, now: float) -> None:
        """Begin to connect. Raises DatabaseAway."""
        self.number += 1
        self._link.open(now)

    def works(self) -> None:
        """The database has done what the node is there for."""
        self._proven = True
        self._backoff.reset()

    def lost(self, error: PgTasksError, now: float, tasks: int) -> None:
        """Trouble has ended the connection; ``tasks`` run meanwhile.

        Raises ``error`` if the database has never been found to be usable: whoever has just started
        the node is to see it. SchemaMismatch if what it lacks is the schema.
        """
        refused = isinstance(error, DatabaseRefused)
        usable = self._proven or (self.greeted and not refused) or self._link.has_untried_host
        self.greeted = self.registered = self.compared = False
        if not usable:
            if isinstance(error, SchemaMissing):
                check_version(None, error.database)
            raise error
        wait = self._backoff.wait()
        self.open_at = now + wait
        level, what = (
            (logging.ERROR, "call_refused") if refused else (logging.WARNING, "database_away")
        )
        event(logger, level, what, error=error, retry_in=wait, tasks=tasks)
