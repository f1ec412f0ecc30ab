"""``pg-tasks doctor``: what is wrong with the installation, as text to be read."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple, TextIO

import psycopg2
from psycopg2.extensions import connection as Connection

from pg_tasks.console.screen import text_of
from pg_tasks.console.target import one_line
from pg_tasks.errors import DatabaseRefused
from pg_tasks.install.migration import check_schema

_INDENT = " " * 4
_MARKS = {"problem": "31", "warning": "33"}
"""Colours of severities, by SGR code."""


class Finding(NamedTuple):
    """A row of long_task.doctor()."""

    severity: str
    code: str
    subject: str
    found: str
    advice: str


def examine(connection: Connection) -> list[Finding]:
    """What the doctor finds, the worst first. Raises DatabaseRefused, SchemaMismatch."""
    check_schema(connection)
    with connection.cursor() as cursor:
        try:
            cursor.execute("SELECT severity, code, subject, found, advice FROM long_task.doctor()")
        except psycopg2.Error as error:
            raise DatabaseRefused(one_line(error)) from None
        return [Finding(*row) for row in cursor.fetchall()]


def is_serious(findings: Sequence[Finding]) -> bool:
    """Whether there is one that should not wait."""
    return any(finding.severity == "problem" for finding in findings)


def tell(findings: Sequence[Finding], out: TextIO, width: int, *, colour: bool) -> None:
    """Write each as a heading, what was found, and what to do, in lines of ``width`` columns."""
    for finding in findings:
        heading = f"{finding.severity}: {finding.subject} ({finding.code})"
        mark = _MARKS.get(finding.severity) if colour else None
        line = text_of(heading)
        out.write(f"\x1b[{mark}m{line}\x1b[0m\n" if mark else f"{line}\n")
        for text in (finding.found, f"-> {finding.advice}"):
            # A statement that is broken in the middle of a word could not be pasted.
            wrapped = textwrap.wrap(
                text_of(text), max(width - len(_INDENT), 20), break_long_words=False
            )
            out.write("".join(f"{_INDENT}{part}\n" for part in wrapped))
        out.write("\n")
    out.write(f"{_summary(findings)}\n")


def _summary(findings: Sequence[Finding]) -> str:
    kinds = [finding.severity for finding in findings]
    counts = [f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)]
    return ", ".join(counts) if counts else "nothing found"
