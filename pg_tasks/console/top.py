"""``pg-tasks top``: the views for watching, live on the whole terminal."""

from collections.abc import Callable
from datetime import datetime, timezone
from typing import TextIO

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from pg_tasks.console.screen import Table, render, text_of
from pg_tasks.console.target import one_line
from pg_tasks.console.terminal import Terminal, Wish
from pg_tasks.errors import DatabaseAway, DatabaseRefused, PgTasksError, SchemaMismatch
from pg_tasks.install.migration import check_schema

VIEWS = {
    "group_status": "group_id ready delayed blocked running live_workers slots oldest_ready_age"
    " ended_last_minute failed_last_minute",
    "worker_status": "id group_id status slots running ended_last_minute failed_last_minute"
    " lease_left node_name host pid version age",
    "running": "id name state_id attempt group_id worker_id age timeout progress command",
    "waiting": "id name state_id group_id worker_id priority start_after age failures command",
    "failed": "id name group_id worker_id age attempts exit_code signal error command",
}
"""The views, and what is shown of each."""

_LIMIT = 200
"""Rows of each view: more than a screen shows, and no burden when a million tasks wait."""
_PAPER = 200
"""Columns where there is no terminal whose width counts."""


class Source:
    """Reads the views, over a connection made when it is needed, and again after it broke."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None

    def read(self) -> list[Table]:
        """What the views show now. Raises DatabaseAway, DatabaseRefused, SchemaMismatch."""
        try:
            if self._connection is None:
                self._connection = self._connect()
                check_schema(self._connection)
            return [_read_view(self._connection, view, VIEWS[view].split()) for view in VIEWS]
        except SchemaMismatch:
            self.close()
            raise
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            self.close()
            raise DatabaseAway(one_line(error)) from None
        except psycopg2.Error as error:
            raise DatabaseRefused(one_line(error)) from None

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def print_once(source: Source, name: str, out: TextIO) -> None:
    """Write one screen, without an end at its bottom. ``name`` says which database it is."""
    lines = render(_heading(name, _now()), source.read(), _PAPER, None)
    out.write("\n".join(lines) + "\n")


def watch(source: Source, name: str, interval: float, terminal: Terminal) -> None:
    """Show the views every ``interval`` seconds until the person quits.

    A database that goes away is waited for.  Raises what ``Source.read`` raises at the first look.
    """
    tables = source.read()
    trouble = ""
    with terminal:
        while True:
            heading = trouble or f"{_heading(name, _now())}  every {interval:g} s, q quits"
            terminal.show(render(heading, tables, *terminal.size()))
            if terminal.wait(interval) is Wish.QUIT:
                return
            try:
                tables, trouble = source.read(), ""
            except PgTasksError as error:
                trouble = f"pg_tasks  NOT CURRENT, q quits: {text_of(str(error))}"


def _read_view(connection: Connection, view: str, columns: list[str]) -> Table:
    query = sql.SQL("SELECT {} FROM long_task.{} LIMIT {}").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(view), sql.Literal(_LIMIT)
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return Table(view.replace("_status", "s").upper(), columns, cursor.fetchall())


def _heading(name: str, now: datetime) -> str:
    return f"pg_tasks  {name}  {text_of(now)}"


def _now() -> datetime:
    return datetime.now(timezone.utc)
