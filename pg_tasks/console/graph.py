"""``pg-tasks graph``: a run of a workflow, as text, or in a language for programs that draw."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import psycopg2
from psycopg2.extensions import connection as Connection

from pg_tasks.console.picture import Edge, Run, Step, picture, written
from pg_tasks.errors import DatabaseRefused, PgTasksError
from pg_tasks.install.migration import check_schema

PAPER = 200
"""Columns where there is no terminal whose width counts."""

_HEADING = """
SELECT format(
  'run %%s of %%s, version %%s: %%s, %%s of %%s tasks completed', s.run_id, s.workflow, s.version,
  s.status || COALESCE(' (' || s.error || ')', ''), s.completed, s.tasks
)
FROM long_task.workflow_status AS s
WHERE s.run_id = %s
"""
_STEPS = """
SELECT n.step, bool_or(n.fanned_out), jsonb_object_agg(n.state_id, n.tasks), min(n.error)
FROM (
  SELECT
    s.step, s.state_id, bool_or(s.item IS NOT NULL) AS fanned_out, count(*) AS tasks,
    min(s.task_id) AS first,
    (array_agg(s.error ORDER BY s.task_id)
      FILTER (WHERE s.state_id <> 'AB' AND s.error IS NOT NULL))[1] AS error
  FROM long_task.workflow_step_status AS s
  WHERE s.run_id = %s
  GROUP BY s.step, s.state_id
) AS n
GROUP BY n.step
ORDER BY min(n.first)
"""
_EDGES = """
SELECT p.step, t.step, d."on", d.condition::text, d.enabled
FROM long_task.task_dependency AS d
JOIN long_task.task AS t ON t.id = d.task_id
JOIN long_task.task AS p ON p.id = d.needs_task_id
WHERE t.run_id = %(run)s
  AND p.run_id = %(run)s
GROUP BY 1, 2, 3, 4, 5
ORDER BY min(p.id), min(t.id), 3, 4, 5
"""


def draw(connection: Connection, run_id: int, out: TextIO, width: int, *, colour: bool) -> None:
    """Write a run as text of at most ``width`` columns. Raises DatabaseRefused, SchemaMismatch."""
    out.write(written(picture(_read(connection, run_id), width), out.encoding, colour=colour))


def is_coloured(out: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether a person would see colours. Source: https://no-color.org"""
    return out.isatty() and environ.get("TERM") != "dumb" and not environ.get("NO_COLOR")


def describe(connection: Connection, run_id: int, language: str) -> str:
    """A run in the language of Mermaid or dot. Raises DatabaseRefused, SchemaMismatch."""
    check_schema(connection)
    return _told(connection, run_id, language)


def find_dot() -> Path:
    """The program that makes SVG of dot. Raises PgTasksError where there is none."""
    found = shutil.which("dot")
    if found is None:
        raise PgTasksError(
            "svg is drawn by Graphviz, whose program dot is not on the PATH",
            hint="install graphviz, or take --format text, mermaid or dot",
        )
    return Path(found).absolute()


def to_svg(dot: Path, text: str) -> bytes:
    """What Graphviz makes of ``text``. Raises PgTasksError."""
    try:
        done = subprocess.run(
            [str(dot), "-Tsvg"], input=text.encode(), capture_output=True, check=False
        )
    except OSError as error:
        raise PgTasksError(f"{dot}: {error.strerror}") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise PgTasksError(f"{dot} ended with {done.returncode}: {said}")
    return done.stdout


def _read(connection: Connection, run_id: int) -> Run:
    """The run as it is at one moment."""
    check_schema(connection)
    connection.set_session("REPEATABLE READ", readonly=True, autocommit=False)
    with connection, connection.cursor() as cursor:
        cursor.execute(_HEADING, [run_id])
        found = cursor.fetchone()
        if found is None:
            _told(connection, run_id, "dot")
            raise DatabaseRefused(f"there is no run {run_id}")
        cursor.execute(_STEPS, [run_id])
        steps = [Step(*row) for row in cursor.fetchall()]
        cursor.execute(_EDGES, {"run": run_id})
        edges = [Edge(*row) for row in cursor.fetchall()]
        cursor.execute("SELECT id, name FROM long_task.task_state")
        return Run(str(found[0]), steps, edges, dict(cursor.fetchall()))


def _told(connection: Connection, run_id: int, language: str) -> str:
    with connection.cursor() as cursor:
        try:
            cursor.execute("SELECT long_task.workflow_graph(%s, %s)", [run_id, language])
        except psycopg2.Error as error:
            if not (error.pgcode or "").startswith("LT"):
                raise
            raise DatabaseRefused(
                error.diag.message_primary, hint=error.diag.message_hint
            ) from None
        (text,) = cursor.fetchone() or ("",)
    return str(text)
