"""A node that cannot serve says why in one line, and ends with code 1."""

from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import make_dsn

from pg_tasks.errors import SchemaMismatch
from pg_tasks.schema_version import SCHEMA_VERSION, SchemaVersion, check_version
from tests.node.conftest import StartNode
from tests.node.running_node import RunningNode
from tests.node.tasks import Tasks
from tests.servers import Database, Server


def complaint(node: RunningNode) -> str:
    """Waits for the end of a node that could not serve; what it said."""
    assert node.ended() == 1
    (line,) = node.log().splitlines()
    assert line.startswith("pg-tasks: ")
    return line


@pytest.mark.parametrize(
    ("version", "oldest", "said"),
    [(0, 0, "is version 0"), (1_000_000, 999_999, "made for later releases")],
)
def test_a_schema_that_does_not_fit_is_named_with_how_to_mend_it(
    launch: StartNode, tasks: Tasks, version: int, oldest: int, said: str
) -> None:
    set_version(tasks, version, oldest)
    line = complaint(launch())
    assert said in line
    assert "upgrade" in line or "migrate" in line


def test_a_later_schema_that_serves_this_release_is_good(
    start_node: StartNode, tasks: Tasks
) -> None:
    set_version(tasks, 1_000_000, 1)
    start_node()
    assert tasks.ended(tasks.add(["true"])).state_id == "CS"


def set_version(tasks: Tasks, version: int, oldest: int) -> None:
    tasks.sql(
        "CREATE OR REPLACE FUNCTION long_task.schema_version()"
        " RETURNS TABLE (version integer, oldest_node integer)"
        f" LANGUAGE sql AS 'SELECT {version}, {oldest}'"
    )


def test_a_database_without_the_schema_is_told_to_be_migrated(
    server: Server, tmp_path: Path
) -> None:
    name = server.create_empty()
    database = Database(name, server.dsn_of(name))
    node = RunningNode(database, tmp_path, (1, 0, 4))
    try:
        line = complaint(node)
    finally:
        node.close()
        database.close()
        server.drop(name)
    assert f"database {name} has no schema of pg_tasks (make it with: pg-tasks migrate)" in line


def test_a_database_of_another_encoding_is_refused() -> None:
    latin1 = SchemaVersion(SCHEMA_VERSION, 1, "LATIN1")
    with pytest.raises(SchemaMismatch, match="jobs has encoding LATIN1, and pg_tasks needs UTF8"):
        check_version(latin1, "jobs")


def test_a_database_that_is_not_there_is_named(
    launch: StartNode, server: Server, tmp_path: Path
) -> None:
    line = complaint(launch(dsn=server.dsn_of("no_such_database")))
    assert 'database "no_such_database" does not exist' in line


@pytest.mark.parametrize("place", [{"host": "/nowhere"}, {"host": "127.0.0.1", "port": "1"}])
def test_a_server_that_does_not_answer_is_told(launch: StartNode, place: dict[str, str]) -> None:
    line = complaint(launch(dsn=make_dsn(dbname="x", user="x", **place)))
    assert f"host={place['host']}" in line
    assert "Connection refused" in line or "No such file or directory" in line


def test_a_wrong_password_is_told_and_not_shown(launch: StartNode, server: Server) -> None:
    place = psycopg2.extensions.parse_dsn(server.embedded.tcp_dsn)
    del place["password"]
    node = launch(dsn=make_dsn(**place), environ={"PGPASSWORD": "hunter2"})
    line = complaint(node)
    assert "password authentication failed" in line
    assert "hunter2" not in line


def test_a_role_without_rights_is_told(launch: StartNode, tasks: Tasks, database: Database) -> None:
    tasks.sql(
        "DO $$ BEGIN CREATE ROLE nobody_here LOGIN; EXCEPTION WHEN duplicate_object THEN END $$"
    )
    line = complaint(launch(dsn=make_dsn(database.dsn, user="nobody_here")))
    assert "permission denied" in line


def test_a_root_that_is_not_there_is_told(launch: StartNode, tmp_path: Path) -> None:
    node = launch(root=tmp_path / "missing")
    assert node.ended() != 0
    assert "missing is not a directory" in node.log()


def test_a_worker_that_is_served_already_is_no_fault(
    node: RunningNode, launch: StartNode, tasks: Tasks
) -> None:
    log = launch().says("event=standby")
    assert f"pid {node.pid}" in log
