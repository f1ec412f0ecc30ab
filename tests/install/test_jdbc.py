"""What libpq knows of a connection, told to JDBC."""

from types import SimpleNamespace
from typing import cast

import pytest
from psycopg2.extensions import connection as Connection

from pg_tasks.errors import MigrationError
from pg_tasks.install.jdbc import Address, address_of


def _address(host: str, dbname: str = "tasks", **parameters: str) -> Address:
    info = SimpleNamespace(
        host=host,
        port=5433,
        dbname=dbname,
        user="anna",
        password="it's %40 secret&",
        dsn_parameters={"dbname": dbname, **parameters},
    )
    return address_of(cast(Connection, SimpleNamespace(info=info)))


def test_an_address_has_host_port_database_user_and_password() -> None:
    assert _address("db.example", sslmode="verify-full", sslrootcert="/a b/root.crt") == Address(
        "jdbc:postgresql://db.example:5433/tasks?sslmode=verify-full"
        "&sslrootcert=%2Fa%20b%2Froot.crt&ApplicationName=pg-tasks%20migrate",
        "anna",
        "it's %40 secret&",
    )


def test_the_password_is_not_in_the_url() -> None:
    assert "secret" not in _address("db.example", password="secret").url


def test_a_name_of_unusual_characters_is_quoted() -> None:
    assert "/a%20%3F%2F%26%20b?" in _address("db.example", "a ?/& b").url


def test_an_ipv6_address_is_in_brackets() -> None:
    assert "//[::1]:5433/" in _address("::1").url


@pytest.mark.parametrize("host", ["/run/postgresql", "@abstract", ""])
def test_a_unix_socket_is_refused(host: str) -> None:
    with pytest.raises(MigrationError, match="JDBC needs TCP"):
        _address(host)
