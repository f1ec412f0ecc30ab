"""Tasks of one database that are witnesses, and what they have seen."""

import sys
from pathlib import Path

from tests.chaos.verdict import Begin, Line, judge, read_lines
from tests.node.tasks import Tasks
from tests.servers import Database
from tests.waiting import wait_until

_PROGRAM = Path(__file__).with_name("witness.py")


class Witnesses:
    """Tasks that run ``witness.py``; they write below ``directory``."""

    def __init__(self, database: Database, directory: Path) -> None:
        directory.mkdir()
        self._database = database
        self._directory = directory
        self.tasks = Tasks(database)

    def command(self, *seconds: float, code: int = 0, helper: bool = False) -> list[str]:
        """Runs for ``seconds`` (of the first attempt, the second, …) and exits with ``code``."""
        spans = ",".join(f"{span:g}" for span in seconds)
        words = [str(self._directory), spans, str(code), *(["helper"] if helper else [])]
        return [sys.executable, "-I", "-S", str(_PROGRAM), *words]

    def add(self, *seconds: float, code: int = 0, helper: bool = False, **columns: object) -> int:
        """Queues a task that runs a ``command``; its id."""
        return self.tasks.add(self.command(*seconds, code=code, helper=helper), **columns)

    def add_many(self, count: int, *seconds: float, code: int = 0, **columns: object) -> list[int]:
        """Queues ``count`` tasks alike; their ids."""
        return self.tasks.add_many([self.command(*seconds, code=code)] * count, **columns)

    def lines(self) -> list[Line]:
        """What they have written so far."""
        return read_lines(self._directory)

    def begins(self, task_id: int, attempt: int = 1) -> Begin:
        """Waits until the attempt runs."""

        def look() -> list[Begin]:
            return [
                line
                for line in self.lines()
                if isinstance(line, Begin) and (line.task_id, line.attempt) == (task_id, attempt)
            ]

        return wait_until(look, describe=f"attempt {attempt} of task {task_id} to begin")[0]

    def judge(self) -> None:
        """Waits until every task is over; raises AssertionError for what must not have been."""
        self.tasks.all_ended()
        connection = self._database.connect()
        judge(self._directory, connection)
        connection.close()
