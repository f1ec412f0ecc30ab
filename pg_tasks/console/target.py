"""Which database the commands work on, and a connection to it for tools that people watch."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import psycopg2
from psycopg2.extensions import connection as Connection

from pg_tasks.dsn import dsn_of_environment, safe_dsn
from pg_tasks.errors import DatabaseAway
from pg_tasks.install.embedded import EmbeddedServer, default_server
from pg_tasks.install.migration import install
from pg_tasks.settings import Settings


class Target(NamedTuple):
    """A database, and the embedded server that runs it, if it is that one."""

    dsn: str
    server: EmbeddedServer | None

    def settle(self, settings: Settings) -> Settings:
        """``settings`` with the database that was found."""
        return replace(settings, dsn=self.dsn)


def find_target(settings: Settings, environ: Mapping[str, str]) -> Target:
    """The database of ``settings``, else of libpq's variables, else the embedded one, now started.

    Raises EmbeddedError.
    """
    dsn = settings.dsn or dsn_of_environment(environ)
    if dsn:
        return Target(dsn, None)
    server = default_server(settings.data_dir)
    server.start()
    return Target(server.dsn, server)


def ready_target(settings: Settings, environ: Mapping[str, str]) -> Target:
    """The same, with the schema installed if the embedded database has none.

    Other databases are left as they are: ``pg-tasks migrate`` is a decision of their owner.
    Raises EmbeddedError, MigrationError.
    """
    target = find_target(settings, environ)
    if target.server is not None:
        install(target.dsn)
    return target


def connect(dsn: str, settings: Settings, name: str) -> Connection:
    """An autocommitting connection whose statements may take ``call_timeout``.

    ``name`` is what pg_stat_activity shows. Raises DatabaseAway: one line, without a password.
    """
    try:
        connection = psycopg2.connect(
            dsn,
            connect_timeout=max(1, round(settings.connect_timeout)),
            application_name=name,
        )
        connection.autocommit = True
        with connection.cursor() as cursor:
            milliseconds = round(settings.call_timeout * 1000)
            cursor.execute("SELECT set_config('statement_timeout', %s, false)", [str(milliseconds)])
    except psycopg2.OperationalError as error:
        text = one_line(error)
        raise DatabaseAway(f"no connection to {safe_dsn(dsn)}: {text}", hint=_hint(text)) from None
    return connection


def one_line(error: psycopg2.Error) -> str:
    """What libpq or the server said, without the advice that libpq sets off by a tab."""
    lines = [line.strip() for line in str(error).splitlines() if not line.startswith("\t")]
    return "; ".join(line for line in lines if line) or type(error).__name__


def _hint(text: str) -> str:
    if "password" in text:
        return "the password belongs into ~/.pgpass, PG_TASKS_DSN or the configuration file"
    if "FATAL" in text:
        return "the server answers, and refuses: check dbname and user"
    return "check host and port, and whether the server runs"
