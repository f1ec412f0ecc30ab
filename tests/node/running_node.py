"""A node as a process of its own, beside the test, and everything that it starts."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from tests.servers import Database
from tests.waiting import wait_until

_NODE = Path(__file__).resolve().parents[2] / "node.py"
_MARK = "NODE_OF_A_TEST"
_SETTINGS: Mapping[str, object] = {"log_level": "debug", "stop_grace": 0.3, "kill_grace": 1}
SHORT_LEASE: Mapping[str, object] = {
    "lease_duration": 2,
    "lease_renewal": 0.5,
    "lease_margin": 0.5,
    "recovery_delay": 0.3,
}
"""Settings for tests in which a lease has to end."""
QUIET_LEASE: Mapping[str, object] = {"lease_duration": 3600, "lease_renewal": 1790}
"""A lease whose renewal cannot be what made something happen."""


class RunningNode:
    """A real ``node.py``.

    Every process below it carries a mark in its environment that no other has, so that whatever is
    left of it is found wherever it went.
    """

    def __init__(
        self,
        database: Database,
        directory: Path,
        arguments: tuple[int, int, int],
        *,
        prefix: tuple[str, ...] = (),
        environ: Mapping[str, str] | None = None,
        **settings: object,
    ) -> None:
        """``arguments``: worker, group, slots; ``prefix``: words before the command line."""
        self.worker_id = arguments[0]
        self.root = directory / "root"
        self.root.mkdir(exist_ok=True)
        self._database = database
        self._connection = database.connect()
        self._mark = f"{_MARK}={uuid.uuid4()}"
        self._log = directory / f"node-{self.worker_id}-{self._mark[-6:]}.log"
        options = {"dsn": database.node_dsn, "root": self.root, **_SETTINGS, **settings}
        name, _, value = self._mark.partition("=")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(*prefix, sys.executable, str(_NODE), *map(str, arguments)),
                    *(f"--{key.replace('_', '-')}={what}" for key, what in options.items()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=directory,
                env={**clean_environment(), name: value, **(environ or {})},
            )
        self._process = psutil.Process(self.process.pid)

    @property
    def pid(self) -> int:
        return self.process.pid

    def serves(self) -> "RunningNode":
        """Waits until the node holds its worker."""
        wait_until(self._has_worker, describe=lambda: f"the node to serve; its log:\n{self.log()}")
        return self

    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text(errors="replace")

    def says(self, text: str) -> str:
        """Waits until the log contains ``text``, and returns all of it."""
        return wait_until(self.log, lambda log: text in log, describe=f"the log to say {text!r}")

    def guardian(self) -> psutil.Process:
        """Its present guardian; the oldest, if it has several."""
        return self.guardians()[0]

    def guardians(self) -> list[psutil.Process]:
        """Its present guardians, the oldest first. It has no other children."""
        return sorted(wait_until(self._process.children), key=lambda child: child.pid)

    def tasks(self) -> list[psutil.Process]:
        """Every process that came from a task and is alive, wherever it went."""
        own = {self.pid, *(child.pid for child in self._own_children())}
        return [process for process in self.alive() if process.pid not in own]

    def alive(self) -> list[psutil.Process]:
        """Every process that bears the mark: the node, its guardian, and whatever they started."""
        mark = self._mark.encode()
        found = []
        for pid in psutil.pids():
            if mark in _environ(pid):
                with suppress(psutil.NoSuchProcess):
                    found.append(psutil.Process(pid))
        return found

    def memory(self) -> int:
        """Bytes of resident memory of node and guardians."""
        processes = [self._process, *self.guardians()]
        return sum(int(process.memory_info().rss) for process in processes)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self, limit: float = 60.0) -> int:
        """Waits for the end of the node's process; its exit code."""
        code = wait_until(
            self.process.poll,
            lambda found: found is not None,
            describe=lambda: f"the node to end; its log:\n{self.log()}",
            limit=limit,
        )
        assert code is not None
        return code

    def stop(self) -> int:
        """Ends the node as an operator does; its exit code."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.ended()

    def close(self) -> None:
        """Ends the node and looks at what a node that is gone must never have left."""
        running = self.process.poll() is None
        try:
            # One that a test has frozen could not hear anything.
            if running:
                self.signal(signal.SIGCONT)
            code = self.stop()
            wait_until(self.alive, lambda found: not found, describe="nothing of the node to live")
        finally:
            self._kill_what_is_left()
        assert not running or code == 0, self.log()
        assert "Traceback" not in self.log(), self.log()

    def _kill_what_is_left(self) -> None:
        for process in self.alive():
            process.kill()
        self.process.wait()

    def _own_children(self) -> list[psutil.Process]:
        try:
            return self._process.children()
        except psutil.NoSuchProcess:
            return []

    def _has_worker(self) -> bool:
        assert self.process.poll() is None, self.log()
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT FROM long_task.worker WHERE id = %s AND pid = %s AND active",
                (self.worker_id, self.pid),
            )
            return cursor.fetchone() is not None


def clean_environment() -> dict[str, str]:
    """This process's environment without what would decide about a node or its connection."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "XDG", "COVERAGE"))
    } | {"PG_TASKS_CONFIG": os.devnull}


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
