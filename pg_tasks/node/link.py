"""The node's connection to the database: asynchronous, one call at a time.

The connection never blocks the loop: ``advance`` is called when its file descriptor is ready or its
deadline has passed. Any trouble closes it; the caller decides when to open it again.
"""

import select
from enum import Enum, auto
from typing import Any, NamedTuple

import psycopg2
import psycopg2.extensions
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE

from pg_tasks.dsn import count_hosts, rotated, safe_dsn
from pg_tasks.errors import (
    DatabaseAway,
    DatabaseRefused,
    LeaseLost,
    PgTasksError,
    SchemaMissing,
)
from pg_tasks.node.calls import Call, Row

MISSING_SCHEMA = ("3F000", "42883")
LEASE_LOST = "LT001"

# Classes and codes after which the same call may go well later: connection trouble, transactions
# rolled back for the sake of others, no resources, an operator who intervenes, a standby.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_PASSING = ("08", "40", "53", "55", "57", "58", "25006")


class Hints(NamedTuple):
    """Which channels were heard on since they were last asked for. Not what happened there."""

    group: bool = False
    worker: bool = False
    schedule: bool = False
    calls: frozenset[str] = frozenset()
    """What was said on the group's channel to some of those who listen (``Synced.heed``)."""


class Phase(Enum):
    """What the connection is doing."""

    CLOSED = auto()
    CONNECTING = auto()
    READY = auto()
    BUSY = auto()


