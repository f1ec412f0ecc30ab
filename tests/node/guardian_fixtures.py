"""A real guardian for a test, and ways to wait for what it says and does."""

import itertools
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pg_tasks.guardian.config import Config
from pg_tasks.messages import Ended, Fenced, Kill, News, Request, Start, Started
from pg_tasks.node.guardian_link import GuardianLink
from tests.waiting import wait_until

LIMIT = 60.0
"""Seconds: more than anything takes on a busy machine; only a failure waits that long."""
PROGRAMS = Path(__file__).parent / "programs"
FAMILY = PROGRAMS / "family.py"

Found = TypeVar("Found")


class Rig:
    """A guardian, and everything it has said so far."""

    def __init__(self, link: GuardianLink, directory: Path) -> None:
        self.link = link
        self.directory = directory
        self.news: list[News] = []
        self._ids = itertools.count(1)
        self._marks: dict[int, tuple[str, Path]] = {}

    def send(self, *requests: Request) -> None:
        self.link.send(requests)
        while self.link.wants_write:
            select.select([], [self.link], [], LIMIT)
            self.link.flush()

    def start(self, *argv: str, **options: object) -> int:
        """Start one attempt of a task; returns its id. ``options``: fields of Start."""
        task_id = next(self._ids)
        self.send(self.request(task_id, *argv, **options))
        return task_id

    def request(self, task_id: int, *argv: str, **options: object) -> Start:
        start = Start(task_id, 1, list(argv), None, {}, None, None, 10.0)
        return start._replace(**options)  # type: ignore[arg-type]

    def family(self, part: str, ready: int, **options: object) -> int:
        """Start a part of ``programs/family.py``; return when ``ready`` processes are set up."""
        task_id = next(self._ids)
        mark, file = f"mark-{os.getpid()}-{id(self)}-{task_id}", self.directory / f"ready-{task_id}"
        self._marks[task_id] = mark, file
        argv = (sys.executable, "-S", "-E", str(FAMILY), part, mark, str(file))
        self.send(self.request(task_id, *argv, **options))
        wait_until(
            lambda: file.exists() and file.stat().st_size >= ready, describe=f"{part} to be set up"
        )
        return task_id

    def alive(self, task_id: int) -> list[int]:
        """The pids of the processes of a family that have not ended, wherever they are."""
        return pids_with(self._marks[task_id][0])

    def kill(self, task_id: int, reason: str = "cancelled", **options: object) -> None:
        self.send(Kill(task_id, 1, reason)._replace(**options))  # type: ignore[arg-type]

    def ended(self, task_id: int) -> Ended:
        """Wait for the end of the attempt, and return it."""
        return self.wait(lambda: self._find_ended(task_id), f"the end of task {task_id}")

    def started(self, task_id: int) -> Started:
        return self.wait(lambda: self._find_started(task_id), f"the start of task {task_id}")

    def fenced(self) -> Fenced:
        return self.wait(
            lambda: next((item for item in self.news if isinstance(item, Fenced)), None), "Fenced"
        )

    def run(self, *argv: str, **options: object) -> Ended:
        return self.ended(self.start(*argv, **options))

    def shell(self, script: str, **options: object) -> Ended:
        return self.run("/bin/sh", "-c", script, **options)

    def wait(self, find: Callable[[], Found | None], what: str) -> Found:
        """Receive until ``find`` finds something."""
        until = time.monotonic() + LIMIT
        while (found := find()) is None:
            assert time.monotonic() < until, f"waited for {what}; so far: {self.news[-20:]}"
            select.select([self.link], [], [], 1.0)
            self.news += self.link.receive()
        return found

    def _find_ended(self, task_id: int) -> Ended | None:
        for item in self.news:
            if isinstance(item, Ended) and item.task_id == task_id:
                return item
        return None

    def _find_started(self, task_id: int) -> Started | None:
        for item in self.news:
            if isinstance(item, Started) and item.task_id == task_id:
                return item
        return None


@contextmanager
def guardian(directory: Path, **options: object) -> Iterator[Rig]:
    """A guardian for the length of a block; ``options``: fields of Config."""
    config = Config(str(directory / "run"), str(directory))._replace(**options)  # type: ignore[arg-type]
    link = GuardianLink.start(config)
    try:
        yield Rig(link, directory)
    finally:
        link.close()


def pids_with(mark: str) -> list[int]:
    """The processes of this machine that have ``mark`` in their command line; zombies have none."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                if mark.encode() in (path / "cmdline").read_bytes():
                    found.append(int(path.name))
            except OSError:
                continue
    return found


def status_field(pid: int, field: str) -> int:
    """A number of /proc/<pid>/status, in its own unit."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise AssertionError(f"no {field} in the status of {pid}")
