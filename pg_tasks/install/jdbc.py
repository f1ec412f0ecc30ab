"""The address of a database as JDBC writes it."""

from typing import NamedTuple
from urllib.parse import quote, urlencode

from psycopg2.extensions import connection as Connection

from pg_tasks.errors import MigrationError

_PARAMETERS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "options")
"""Those that libpq and PostgreSQL's JDBC driver call and understand alike."""


class Address(NamedTuple):
    """What a JDBC driver has to be told."""

    url: str
    user: str
    password: str


def address_of(connection: Connection) -> Address:
    """The address of the server that ``connection`` has reached.

    An open connection, and not a DSN, because libpq alone knows what variables, service and
    password files make of a DSN, and which of several hosts answered. Raises MigrationError for a
    unix socket, which JDBC cannot use.
    """
    info = connection.info
    host = info.host or ""
    if not host or host.startswith(("/", "@")):
        raise MigrationError(
            f"Liquibase cannot use the unix socket {host or 'of this database'}: JDBC needs TCP",
            hint="name a host in the DSN, such as host=127.0.0.1",
        )
    known = info.dsn_parameters
    parameters = {name: known[name] for name in _PARAMETERS if known.get(name)}
    query = urlencode({**parameters, "ApplicationName": "pg-tasks migrate"}, quote_via=quote)
    name = f"[{host}]" if ":" in host else host
    url = f"jdbc:postgresql://{name}:{info.port}/{quote(info.dbname, safe='')}?{query}"
    return Address(url, info.user, info.password or "")
