"""What a person does with tasks in psql, for tests."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psycopg2.extras import Json, NamedTupleCursor

from tests.servers import Database
from tests.waiting import wait_until

PROGRAMS = Path(__file__).parent / "programs"


def program(name: str, *arguments: object) -> list[str]:
    """A command that runs one of the small programs beside these tests."""
    return [sys.executable, "-I", str(PROGRAMS / f"{name}.py"), *map(str, arguments)]


def shell(script: str) -> list[str]:
    """A command that runs a shell script."""
    return ["/bin/sh", "-c", script]


def has_ended(row: Any) -> bool:
    """Nothing of the task in this row runs or is going to."""
    return bool(row.state_id.startswith("C") and row.running_on is None)


class Tasks:
    """The tasks of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection = database.connect()

    def sql(self, statement: str, *values: Any) -> list[Any]:
        """Runs a statement in a transaction of its own; the rows, with named columns."""
        with self._connection.cursor(cursor_factory=NamedTupleCursor) as cursor:
            cursor.execute(statement, values or None)  # type: ignore[no-untyped-call]
            return cursor.fetchall() if cursor.description is not None else []

    def reconnect(self) -> None:
        """After the server was stopped: a connection to the one that runs now."""
        self._connection = self._database.connect()

    def add(self, command: Sequence[str], **columns: object) -> int:
        """Inserts a task, ready unless ``columns`` say otherwise; its id."""
        row = {"state_id": "AW", "command": list(command), **columns}
        values = [Json(value) if isinstance(value, dict) else value for value in row.values()]
        (added,) = self.sql(
            f"INSERT INTO long_task.task ({', '.join(row)})"
            f" VALUES ({', '.join(['%s'] * len(row))}) RETURNING id",
            *values,
        )
        return int(added.id)

    def add_many(self, commands: Sequence[Sequence[str]], **columns: object) -> list[int]:
        """Inserts ready tasks by one statement, in order; their ids."""
        row = {"state_id": "AW", **columns}
        added = self.sql(
            f"INSERT INTO long_task.task (command, {', '.join(row)})"
            " SELECT ARRAY(SELECT json_array_elements_text(c.value)),"
            f" {', '.join(['%s'] * len(row))}"
            " FROM json_array_elements(%s) WITH ORDINALITY AS c(value, place) ORDER BY c.place"
            " RETURNING id",
            *row.values(),
            json.dumps([list(command) for command in commands]),
        )
        return [int(one.id) for one in added]

    def set(self, task_id: int, **columns: object) -> None:
        """Updates a task."""
        self.sql(
            f"UPDATE long_task.task SET {', '.join(f'{name} = %s' for name in columns)}"
            " WHERE id = %s",
            *columns.values(),
            task_id,
        )

    def row(self, task_id: int) -> Any:
        """The task as it is."""
        (found,) = self.sql("SELECT * FROM long_task.task WHERE id = %s", task_id)
        return found

    def runs(self, task_id: int) -> list[Any]:
        """Its history, first attempt first."""
        return self.sql(
            "SELECT * FROM long_task.task_run WHERE task_id = %s ORDER BY attempt", task_id
        )

    def why(self, task_id: int) -> str:
        (answer,) = self.sql("SELECT long_task.why(%s)", task_id)
        return str(answer.why)

    def in_state(self, task_id: int, *states: str, limit: float = 60.0) -> Any:
        """Waits until the task is in one of ``states``; the row."""
        return wait_until(
            lambda: self.row(task_id),
            lambda row: row.state_id in states,
            describe=f"task {task_id} to be {' or '.join(states)}",
            limit=limit,
        )

    def ended(self, task_id: int, limit: float = 60.0) -> Any:
        """Waits until nothing of the task runs or is going to; the row."""
        return wait_until(
            lambda: self.row(task_id),
            has_ended,
            describe=f"task {task_id} to end",
            limit=limit,
        )

    def all_ended(self, limit: float = 120.0) -> list[Any]:
        """Waits until every task that is no draft has ended; the rows in order of id."""
        # The last one is cheap to look at; counting ten thousand rows all the time would be work.
        (last,) = self.sql("SELECT max(id) AS id FROM long_task.task WHERE state_id <> 'DR'")
        self.ended(last.id, limit)
        wait_until(
            lambda: self.sql(
                "SELECT state_id, count(*), min(id) AS first FROM long_task.task"
                " WHERE state_id LIKE 'A%' OR running_on IS NOT NULL GROUP BY state_id"
            ),
            lambda rows: not rows,
            describe="every task to end",
            limit=limit,
        )
        return self.sql("SELECT * FROM long_task.task WHERE state_id <> 'DR' ORDER BY id")
