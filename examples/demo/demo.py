"""pg_tasks at work: from rows of SQL to finished processes, checked, and nothing left behind.

``demo.py [<directory>]`` works on the Python files of the directory, by default the standard
library. It brings its own PostgreSQL and its own node, both of which are gone in the end.
Exit code 0: every task ended as it should.
"""

import gzip
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import psutil
import psycopg2

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MOST_FILES = 100
LIMIT = 120.0
"""Seconds: far more than any part takes on a slow machine."""
MARK = "DEMO_OF_PG_TASKS"


class Fate(NamedTuple):
    """How a task has to end; its fields are columns of long_task.task."""

    state_id: str
    exit_code: int | None
    signal: int | None
    attempt: int
    error: str | None


class Run(NamedTuple):
    """What has to be in the history; its fields are columns of long_task.task_run."""

    attempt: int
    state_id: str
    exit_code: int | None
    signal: int | None


FINE = Fate("CS", 0, None, 1, None)
FATES = {
    "fails": Fate("CF", 1, None, 1, "exit code 1"),
    "too long": Fate("CF", None, 15, 1, "timeout after 00:00:02"),
    "succeeds later": Fate("CS", 0, None, 2, None),
    "cancelled running": Fate("CC", None, 15, 1, "cancelled"),
    "cancelled waiting": Fate("CC", None, None, 0, None),
}
HISTORIES = {
    "fails": [Run(1, "CF", 1, None)],
    "too long": [Run(1, "CF", None, 15)],
    "succeeds later": [Run(1, "CF", 75, None), Run(2, "CS", 0, None)],
    "cancelled running": [Run(1, "CC", None, 15)],
    "cancelled waiting": [],
}


class Demo:
    """One showing, in a directory of its own."""

    def __init__(self, directory: Path, source: Path) -> None:
        self.target = directory / "compressed"
        self.target.mkdir()
        self._directory = directory
        self._source = source
        self._names = sorted(path.name for path in source.glob("*.py"))[:MOST_FILES]
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PG")
        } | {
            "PYTHONPATH": str(ROOT),
            "PG_TASKS_CONFIG": os.devnull,
            "PG_TASKS_DATA_DIR": str(directory / "data"),
        }

    def run(self) -> list[str]:
        """Everything; returns what went otherwise than it should."""
        say(f"A PostgreSQL of its own, with the schema of pg_tasks, in {self._directory}.")
        self._pg_tasks("db", "start")
        try:
            # "running, data in <directory>: <dsn>"
            dsn = self._pg_tasks("db", "status").partition(": ")[2]
            with closing(psycopg2.connect(dsn)) as connection:
                connection.autocommit = True
                troubles = self._with_node(connection)
        finally:
            self._pg_tasks("db", "stop")
        return troubles

    def _with_node(self, connection: Any) -> list[str]:
        say("\nA node: worker 1 of group 0, with 4 slots.\n$ python node.py 1 0 4")
        log = self._directory / "node.log"
        with log.open("wb") as output, stop_put_off() as is_stopped:
            node = subprocess.Popen(
                [sys.executable, ROOT / "node.py", "1", "0", "4"],
                # Every process below the node inherits the mark, and is found by it.
                env=self._environment | {MARK: str(self._directory)},
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            if is_stopped():
                stopped()
            active = "SELECT active FROM long_task.worker WHERE id = 1"
            while not (rows(connection, active) or [(False,)])[0][0]:
                if node.poll() is not None:
                    return [f"the node ended: {log.read_text(errors='replace')}"]
                time.sleep(0.05)
            troubles = self._work(connection)
        finally:
            node.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                node.wait(LIMIT)
        return troubles + self._check_after(node)

    def _work(self, connection: Any) -> list[str]:
        self._psql(
            "queue.sql",
            files=json.dumps(self._names),
            source=str(self._source),
            target=str(self.target),
            python=sys.executable,
            compress=str(HERE / "compress.py"),
        )
        running = "SELECT 1 FROM long_task.running WHERE name = 'cancelled running'"
        deadline = time.monotonic() + LIMIT
        while not rows(connection, running) and time.monotonic() < deadline:
            time.sleep(0.05)
        self._psql("cancel.sql")
        if not show_progress(connection):
            return [f"some tasks had not ended after {LIMIT:g} s"]
        self._psql("report.sql")
        return [
            *check_rows(connection, self._names),
            *check_files(connection, self._source, self.target, self._names),
        ]

    def _check_after(self, node: "subprocess.Popen[bytes]") -> list[str]:
        troubles = [] if node.returncode == 0 else [f"the node ended with {node.returncode}"]
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(MARK) == str(self._directory):
                    troubles.append(f"left behind: {process.pid} {process.cmdline()}")
                    process.kill()
        return troubles

    def _psql(self, file: str, **variables: str) -> None:
        """Show a file of SQL while psql runs it."""
        say(f"\n$ pg-tasks psql -f {file}")
        settings = [f"--set={name}={value}" for name, value in variables.items()]
        words = ["psql", "-X", "-a", "-P", "pager=off", "-v", "ON_ERROR_STOP=1", *settings]
        self._run([*words, "-f", str(HERE / file)], capture=False)

    def _pg_tasks(self, *words: str) -> str:
        say("\n$ pg-tasks " + " ".join(words))
        return self._run(words, capture=True).strip()

    def _run(self, words: Sequence[str], *, capture: bool) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pg_tasks", *words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if capture else None,
            text=True,
            check=True,
        )
        return done.stdout or ""


