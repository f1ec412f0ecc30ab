"""Connection strings: read, shown without secrets, handed to psql."""

import pytest

from pg_tasks.dsn import dsn_of_environment, psql_call, read_dsn, rotated, safe_dsn

SECRET = "hunter2"


@pytest.mark.parametrize(
    "dsn",
    [
        f"host=a password={SECRET} dbname=d",
        f"postgresql://u:{SECRET}@a/d",
        f"postgresql://u@a/d?password={SECRET}",
        f"host=a sslpassword='{SECRET} x'",
        f"dbname=postgresql://u:{SECRET}@a/d",
        f"host=a application_name='password={SECRET}'",
        f"postgresql://u:x@{SECRET}@a/d",
        f"postgresql://u:1/{SECRET}@a/d",
        SECRET,
        f"postgresql://u:{SECRET}/w@a/d",
    ],
)
def test_a_secret_is_never_shown(dsn: str) -> None:
    assert SECRET not in safe_dsn(dsn)


def test_what_is_no_secret_is_shown() -> None:
    assert safe_dsn("postgresql://u:x@h1:1,h2:2/d?target_session_attrs=read-write").split() == [
        "host=h1,h2",
        "port=1,2",
        "dbname=d",
        "user=u",
        "password=***",
        "target_session_attrs=read-write",
    ]


def test_an_unreadable_string_is_refused_without_its_text() -> None:
    with pytest.raises(ValueError, match="is no connection string") as caught:
        read_dsn(SECRET)
    assert SECRET not in str(caught.value)


def test_psql_gets_the_password_in_its_environment_only() -> None:
    call = psql_call(f"postgresql://u:{SECRET}@h/d?sslmode=require", {"PATH": "/bin"})
    assert SECRET not in " ".join(call.arguments)
    assert read_dsn(call.arguments[1]) == {
        "user": "u",
        "host": "h",
        "dbname": "d",
        "sslmode": "require",
    }
    assert call.environment == {"PATH": "/bin", "PGPASSWORD": SECRET}


def test_psql_without_a_password_keeps_the_environment_as_it_is() -> None:
    assert psql_call("host=h", {"PGPASSWORD": "a"}).environment == {"PGPASSWORD": "a"}


def test_libpqs_variables_name_a_database() -> None:
    environ = {"PGHOST": "/run/my db", "PGPORT": "5433", "PGUSER": "u", "PGPASSWORD": SECRET}
    found = dsn_of_environment(environ)
    assert found is not None
    assert read_dsn(found) == {"host": "/run/my db", "port": "5433"}


@pytest.mark.parametrize("variable", ["PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGSERVICE"])
def test_each_variable_that_names_a_place_is_enough(variable: str) -> None:
    assert dsn_of_environment({variable: "1"})


def test_a_user_alone_or_an_empty_variable_names_no_database() -> None:
    assert dsn_of_environment({"PGUSER": "u", "PGPASSFILE": "/f", "PGHOST": ""}) is None


@pytest.mark.parametrize(
    ("dsn", "turns", "first", "port"),
    [
        ("host=a,b,c dbname=d", 0, "a,b,c", None),
        ("host=a,b,c dbname=d", 1, "b,c,a", None),
        ("host=a,b,c dbname=d", 5, "c,a,b", None),
        ("host=a,b port=1,2", 1, "b,a", "2,1"),
        ("host=a,b port=5", 1, "b,a", "5"),
        ("postgresql://u:p@a:1,b:2/d?target_session_attrs=read-write", 1, "b,a", "2,1"),
        ("host=a", 3, "a", None),
    ],
)
def test_a_host_that_says_nothing_is_not_always_the_first(
    dsn: str, turns: int, first: str, port: str | None
) -> None:
    found = read_dsn(rotated(dsn, turns))
    assert (found["host"], found.get("port")) == (first, port)
    assert {**found, "host": "", "port": ""} == {**read_dsn(dsn), "host": "", "port": ""}


def test_a_dsn_without_hosts_has_nothing_to_rotate() -> None:
    assert rotated("dbname=d", 1) == "dbname=d"