class Link:
    """A connection that is opened, asked, and closed."""

    def __init__(
        self, dsn: str, application_name: str, connect_timeout: float, call_timeout: float
    ) -> None:
        """Timeouts in seconds."""
        self._dsn = dsn
        self._options = _options(dsn, application_name, call_timeout)
        self._connect_timeout = connect_timeout
        self._call_timeout = call_timeout
        self._connection: psycopg2.extensions.connection | None = None
        self._cursor: psycopg2.extensions.cursor | None = None
        self._mask = 0
        self._hosts = count_hosts(dsn)
        self._turns = 0
        self.phase = Phase.CLOSED
        self.deadline: float | None = None

    @property
    def has_untried_host(self) -> bool:
        """Whether all that failed so far is that some hosts of several said nothing."""
        return 0 < self._turns < self._hosts

    def open(self, now: float) -> None:
        """Begin to connect. Raises DatabaseAway."""
        try:
            dsn = rotated(self._dsn, self._turns)
            self._connection = psycopg2.connect(dsn, async_=True, **self._options)
        except psycopg2.Error as error:
            raise DatabaseAway(self._no_connection(_text(error))) from error
        self._mask = select.POLLOUT
        self.phase = Phase.CONNECTING
        self.deadline = now + self._connect_timeout

    def ask(self, call: Call, now: float) -> None:
        """Send a call; ``advance`` returns its last row. Only when READY. Raises as ``advance``."""
        assert self._connection is not None and self.phase is Phase.READY
        try:
            self._cursor = self._connection.cursor()
            self._cursor.execute(call.sql, call.values or None)
            # Mostly all is sent at once: without this the loop would turn once more to be told.
            state = self._connection.poll()
        except psycopg2.Error as error:
            raise self._failed(error) from error
        self._mask = select.POLLIN if state == POLL_READ else select.POLLIN | select.POLLOUT
        self.phase = Phase.BUSY
        self.deadline = now + self._call_timeout

    def advance(self, now: float) -> Row | None:
        """Go on as far as possible without waiting. Returns the answer if one is complete.

        Raises DatabaseAway (try again later), DatabaseRefused (what was asked will not be done),
        LeaseLost. The connection is closed by each of them but LeaseLost.
        """
        assert self._connection is not None
        try:
            state = self._connection.poll()
        except psycopg2.Error as error:
            raise self._failed(error) from error
        if state != POLL_OK:
            self._mask = {POLL_READ: select.POLLIN, POLL_WRITE: select.POLLOUT}[state]
            if self.deadline is not None and now >= self.deadline:
                phase = self.phase
                self.close()
                if phase is Phase.CONNECTING:
                    self._turns += 1
                    raise DatabaseAway(self._no_connection("no answer in time"))
                raise DatabaseAway("no answer in time")
            return None
        return self._complete()

    def take_hints(self, worker_channel: str, schedule_channel: str) -> Hints:
        """What others have said since the last time.

        What this connection itself has announced is no news: the call that did so has claimed
        afterwards, or says when to call again.
        """
        assert self._connection is not None
        own = self._connection.info.backend_pid
        others = [notice for notice in self._connection.notifies if notice.pid != own]
        self._connection.notifies.clear()
        heard = {notice.channel for notice in others if not notice.payload}
        return Hints(
            group=bool(heard - {worker_channel, schedule_channel}),
            worker=worker_channel in heard,
            schedule=schedule_channel in heard,
            calls=frozenset(notice.payload for notice in others if notice.payload),
        )

    def fileno(self) -> int:
        """The file descriptor to wait for. Only while not CLOSED."""
        assert self._connection is not None
        return self._connection.fileno()

    @property
    def database(self) -> str:
        """Its name, for messages."""
        assert self._connection is not None
        return self._connection.info.dbname

    @property
    def mask(self) -> int:
        """The events of poll(2) to wait for."""
        return self._mask

    def close(self) -> None:
        """Let go of the connection, whatever it is doing."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._cursor = None
        self.phase = Phase.CLOSED
        self.deadline = None

    def _complete(self) -> Row | None:
        self.deadline = None
        self._mask = select.POLLIN
        was, self.phase = self.phase, Phase.READY
        if was is not Phase.BUSY:
            return None
        cursor, self._cursor = self._cursor, None
        assert cursor is not None and self._connection is not None
        row = cursor.fetchone()
        cursor.close()
        assert row is not None, "every call answers with a row"
        # A notification that was read together with the answer lies in libpq's buffer now, and the
        # socket will not be readable for its sake: without this it would be heard at the next call.
        try:
            self._connection.poll()
        except psycopg2.Error as error:
            raise self._failed(error) from error
        return row

    def _failed(self, error: psycopg2.Error) -> PgTasksError:
        if error.pgcode == LEASE_LOST:
            self._cursor = None
            self.phase = Phase.READY
            self.deadline = None
            self._mask = select.POLLIN
            return LeaseLost(_text(error))
        database = self._connection.info.dbname if self._connection is not None else ""
        connecting = self.phase is Phase.CONNECTING
        self.close()
        if connecting:
            return DatabaseAway(self._no_connection(_text(error)))
        if error.pgcode is None or error.pgcode.startswith(_PASSING):
            return DatabaseAway(_text(error))
        text = f"{_text(error)} (SQLSTATE {error.pgcode})"
        if error.pgcode in MISSING_SCHEMA:
            return SchemaMissing(text, database)
        return DatabaseRefused(text)

    def _no_connection(self, why: str) -> str:
        return f"no connection to {safe_dsn(self._dsn)}: {why}"


def _options(dsn: str, application_name: str, call_timeout: float) -> dict[str, Any]:
    """Connection parameters, except for those that the DSN sets itself.

    Keepalive finds a dead link that is idle, tcp_user_timeout one that is being written to. The
    encoding is nobody's to set: in another one, a row that it cannot say would stop the node.
    """
    wanted = {
        "application_name": application_name,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": int(call_timeout * 1000),
    }
    given = psycopg2.extensions.parse_dsn(dsn)
    options = {name: value for name, value in wanted.items() if name not in given}
    return {**options, "client_encoding": "UTF8"}


def _text(error: psycopg2.Error) -> str:
    """The first line of what went wrong: the rest may repeat what was sent."""
    if error.diag.message_primary:
        return str(error.diag.message_primary)
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
