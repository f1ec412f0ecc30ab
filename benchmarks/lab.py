"""Where things are measured: an embedded PostgreSQL of its own, and nodes as people run them."""

import copy
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import make_dsn

from pg_tasks.install.migration import install

ROOT = Path(__file__).resolve().parents[1]
_PATIENCE = 120.0
T = TypeVar("T")


class NodeProcess(NamedTuple):
    """A node that serves, and its guardians."""

    pid: int
    guardians: tuple[int, ...]

    @property
    def pids(self) -> tuple[int, ...]:
        """The node's and its guardians'."""
        return self.pid, *self.guardians

    def tasks(self) -> list[int]:
        """The pids of the processes that its guardians have started and not reaped."""
        return [pid for guardian in self.guardians for pid in children(guardian)]


class Lab:
    """A database with the schema; the server's settings are PostgreSQL's defaults, fsync on."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._data_dir = directory / "data"
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PG", "PYTHONPATH"))
        } | {"PG_TASKS_CONFIG": os.devnull, "PYTHONPATH": str(ROOT)}
        """Of everything that is started here; a node's tasks get PG_TASKS_* on top."""

    def start(self) -> None:
        """Start the server and connect to it."""
        said = self._pg_tasks("start").splitlines()
        # "or:  <psql> '<dsn>'" is what a person would paste.
        self.bin_dir = next(Path(line.split()[1]).parent for line in said if " or: " in line)
        self.dsn = self._pg_tasks("status").partition(": ")[2].strip()
        self.connection = self.connect()

    @property
    def postmaster(self) -> int:
        """The first process of the server."""
        return int((self._data_dir / "postgresql/postmaster.pid").read_text().split()[0])

    def stop(self) -> None:
        """Stop the server."""
        self._pg_tasks("stop")

    def connect(self, *, autocommit: bool = True) -> Connection:
        """A connection of a person."""
        connection: Connection = psycopg2.connect(self.dsn)
        connection.autocommit = autocommit
        return connection

    def create_beside(self, name: str) -> Connection:
        """Another database with the schema on the same server; a connection to it."""
        self.ask(f"CREATE DATABASE {name}")
        dsn = make_dsn(self.dsn, dbname=name)
        install(dsn)
        connection: Connection = psycopg2.connect(dsn)
        connection.autocommit = True
        return connection

    @contextmanager
    def beside(self, name: str) -> Iterator["Lab"]:
        """The same with a database of its own on the same server, which is dropped in the end."""
        other = copy.copy(self)
        other.connection = self.create_beside(name)
        other.dsn = make_dsn(self.dsn, dbname=name)
        try:
            yield other
        finally:
            other.connection.close()
            self.ask(f"DROP DATABASE {name} WITH (FORCE)")

    def ask(self, statement: str, *values: object) -> Any:
        """The first value of the first row; None if there is no row."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None

    def empty(self) -> None:
        """Forget all tasks and all history, so that every round begins alike."""
        self.ask("TRUNCATE long_task.task, long_task.task_run")

    @contextmanager
    def node(
        self, slots: int, *, worker: int = 1, group: int = 0, **dsn_parameters: str
    ) -> Iterator[NodeProcess]:
        """``python node.py <worker> <group> <slots>``, idle; stopped with SIGTERM in the end."""
        self.ask("DELETE FROM long_task.worker_lease WHERE NOT active")
        environment = self.environment | {"PG_TASKS_DSN": make_dsn(self.dsn, **dsn_parameters)}
        log = self.directory / "node.log"
        with log.open("a") as stderr:
            process = subprocess.Popen(
                [sys.executable, ROOT / "node.py", str(worker), str(group), str(slots)],
                env=environment,
                cwd=self.directory,
                stderr=stderr,
                stdin=subprocess.DEVNULL,
            )
        try:
            held = "SELECT pid FROM long_task.worker_lease WHERE worker_id = %s AND active"
            wait_until(lambda: self.ask(held, worker) == process.pid or process.poll() is not None)
            if process.poll() is not None:
                raise RuntimeError(f"the node ended: {log.read_text()[-2000:]}")
            yield NodeProcess(process.pid, tuple(children(process.pid)))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_PATIENCE)

    @contextmanager
    def with_connections(self, count: int) -> Iterator[None]:
        """The server restarted so that it takes so many connections, and as before in the end."""
        self._restart(f"SET max_connections = {count}")
        try:
            yield
        finally:
            self._restart("RESET max_connections")

    def pgbench(self, *words: str, options: str = "") -> str:
        """What pgbench prints. ``options`` are server settings as of ``PGOPTIONS``."""
        environment = self.environment | {"PGOPTIONS": options}
        return _run([str(self.bin_dir / "pgbench"), *words, self.dsn], environment)

    def _restart(self, change: str) -> None:
        self.ask(f"ALTER SYSTEM {change}")
        self.connection.close()
        self._pg_tasks("stop")
        self._pg_tasks("start")
        self.connection = self.connect()

    def _pg_tasks(self, action: str) -> str:
        words = [sys.executable, "-m", "pg_tasks", "db", action, "--data-dir", str(self._data_dir)]
        return _run(words, self.environment)


@contextmanager
def opened() -> Iterator[Lab]:
    """A lab in a temporary directory; nothing of it is left."""
    directory = Path(tempfile.mkdtemp(prefix="pg_tasks-bench-"))
    # Started by root, PostgreSQL runs as another account, which has to pass through.
    directory.chmod(0o711)
    lab = Lab(directory)
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()
        shutil.rmtree(directory)


def wait_until(condition: Callable[[], T], pause: float = 0.02) -> T:
    """What ``condition`` returns as soon as it is true. Raises TimeoutError after two minutes."""
    deadline = time.monotonic() + _PATIENCE
    while not (seen := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError("waited in vain")
        time.sleep(pause)
    return seen


def children(pid: int) -> list[int]:
    """Of all its threads."""
    listed = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(word) for words in listed for word in words.split()]


def _run(words: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{words[0]}: {done.stderr.strip()}")
    return done.stdout