def show_progress(connection: Any) -> bool:
    """One line that changes on a terminal, else a line now and then. False: it took too long."""
    live = sys.stdout.isatty()
    count = (
        "SELECT count(*) FILTER (WHERE state_id LIKE 'C%'), count(*),"
        " count(*) FILTER (WHERE running_on IS NOT NULL) FROM long_task.task"
    )
    deadline = time.monotonic() + LIMIT
    said_at, ended, total = 0.0, 0, 1
    while ended < total:
        now = time.monotonic()
        if now > deadline:
            return False
        ended, total, running = rows(connection, count)[0]
        if live or now >= said_at + 1 or ended == total:
            bar = "#" * (30 * ended // total)
            line = f"[{bar:<30}] {ended} of {total} tasks have ended, {running} are running "
            sys.stdout.write(f"\r{line}" if live else f"{line.rstrip()}\n")
            sys.stdout.flush()
            said_at = now
        time.sleep(0.1)
    say("" if live else None)
    return True


def check_rows(connection: Any, names: Sequence[str]) -> Iterator[str]:
    """What the rows say that they should not."""
    expected = {f"{verb} {name}": FINE for verb in ("hash", "compress") for name in names} | FATES
    fates = "SELECT name, state_id, exit_code, signal, attempt, error FROM long_task.task"
    found = {row[0]: Fate(*row[1:]) for row in rows(connection, fates)}
    for name in expected.keys() | found.keys():
        if found.get(name) != expected.get(name):
            yield f"{name}: {found.get(name)}, and it should be {expected.get(name)}"
    history = (
        "SELECT r.attempt, r.state_id, r.exit_code, r.signal FROM long_task.task_run AS r"
        " JOIN long_task.task AS t ON t.id = r.task_id WHERE t.name = %s ORDER BY r.attempt"
    )
    for name, runs in HISTORIES.items():
        seen = [Run(*row) for row in rows(connection, history, name)]
        if seen != runs:
            yield f"history of {name}: {seen}, and it should be {runs}"


def check_files(connection: Any, source: Path, target: Path, names: Sequence[str]) -> Iterator[str]:
    """Which hashes and which compressed files are wrong."""
    outputs = "SELECT name, output FROM long_task.task WHERE name LIKE 'hash %'"
    hashes = dict(rows(connection, outputs))
    for name in names:
        try:
            data = (source / name).read_bytes()
            if (hashes[f"hash {name}"] or "")[:64] != hashlib.sha256(data).hexdigest():
                yield f"the hash of {name} is wrong"
            if gzip.decompress((target / f"{name}.gz").read_bytes()) != data:
                yield f"{name}.gz does not become {name} again"
        except OSError as error:
            yield f"{error.filename}: {error.strerror}"


def rows(connection: Any, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())


def say(text: str | None) -> None:
    if text is not None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


@contextmanager
def own_directory() -> Iterator[Path]:
    """Private, but for the account under which root's PostgreSQL runs, and which passes through."""
    directory = Path(tempfile.mkdtemp(prefix="pg_tasks-demo-"))
    try:
        if os.geteuid() == 0:
            directory.chmod(0o711)
        yield directory
    finally:
        shutil.rmtree(directory)


@contextmanager
def stop_put_off() -> Iterator[Callable[[], bool]]:
    """SIGTERM is only noted: a process that is being started would be left to itself."""
    notes: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: notes.append(number))
    try:
        yield lambda: bool(notes)
    finally:
        signal.signal(signal.SIGTERM, before)


def stopped(*_: object) -> NoReturn:
    """SIGTERM tidies up as Ctrl-C does."""
    sys.exit(143)


def main() -> int:
    signal.signal(signal.SIGTERM, stopped)
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(sysconfig.get_path("stdlib"))
    began = time.monotonic()
    try:
        with own_directory() as directory:
            troubles = Demo(directory, source.resolve()).run()
    except subprocess.CalledProcessError:
        return 1  # it has said itself what is wrong
    except KeyboardInterrupt:
        return 130
    for trouble in troubles:
        say(f"WRONG: {trouble}")
    if troubles:
        return 1
    say(f"All as it should be, and nothing is left of it. {time.monotonic() - began:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
