"""The commands as a person uses them: each a process, in an environment of its own."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from pg_tasks.dsn import read_dsn
from pg_tasks.install.embedded import EmbeddedServer, default_server
from tests.shell import PATIENCE, ROOT, Shell

SECRET = "hunter2"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell in which an embedded database would be made in a directory that cannot be."""
    return Shell(tmp_path, {"PG_TASKS_DATA_DIR": "/dev/null/nowhere"})


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """Not in tmp_path: the account that the server runs as when we are root cannot enter that."""
    directory = Path(tempfile.mkdtemp(prefix="pg_tasks_cli_"))
    directory.chmod(0o755)
    yield directory / "data"
    default_server(directory / "data").stop()
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def embedded(data_dir: Path) -> EmbeddedServer:
    server = default_server(data_dir)
    server.start()
    return server


@pytest.fixture
def home(tmp_path: Path, embedded: EmbeddedServer) -> Shell:
    """A shell with an embedded database that runs."""
    return Shell(tmp_path, {"PG_TASKS_DATA_DIR": str(embedded.data_dir)})


@pytest.fixture
def bare(embedded: EmbeddedServer) -> Iterator[str]:
    """A DSN, over TCP and with its password, of a database without the schema."""
    connection = psycopg2.connect(embedded.dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE bare")
        yield psycopg2.extensions.make_dsn(embedded.tcp_dsn, dbname="bare")
        cursor.execute("DROP DATABASE bare WITH (FORCE)")
    connection.close()


@pytest.mark.parametrize("command", ["node", "migrate", "top", "doctor", "graph 1"])
def test_a_database_that_does_not_answer_is_one_line(shell: Shell, command: str) -> None:
    done = shell(
        *command.split(), PG_TASKS_DSN=f"host={shell.directory} password={SECRET} dbname=d"
    )
    assert done.code == 1
    assert done.complaint.startswith("pg-tasks: ")
    assert str(shell.directory) in done.complaint
    assert SECRET not in done.err


def test_libpqs_own_variables_are_followed(shell: Shell) -> None:
    done = shell("top", "--once", PGHOST=str(shell.directory), PGDATABASE="elsewhere")
    assert done.code == 1
    assert f"no connection to host={shell.directory} dbname=elsewhere" in done.complaint


@pytest.mark.parametrize("command", ["node", "migrate", "top", "psql"])
def test_an_embedded_database_that_cannot_be_made_is_one_line(shell: Shell, command: str) -> None:
    done = shell(command)
    assert done.code == 1
    assert "/dev/null/nowhere" in done.complaint


@pytest.mark.parametrize("command", ["node", "migrate", "top"])
def test_a_wrong_password_is_one_line(shell: Shell, bare: str, command: str) -> None:
    dsn = psycopg2.extensions.make_dsn(bare, password=SECRET)
    done = shell(command, PG_TASKS_DSN=dsn)
    assert done.code == 1
    assert "password authentication failed" in done.complaint
    assert SECRET not in done.err


@pytest.mark.parametrize("command", ["node", "top", "doctor", "graph 1"])
def test_a_database_without_the_schema_is_one_line_that_says_how_to_make_it(
    shell: Shell, bare: str, command: str
) -> None:
    done = shell(*command.split(), PG_TASKS_DSN=bare)
    assert done.code == 1
    assert done.complaint == (
        "pg-tasks: database bare has no schema of pg_tasks (make it with: pg-tasks migrate)"
    )


def test_the_embedded_server_is_started_looked_at_and_stopped(tmp_path: Path) -> None:
    directory = Path(tempfile.mkdtemp(prefix="pg_tasks_cli_"))
    directory.chmod(0o755)
    shell = Shell(tmp_path, {"PG_TASKS_DATA_DIR": str(directory / "it's here")})
    assert shell("db", "status").code == 3
    try:
        started = shell("db", "start")
        assert started.code == 0, started
        assert f"data in {directory}" in started.out
        assert shell("db", "start").code == 0
        status = shell("db", "status")
        assert (status.code, status.out.partition(",")[0]) == (0, "running")
        (line,) = re.findall(r"^ +or: +(.*)$", started.out, re.MULTILINE)
        pasted = shell.run(["/bin/sh", "-c", f"{line} -Atc 'SELECT 6 * 7'"])
        assert pasted == (0, "42\n", "")
        assert shell("db", "stop").code == 0
        assert shell("db", "stop").code == 0
        assert shell("db", "status").code == 3
    finally:
        default_server(directory / "it's here").stop()
        shutil.rmtree(directory)


def test_psql_opens_the_embedded_database_with_the_schema_in_it(home: Shell) -> None:
    query = "SELECT count(*) > 5 FROM long_task.task_state"
    assert home("psql", "-XAt", "-c", query) == (0, "t\n", "")


def test_psql_gets_its_own_arguments_and_input_untouched(home: Shell) -> None:
    script = "SELECT :'word';\n"
    done = home("psql", "-XAt", "-v", "word=two  words", "-f", "-", text=script)
    assert done == (0, "two  words\n", "")


def test_psql_ends_with_the_exit_code_of_psql(home: Shell) -> None:
    assert home("psql", "-X", "-v", "ON_ERROR_STOP=1", text="SELECT 1 / 0;").code == 3


def test_psql_shows_no_password_to_other_users_of_the_machine(shell: Shell, bare: str) -> None:
    password = read_dsn(bare)["password"]
    done = shell(
        "psql",
        *("-XAt", "-c", "SELECT current_database()", "-c", r"\! tr '\0' ' ' < /proc/$PPID/cmdline"),
        PG_TASKS_DSN=bare,
    )
    assert done.code == 0, done
    assert re.match(r"bare\n\S*psql -d .*dbname=bare", done.out)
    assert password not in done.out


def test_psql_of_the_embedded_server_does_where_there_is_no_other(shell: Shell, bare: str) -> None:
    query = "SELECT current_database()"
    done = shell("psql", "-XAt", "-c", query, PG_TASKS_DSN=bare, PATH="/nonexistent")
    assert done == (0, "bare\n", "")


def test_psql_refuses_a_password_of_its_own_on_the_command_line(shell: Shell) -> None:
    done = shell("psql", f"--dsn=host=a password={SECRET}", "-c", "SELECT 1")
    assert done.code == 2
    assert SECRET not in done.err


def test_a_database_is_brought_up_to_date_and_a_second_time_changes_nothing(
    shell: Shell, bare: str
) -> None:
    first = shell("migrate", PG_TASKS_DSN=bare)
    assert first.code == 0, first
    assert first.out.count("applied ") > 10
    second = shell("migrate", PG_TASKS_DSN=bare)
    assert second.code == 0, second
    assert "applied " not in second.out
    assert re.fullmatch(r"the schema of .*dbname=bare.* is up to date\n", second.out)
    assert read_dsn(bare)["password"] not in first.out + first.err + second.out + second.err


def test_top_prints_the_views_once(home: Shell) -> None:
    insert = (
        "INSERT INTO long_task.task(state_id, group_id, command, start_after)"
        " VALUES ('AW', 4711, '{sleep,%TASK}', NULL)"
    )
    assert home("psql", "-X", "-c", insert).code == 0
    done = home("top", "--once")
    assert done.code == 0, done
    titles = re.findall(r"^[A-Z]+", done.out, re.MULTILINE)
    assert titles == ["GROUPS", "WORKERS", "RUNNING", "WAITING", "FAILED"]
    assert "4711" in done.out


def test_top_prints_once_when_its_output_is_no_terminal(home: Shell) -> None:
    assert home("top").out.startswith("pg_tasks  ")


def test_top_into_a_pipe_that_closes_ends_without_a_word(home: Shell) -> None:
    command = f"{sys.executable} -m pg_tasks top --once | true"
    done = home.run(["/bin/bash", "-c", f"set -o pipefail; {command}"])
    assert done.err == ""


def test_top_on_a_terminal_shows_what_changes_until_q_is_pressed(home: Shell) -> None:
    master, slave = pty.openpty()
    top = subprocess.Popen(
        [sys.executable, "-m", "pg_tasks", "top", "--interval", "0.2"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=home.environ | {"TERM": "no-such-terminal"},
    )
    os.close(slave)
    try:
        screen = read_until(master, "FAILED")
        assert "\x1b[?1049h" in screen
        insert = "INSERT INTO long_task.task(state_id, group_id, command) VALUES ('AW', 909, '{a}')"
        assert home("psql", "-X", "-c", insert).code == 0
        read_until(master, "909")
        os.write(master, b"q")
        read_until(master, "\x1b[?1049l")
        assert top.wait(PATIENCE) == 0
    finally:
        top.kill()
        top.wait()
        os.close(master)


def test_a_node_on_the_embedded_database_says_how_to_connect_and_runs_a_task(home: Shell) -> None:
    node = subprocess.Popen(
        [sys.executable, str(ROOT / "node.py"), "1", "77", "2", "here"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=home.directory,
        env=home.environ,
    )
    try:
        insert = (
            "INSERT INTO long_task.task(state_id, group_id, command)"
            " VALUES ('AW', 77, '{sh,-c,echo hello}') RETURNING id"
        )
        done = home("psql", "-XAtq", "-c", insert)
        query = f"SELECT state_id, output FROM long_task.task WHERE id = {int(done.out)}"
        deadline = time.monotonic() + PATIENCE
        seen = home("psql", "-XAt", "-c", query)
        while not seen.out.startswith("C"):
            assert node.poll() is None, node.communicate()
            assert time.monotonic() < deadline, seen
            seen = home("psql", "-XAt", "-c", query)
        assert seen.out == "CS|hello\n\n"
        node.send_signal(signal.SIGTERM)
        out, err = node.communicate(timeout=PATIENCE)
    finally:
        node.kill()
        node.communicate()
    assert node.returncode == 0, err
    assert "  connect:  pg-tasks psql" in out
    assert "  stop it:  pg-tasks db stop" in out
    assert all(re.match(r"\d{4}-\S+Z [a-z]+ event=[a-z_]+( |$)", line) for line in err.splitlines())


def read_until(terminal: int, text: str) -> str:
    """What the terminal is shown, up to ``text``; what comes after it stays for the next call."""
    deadline = time.monotonic() + PATIENCE
    seen = ""
    while text not in seen:
        assert time.monotonic() < deadline, f"{text!r} is not in {seen!r}"
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 1).decode("latin-1")
    return seen
