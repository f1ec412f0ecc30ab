"""Nodes whose calls go through PgBouncer."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import make_dsn, parse_dsn

from tests.node.running_node import QUIET_LEASE, RunningNode
from tests.node.tasks import Tasks, shell
from tests.servers import Database
from tests.waiting import wait_until

Pooler = Callable[[str], str]


@pytest.fixture
def pooler(database: Database, tmp_path: Path) -> Iterator[Pooler]:
    """``pooler(mode)``: a DSN that leads through a PgBouncer of one server connection or two."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert program is not None, "tests/provision.sh installs pgbouncer"
    with ExitStack() as stack:

        def start(mode: str) -> str:
            server = parse_dsn(database.dsn)
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            where = " ".join(f"{key}={server[key]}" for key in ("host", "port") if key in server)
            config = tmp_path / "pgbouncer.ini"
            config.write_text(
                f"[databases]\n* = {where} user={server['user']}\n[pgbouncer]\n"
                f"listen_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\n"
                f"pool_mode = {mode}\ndefault_pool_size = 2\nunix_socket_dir =\n"
            )
            config.chmod(0o644)
            # Not pytest's directory: that is closed to the account which a root has to become.
            config = Path(shutil.copy(config, f"/tmp/pg_tasks-pooler-{port}.ini"))
            stack.callback(config.unlink)
            # PgBouncer refuses to run as root; the server's account can reach its socket.
            owner = Path(server["host"]).stat().st_uid
            account = pwd.getpwuid(owner) if os.geteuid() == 0 else None
            process = subprocess.Popen(
                [program, "-q", str(config)],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
            )
            stack.callback(process.wait)
            stack.callback(process.send_signal, signal.SIGKILL)
            dsn = make_dsn(database.dsn, host="127.0.0.1", port=port)
            wait_until(lambda: _answers(dsn), describe="the pooler to answer")
            return dsn

        yield start


def _answers(dsn: str) -> bool:
    try:
        psycopg2.connect(dsn).close()
    except psycopg2.OperationalError:
        return False
    return True


@pytest.fixture
def start(database: Database, tmp_path: Path) -> Iterator[Callable[..., RunningNode]]:
    """A node with a DSN of its own."""
    with ExitStack() as stack:

        def start(dsn: str, **settings: object) -> RunningNode:
            node = RunningNode(
                database, tmp_path, (1, 0, 4), prefix=(), environ=None, dsn=dsn, **settings
            )
            stack.callback(node.close)
            return node.serves()

        yield start


def _works(node: RunningNode, tasks: Tasks) -> None:
    """Tasks are started, cancelled and reported, and none of it waits for a renewal."""
    quick = tasks.add_many([shell("echo done; exit 3")] * 40)
    assert {(tasks.ended(task).exit_code, tasks.row(task).output) for task in quick} == {
        (3, "done\n")
    }
    long = tasks.add(["sleep", "1000"])
    wait_until(node.tasks)
    tasks.set(long, state_id="AC")
    assert tasks.ended(long).state_id == "CC"


def test_a_node_works_through_a_pooler_in_session_mode(
    pooler: Pooler, start: Callable[..., RunningNode], tasks: Tasks
) -> None:
    _works(start(pooler("session"), **QUIET_LEASE), tasks)


def test_a_node_works_through_a_pooler_in_transaction_mode_and_listens_past_it(
    pooler: Pooler, start: Callable[..., RunningNode], tasks: Tasks, database: Database
) -> None:
    dsn = pooler("transaction")
    node = start(dsn, listen_dsn=database.dsn, **QUIET_LEASE)
    _works(node, tasks)
    # Nothing of the node is left in the sessions that it shares with others.
    connections = [psycopg2.connect(dsn) for _ in range(2)]
    for connection in connections:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'),"
                " (SELECT count(*) FROM pg_listening_channels())"
            )
            assert cursor.fetchone() == ("0", "0", 0)
    for connection in connections:
        connection.close()


def test_a_node_whose_connections_are_cut_listens_and_works_again(
    pooler: Pooler, start: Callable[..., RunningNode], tasks: Tasks, database: Database
) -> None:
    node = start(pooler("transaction"), listen_dsn=database.dsn, **QUIET_LEASE)
    for _ in range(3):
        tasks.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'pg_tasks%' AND datname = current_database()"
        )
        _works(node, tasks)
    assert "event=listening_away" in node.log()
