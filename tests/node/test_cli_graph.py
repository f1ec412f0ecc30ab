"""``pg-tasks graph`` as a person uses it, on a real database."""

import os
import pty
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.node.tasks import Tasks
from tests.servers import Database
from tests.shell import PATIENCE, Shell

DEFINITION = """
INSERT INTO long_task.workflow (name) VALUES ('etl');
INSERT INTO long_task.workflow_step (workflow, name, command, fan_out)
VALUES
  ('etl', 'get', '{true}', NULL), ('etl', 'check', '{true}', '$.files'),
  ('etl', 'load', '{true}', NULL), ('etl', 'alarm', '{true}', NULL);
INSERT INTO long_task.workflow_edge (workflow, step, needs_step, "on")
VALUES
  ('etl', 'check', 'get', 'success'), ('etl', 'load', 'check', 'success'),
  ('etl', 'alarm', 'get', 'failure');
"""


@pytest.fixture
def shell(tmp_path: Path, database: Database) -> Shell:
    """One whose person may look, and nothing else."""
    role = {"PG_TASKS_DSN": database.dsn, "PGOPTIONS": "-c role=long_task_reader"}
    return Shell(tmp_path, {**role, "PYTHONIOENCODING": "utf-8"})


@pytest.fixture
def run_id(tasks: Tasks) -> str:
    """A run whose first step was skipped, and of whose three checks one failed."""
    tasks.sql(DEFINITION)
    (row,) = tasks.sql("""SELECT long_task.start_workflow('etl', '{"files": [1, 2, 3]}') AS id""")
    tasks.sql("SELECT long_task.skip_task(id) FROM long_task.task WHERE step = 'get'")
    tasks.sql("UPDATE long_task.task SET state_id = 'AC' WHERE step = 'check' AND item = 1")
    return str(row.id)


def test_a_run_is_drawn_as_wide_as_the_terminal(shell: Shell, run_id: str) -> None:
    done = shell("graph", run_id, COLUMNS="80")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == f"run {run_id} of etl, version 1: running, 1 of 6 tasks completed"
    assert lines[2:] == [
        "                    ╭──────────────╮",
        "                 ╭─▸│ alarm        │",
        "╭──────────────╮ │  │ CC cancelled │",
        "│ get          ├─┤  ╰──────────────╯",
        "│ CS completed │ │  ╭──────────────╮  ╭──────────────╮",
        "╰──────────────╯ ╰─▸│ check ×3     ├─▸│ load         │",
        "                    │ AW 2, CC 1   │  │ CC cancelled │",
        "                    ╰──────────────╯  ╰──────────────╯",
        "",
        "get: skipped by postgres",
        "alarm: needs failure of task 1 (get), which completed",
        "load: needs success of task 4 (check), which was cancelled",
        "alarm needs failure of get",
    ]


def test_it_is_drawn_in_ascii_where_the_output_is(shell: Shell, run_id: str) -> None:
    done = shell("graph", run_id, PYTHONIOENCODING="ascii")
    assert done.code == 0
    assert done.out.isascii()
    assert "+->| check x3" in done.out


def test_a_narrow_terminal_is_given_a_table(shell: Shell, run_id: str) -> None:
    done = shell("graph", run_id, COLUMNS="25")
    assert done.code == 0
    assert max(map(len, done.out.splitlines())) <= 25
    assert "STEPS" in done.out


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, False)],
)
def test_colours_are_for_terminals(
    shell: Shell, run_id: str, environ: dict[str, str], coloured: bool
) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pg_tasks", "graph", run_id],
        stdout=theirs,
        env={**shell.environ, "TERM": "xterm", **environ},
        cwd=shell.directory,
    )
    os.close(theirs)
    seen = b""
    with suppress(OSError):  # what Linux says when the other end of a terminal is closed
        while chunk := os.read(ours, 65536):
            seen += chunk
    os.close(ours)
    assert process.wait(PATIENCE) == 0
    assert "│ get".encode() in seen
    assert (b"\x1b[32m" in seen) == coloured
    assert ("\x1b" in shell("graph", run_id).out) is False


@pytest.mark.parametrize("language", ["mermaid", "dot"])
def test_the_languages_are_those_of_the_database(
    shell: Shell, tasks: Tasks, run_id: str, language: str
) -> None:
    (row,) = tasks.sql("SELECT long_task.workflow_graph(%s, %s) AS text", run_id, language)
    assert shell("graph", run_id, "--format", language) == (0, row.text + "\n", "")


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
def test_graphviz_draws_svg(shell: Shell, run_id: str) -> None:
    done = shell("graph", run_id, "--format", "svg")
    assert (done.code, done.err) == (0, "")
    drawing = ElementTree.fromstring(done.out)
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    texts = {element.text for element in drawing.iter("{http://www.w3.org/2000/svg}text")}
    assert {"get CS", "check x 3 AW 2, CC 1", "failure"} <= texts


def test_without_graphviz_svg_is_one_line_that_says_so(shell: Shell, run_id: str) -> None:
    done = shell("graph", run_id, "--format", "svg", PATH="/nonexistent")
    assert (done.code, done.out) == (1, "")
    assert done.complaint == (
        "pg-tasks: svg is drawn by Graphviz, whose program dot is not on the PATH"
        " (install graphviz, or take --format text, mermaid or dot)"
    )


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("echo no such font >&2; exit 3", "dot ended with 3: no such font"),
        (None, "dot: Exec format error"),
    ],
)
def test_what_graphviz_complains_of_is_one_line(
    shell: Shell, run_id: str, script: str | None, complaint: str
) -> None:
    dot = shell.directory / "dot"
    dot.write_text(f"#!/bin/sh\n{script}\n" if script else "\0")
    dot.chmod(0o755)
    done = shell("graph", run_id, "--format", "svg", PATH=str(shell.directory))
    assert (done.code, done.out) == (1, "")
    assert done.complaint == f"pg-tasks: {shell.directory}/{complaint}"


@pytest.mark.parametrize("language", ["text", "mermaid", "dot"])
def test_an_unknown_run_is_the_error_of_the_database_in_one_line(
    shell: Shell, language: str
) -> None:
    done = shell("graph", "4711", "--format", language)
    assert (done.code, done.out) == (1, "")
    assert done.complaint == (
        "pg-tasks: there is no run 4711 (The view long_task.workflow_status has all of them.)"
    )


def test_a_run_that_waits_for_the_run_before_is_told(shell: Shell, tasks: Tasks) -> None:
    tasks.sql("INSERT INTO long_task.workflow (name, one_at_a_time) VALUES ('turn', true)")
    tasks.sql(
        "INSERT INTO long_task.workflow_step (workflow, name, command)"
        " VALUES ('turn', 'only', '{true}')"
    )
    tasks.sql("SELECT long_task.start_workflow('turn')")
    (row,) = tasks.sql("SELECT long_task.start_workflow('turn') AS id")
    done = shell("graph", str(row.id))
    assert done == (0, f"run {row.id} of turn, version 1: waiting, 0 of 0 tasks completed\n", "")
