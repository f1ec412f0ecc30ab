"""What ``pg-tasks`` and ``node.py`` say about their arguments and settings. Without a database."""

import re
import sys
from pathlib import Path

import pytest

from pg_tasks import __version__
from tests.shell import ROOT, Shell

SECRET = "hunter2"
COMMANDS = ("node", "migrate", "psql", "top", "doctor", "graph", "db", "version")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell in which an embedded database cannot be made."""
    return Shell(tmp_path, {"PG_TASKS_DATA_DIR": "/dev/null/nowhere"})


def test_help_names_every_command(shell: Shell) -> None:
    done = shell("--help")
    assert done.code == 0
    assert all(re.search(rf"^ +{name} ", done.out, re.MULTILINE) for name in COMMANDS)


@pytest.mark.parametrize(
    "command", ["node", "migrate", "psql", "top", "doctor", "graph", "db", "version"]
)
def test_every_command_has_help(shell: Shell, command: str) -> None:
    done = shell(command, "--help")
    assert done.code == 0
    assert done.out.startswith(f"usage: pg-tasks {command} ")
    assert done.err == ""


@pytest.mark.parametrize("words", [["version"], ["--version"]])
def test_the_version_is_printed(shell: Shell, words: list[str]) -> None:
    assert shell(*words) == (0, f"pg_tasks {__version__}\n", "")


def test_node_py_explains_its_arguments(shell: Shell) -> None:
    done = shell.run([sys.executable, str(ROOT / "node.py"), "--help"])
    assert done.code == 0
    assert done.out.startswith("usage: node.py ")
    assert "[worker_id] [group_id] [max_task_count] [node_name]" in done.out
    assert "--kill-grace SECONDS" in done.out


def test_node_py_without_its_packages_says_how_to_get_them(shell: Shell) -> None:
    done = shell.run([sys.executable, "-I", "-S", str(ROOT / "node.py")])
    assert done.code == 1
    assert done.complaint.startswith("node.py: No module named ")
    assert done.complaint.endswith("(run `make install`, then .venv/bin/python node.py)")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "which command? (see pg-tasks --help)"),
        (["nod"], "argument <command>: invalid choice: 'nod'"),
        (["--bogus"], "unknown option --bogus"),
        (["node", "1", "2", "3", "4", "5"], "too many arguments (see pg-tasks node --help)"),
        (["node", "one"], "--worker-id is 'one', which is not a whole number"),
        (["node", "4294967296"], "--worker-id is 4294967296, allowed is 0 to 2147483647"),
        (["node", "1", "0", "0"], "--max-task-count is 0, allowed is 1 to 100000"),
        (["node", "1", "--worker-id", "2"], "worker_id is given twice"),
        (["node", "--kil-grace", "3"], "unknown option --kil-grace (did you mean --kill-grace?)"),
        (["node", "--kill-grace", "-3"], "--kill-grace is -3.0, allowed is 0 to 86400"),
        (["node", "--kill-grace"], "argument --kill-grace: expected one argument"),
        (["node", "--config", "gone.yaml"], "gone.yaml: No such file or directory"),
        (["top", "--interval", "often"], "--interval is 'often', which is not a number of seconds"),
        (["graph"], "the following arguments are required: RUN (see pg-tasks graph --help)"),
        (["graph", "seven"], "run is 'seven', which is not a whole number"),
        (["graph", "-1"], "run is -1, allowed is 0 to 9223372036854775807"),
        (["graph", "1", "--format", "png"], "argument --format: invalid choice: 'png'"),
        (["db", "restart"], "argument action: invalid choice: 'restart'"),
        (["psql", "--dsn", f"host=a password={SECRET}"], "--dsn carries a password"),
        (["node", "--dsn", f"postgresql://u:{SECRET}@h/d"], "--dsn carries a password"),
        (
            ["node", f"--dns=postgresql://u:{SECRET}@h/d"],
            "unknown option --dns (did you mean --dsn",
        ),
        (["node", "1", "2", "3", "4", f"postgresql://u:{SECRET}@h/d"], "too many arguments"),
        (["top", "--dsn", SECRET], "--dsn is no connection string"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_code_2(
    shell: Shell, words: list[str], complaint: str
) -> None:
    done = shell(*words)
    assert done.code == 2
    assert done.out == ""
    assert done.complaint.startswith(f"pg-tasks: {complaint}")
    assert SECRET not in done.err


def test_an_unknown_key_in_the_configuration_file_is_one_line(shell: Shell) -> None:
    path = shell.directory / "mine.yaml"
    path.write_text("kil_grace: 3\n", encoding="utf-8")
    done = shell("node", "--config", str(path))
    assert done.code == 2
    assert done.complaint == (
        f"pg-tasks: {path}: unknown key 'kil_grace' (did you mean kill_grace?)"
    )
