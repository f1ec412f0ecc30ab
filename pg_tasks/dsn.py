"""What may be done with a connection string: read it, show it without its secrets, hand it on.

Nothing here connects.  The reading is libpq's own, so that both of its forms (``key=value`` and
URI) and its quoting are understood as the connection itself will understand them.
Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
"""

from collections.abc import Mapping
from typing import NamedTuple

from psycopg2 import ProgrammingError
from psycopg2.extensions import make_dsn, parse_dsn

SECRETS = frozenset({"password", "sslpassword", "oauth_client_secret"})
"""The connection parameters that nobody but the server may see."""

_PLACES = {
    "PGSERVICE": "service",
    "PGHOST": "host",
    "PGHOSTADDR": "hostaddr",
    "PGPORT": "port",
    "PGDATABASE": "dbname",
}
"""The variables that name a database.  PGUSER alone does not: many set it in their profile."""

_LISTS = ("host", "hostaddr", "port")
"""The parameters that may name several servers, each as many as the others, or one port for all."""

_ORDER = ("host", "hostaddr", "port", "dbname", "user")
"""What people look for first."""


class PsqlCall(NamedTuple):
    """How to start psql with no secret in its arguments, which every user of the machine sees."""

    arguments: list[str]
    environment: dict[str, str]


def read_dsn(dsn: str) -> dict[str, str]:
    """The parameters that ``dsn`` sets.

    Raises ValueError when libpq cannot read it; its text says nothing of the value, for what libpq
    says about a mistyped string quotes the password.
    """
    try:
        parameters = {key: str(value) for key, value in parse_dsn(dsn).items()}
    except ProgrammingError:
        raise ValueError("is no connection string (key=value … or postgresql://…)") from None
    ports = parameters.get("port", "").split(",")
    if not all(port.isascii() and port.isdigit() or not port for port in ports):
        raise ValueError("has a port that is no number (a '/' in a password is written %2F)")
    return parameters


def secrets_of(dsn: str) -> list[str]:
    """The names of the secrets that ``dsn`` carries. Raises ValueError as ``read_dsn`` does."""
    return sorted(SECRETS.intersection(read_dsn(dsn)))


def safe_dsn(dsn: str) -> str:
    """``dsn`` as ``key=value``, its secrets shown as ``***``: for logs, messages and screens."""
    try:
        parameters = read_dsn(dsn)
    except ValueError:
        return "(unreadable connection string)"
    first = [key for key in _ORDER if key in parameters]
    names = [*first, *sorted(parameters.keys() - set(first))]
    shown = {key: "***" if _tells(key, parameters[key]) else parameters[key] for key in names}
    return str(make_dsn(**shown))


def rotated(dsn: str, turns: int) -> str:
    """``dsn`` with its hosts in another order: the first ``turns`` of them come last.

    libpq goes on to the next host by itself when one refuses, but not when one says nothing:
    a limit of time ends the whole try, and without this the next one would begin with it again.
    """
    size = count_hosts(dsn)
    at = turns % size
    if at == 0:
        return dsn
    parameters = read_dsn(dsn)
    for name in _LISTS:
        values = parameters.get(name, "").split(",")
        if len(values) == size:
            parameters[name] = ",".join([*values[at:], *values[:at]])
    return str(make_dsn(**parameters))


def count_hosts(dsn: str) -> int:
    """How many servers ``dsn`` names; 1 if it leaves that to libpq's variables."""
    parameters = read_dsn(dsn)
    return max(len(parameters.get(name, "").split(",")) for name in _LISTS)


def psql_call(dsn: str, environment: Mapping[str, str]) -> PsqlCall:
    """The arguments and the environment with which psql connects to ``dsn``.

    The password travels as PGPASSWORD.  No variable exists for the pass phrase of a client key or
    an OAuth secret; psql asks for the first, and reads the second from a service file.
    """
    parameters = read_dsn(dsn)
    public = {key: value for key, value in parameters.items() if key not in SECRETS}
    call = PsqlCall(["-d", make_dsn(**public)] if public else [], dict(environment))
    if "password" in parameters:
        call.environment["PGPASSWORD"] = parameters["password"]
    return call


def dsn_of_environment(environment: Mapping[str, str]) -> str | None:
    """The database that libpq's own variables name, or None when they name none.

    What else they say (user, password, certificates) libpq takes from them when it connects.
    """
    named = {key: environment[name] for name, key in _PLACES.items() if environment.get(name)}
    return str(make_dsn(**named)) if named else None


def _tells(key: str, value: str) -> bool:
    """Whether the value is a secret, or may contain one, as a URI in the wrong place does."""
    return key in SECRETS or "@" in value or "://" in value or "password" in value
