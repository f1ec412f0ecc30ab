"""The embedded PostgreSQL, on real clusters."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import psycopg2
import pytest

from pg_tasks.errors import EmbeddedError
from pg_tasks.install.embedded import EmbeddedServer, default_data_dir, default_server
from pg_tasks.install.postgres_programs import wheel_bin_dir
from tests.servers import find_versions

_FAST = {"fsync": "off"}


@pytest.fixture
def directory() -> Iterator[Path]:
    """Not pytest's: the account that runs PostgreSQL for root cannot enter that."""
    made = Path(tempfile.mkdtemp(prefix="pg_tasks-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def embedded(directory: Path) -> Iterator[EmbeddedServer]:
    """A server that was not started yet."""
    server = EmbeddedServer(directory / "data", wheel_bin_dir(), settings=_FAST)
    yield server
    server.stop()


def _ask(dsn: str, query: str) -> object:
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
    return row[0] if row else None


def _postmaster(server: EmbeddedServer) -> psutil.Process:
    pid_file = server.data_dir / "postgresql/postmaster.pid"
    return psutil.Process(int(pid_file.read_text().splitlines()[0]))


def test_a_started_server_answers_on_its_socket_and_on_tcp(embedded: EmbeddedServer) -> None:
    embedded.start()
    assert embedded.is_running()
    for dsn in (embedded.dsn, embedded.tcp_dsn):
        assert _ask(dsn, "SELECT current_database()") == "pg_tasks"


def test_the_database_is_utf8_and_sorts_alike_on_every_machine(embedded: EmbeddedServer) -> None:
    embedded.start()
    assert _ask(embedded.dsn, "SHOW server_encoding") == "UTF8"
    assert _ask(embedded.dsn, "SELECT 'a' < 'B'") is False
    assert _ask(embedded.dsn, "SELECT upper('é')") == "É"


def test_durability_is_on_by_default(directory: Path) -> None:
    server = EmbeddedServer(directory / "data", wheel_bin_dir())
    server.start()
    try:
        assert _ask(server.dsn, "SHOW fsync") == "on"
        assert _ask(server.dsn, "SHOW synchronous_commit") == "on"
    finally:
        server.stop()


def test_starting_again_changes_nothing(embedded: EmbeddedServer) -> None:
    embedded.start()
    pid, dsn = _postmaster(embedded).pid, embedded.dsn
    embedded.start()
    assert (_postmaster(embedded).pid, embedded.dsn) == (pid, dsn)


def test_processes_that_start_it_at_once_start_one(embedded: EmbeddedServer) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from pg_tasks.install.embedded import default_server;"
        "server = default_server(Path(sys.argv[1])); server.start(); print(server.dsn)"
    )
    command = [sys.executable, "-c", code, str(embedded.data_dir)]
    starting = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {process.communicate(timeout=120)[0] for process in starting}
    assert [process.returncode for process in starting] == [0, 0, 0]
    assert said == {f"{embedded.dsn}\n"}
    assert _ask(embedded.dsn, "SELECT 1") == 1


def test_the_server_outlives_the_process_that_started_it_and_its_terminal(
    embedded: EmbeddedServer,
) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from pg_tasks.install.embedded import default_server;"
        "default_server(Path(sys.argv[1])).start(); print('started', flush=True); sys.stdin.read()"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(embedded.data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert starter.stdout
    assert starter.stdout.readline() == "started\n"
    # What Ctrl-C and a closed terminal send.
    os.killpg(starter.pid, signal.SIGINT)
    os.killpg(starter.pid, signal.SIGHUP)
    starter.communicate(timeout=60)
    assert _ask(embedded.dsn, "SELECT 1") == 1


def test_a_stopped_server_comes_back_with_its_data_at_the_same_address(
    embedded: EmbeddedServer,
) -> None:
    embedded.start()
    with closing(psycopg2.connect(embedded.dsn)) as connection, connection:
        connection.cursor().execute("CREATE TABLE kept AS SELECT 42 AS answer")
    dsn, tcp_dsn = embedded.dsn, embedded.tcp_dsn
    embedded.stop()
    assert not embedded.is_running()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(dsn)
    embedded.start()
    assert (embedded.dsn, embedded.tcp_dsn) == (dsn, tcp_dsn)
    assert _ask(tcp_dsn, "SELECT answer FROM kept") == 42


def test_a_server_that_was_killed_starts_again(embedded: EmbeddedServer) -> None:
    embedded.start()
    postmaster = _postmaster(embedded)
    family = [postmaster, *postmaster.children()]
    postmaster.kill()
    # Which reaps those, too, that became this process's children: some test made it a subreaper.
    _, alive = psutil.wait_procs(family, timeout=60)
    assert alive == []
    assert not embedded.is_running()
    embedded.start()
    assert _ask(embedded.dsn, "SELECT 1") == 1


def test_a_pid_file_that_names_somebody_else_by_now_is_no_obstacle(
    embedded: EmbeddedServer,
) -> None:
    embedded.start()
    pid_file = embedded.data_dir / "postgresql/postmaster.pid"
    lines = pid_file.read_text().splitlines()
    embedded.stop()
    stranger = subprocess.Popen(
        ["sleep", "600"], user=pid_file.parent.stat().st_uid, cwd="/", stdin=subprocess.DEVNULL
    )
    try:
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        assert not embedded.is_running()
        embedded.start()
        assert _ask(embedded.dsn, "SELECT 1") == 1
    finally:
        stranger.kill()
        stranger.wait()


def test_a_port_that_somebody_took_meanwhile_is_replaced(embedded: EmbeddedServer) -> None:
    embedded.start()
    before = psycopg2.extensions.parse_dsn(embedded.dsn)["port"]
    embedded.stop()
    with socket.socket() as taker:
        taker.bind(("127.0.0.1", int(before)))
        taker.listen()
        embedded.start()
    assert psycopg2.extensions.parse_dsn(embedded.dsn)["port"] != before
    assert _ask(embedded.tcp_dsn, "SELECT 1") == 1


def test_a_path_too_long_for_a_socket_gets_a_short_one(directory: Path) -> None:
    server = EmbeddedServer(
        directory / ("long" * 30) / "it's here", wheel_bin_dir(), settings=_FAST
    )
    server.start()
    try:
        assert _ask(server.dsn, "SELECT 1") == 1
        sockets = Path(psycopg2.extensions.parse_dsn(server.dsn)["host"])
    finally:
        server.stop()
    assert sockets.stat().st_mode & 0o077 == 0
    sockets.rmdir()
    server.start()
    try:
        assert _ask(server.dsn, "SELECT 1") == 1
        sockets = Path(psycopg2.extensions.parse_dsn(server.dsn)["host"])
    finally:
        server.stop()
    sockets.rmdir()


def test_nobody_else_gets_in(embedded: EmbeddedServer) -> None:
    embedded.start()
    data_dir = embedded.data_dir
    assert stat.S_IMODE((data_dir / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE((data_dir / "postgresql").stat().st_mode) == 0o700
    sockets = Path(psycopg2.extensions.parse_dsn(embedded.dsn)["host"])
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    wrong = psycopg2.extensions.make_dsn(embedded.tcp_dsn, password="wrong")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(wrong)


def test_the_server_does_not_inherit_the_environment_of_a_task(
    embedded: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PG_TASKS_TASK_ID", "1")
    monkeypatch.setenv("PGPORT", "1")
    embedded.start()
    assert not {"PG_TASKS_TASK_ID", "PGPORT"} & set(_postmaster(embedded).environ())


def test_programs_in_a_closed_directory_are_used_and_it_stays_closed(directory: Path) -> None:
    packages = wheel_bin_dir().parents[2]
    closed = directory / "home"
    closed.mkdir(mode=0o700)
    installation = wheel_bin_dir().parent.relative_to(packages)
    libraries = f"{installation.parts[0]}.libs"
    for part in (installation, libraries):
        shutil.copytree(packages / part, closed / part, ignore=shutil.ignore_patterns("include"))
    server = EmbeddedServer(directory / "data", closed / installation / "bin", settings=_FAST)
    server.start()
    try:
        assert _ask(server.dsn, "SELECT 1") == 1
    finally:
        server.stop()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_an_ordinary_user_needs_no_other_account(directory: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path;"
        "from pg_tasks.install.embedded import default_server;"
        "data_dir = Path(sys.argv[1]); data_dir.mkdir();"
        "user = os.getuid() or 65534; os.chown(data_dir, user, -1); os.setuid(user);"
        "server = default_server(data_dir); server.start();"
        "print((data_dir / 'postgresql').stat().st_uid == user); server.stop()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(directory / "data")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("True\n", "", 0)


def test_a_cluster_of_another_version_is_left_alone(directory: Path) -> None:
    older = EmbeddedServer(directory / "data", find_versions().oldest, settings=_FAST)
    older.start()
    older.stop()
    newer = EmbeddedServer(directory / "data", wheel_bin_dir())
    with pytest.raises(
        EmbeddedError, match=r"belongs to PostgreSQL \d+, and this is PostgreSQL 18"
    ):
        newer.start()


def test_a_directory_that_cannot_be_used_is_told_in_one_line() -> None:
    with pytest.raises(EmbeddedError, match="/dev/null/nowhere") as caught:
        default_server(Path("/dev/null/nowhere")).start()
    assert "\n" not in str(caught.value)


def test_a_server_that_cannot_start_says_where_its_log_is(directory: Path) -> None:
    server = EmbeddedServer(directory / "data", wheel_bin_dir(), settings={"no_such_setting": "1"})
    with pytest.raises(EmbeddedError, match=f"does not start .see {server.log}"):
        server.start()
    assert "no_such_setting" in server.log.read_text()


def test_a_half_made_cluster_is_made_again(embedded: EmbeddedServer) -> None:
    half = embedded.data_dir / "postgresql.incomplete"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    embedded.start()
    assert _ask(embedded.dsn, "SELECT 1") == 1


def test_without_the_wheel_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmbeddedError, match=r"pip install 'pg-tasks\[embedded\]'"):
        default_server()


def test_the_data_is_kept_where_the_system_keeps_such_things(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert default_data_dir() == Path("/var/lib/pg_tasks")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert default_data_dir() == Path("/somewhere/pg_tasks")
    monkeypatch.setenv("XDG_DATA_HOME", "")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_data_dir() == Path("/home/somebody/.local/share/pg_tasks")
