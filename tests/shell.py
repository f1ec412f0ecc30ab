"""The commands as a person types them: each a process, in an environment of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 120.0
"""Seconds: more than any command takes on the slowest machine."""


class Outcome(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line on stderr that a command that fails has to say."""
        assert self.err.endswith("\n"), self
        assert self.err.count("\n") == 1, self
        return self.err.rstrip("\n")


class Shell:
    """A person's shell: an environment, a current directory, and the commands."""

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        self.directory = directory
        self.environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PG", "XDG", "COVERAGE"))
        }
        self.environ |= {"HOME": str(directory), "PYTHONPATH": str(ROOT), **environ}
        self.environ.setdefault("PG_TASKS_CONFIG", os.devnull)
        self.environ["PYTHONWARNINGS"] = "error"

    def __call__(self, *words: str, text: str = "", **environ: str) -> Outcome:
        """``pg-tasks`` with ``words``."""
        return self.run([sys.executable, "-m", "pg_tasks", *words], text, **environ)

    def run(self, command: list[str], text: str = "", **environ: str) -> Outcome:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            encoding="utf-8",
            cwd=self.directory,
            env=self.environ | environ,
            timeout=PATIENCE,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)
