"""Who acts in the tests of the procedures: people with SQL, and the calls that nodes make."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple, TypeAlias

import psycopg2
from psycopg2 import sql as text
from psycopg2.extensions import connection as Connection  # noqa: N812

from pg_tasks.node.calls import Locked, Synced, parse_locked, parse_synced
from tests.waiting import wait_until

Report: TypeAlias = dict[str, Any]
_starts = count(1)
LEASE = 30.0
RECOVERY_DELAY = 5.0
STATES = ("DR", "AW", "AD", "AB", "AE", "AS", "AC", "CS", "CF", "CC")
EXECUTING = ("AE", "AS", "AC")
ALLOWED = {
    ("DR", "AW"): "AW",
    ("AB", "AW"): "AW",
    ("AD", "AW"): "AD",  # its time has not come: that is what makes it AD
    ("AW", "AC"): "CC",
    ("AD", "AC"): "CC",
    ("AB", "AC"): "CC",
    ("AE", "AS"): "AS",
    ("AE", "AC"): "AC",
    ("AS", "AC"): "AC",
    ("AE", "CS"): "CS",
    ("AE", "CF"): "CF",
    ("AS", "CS"): "CS",
    ("AS", "CF"): "CF",
    ("CS", "AW"): "AW",
    ("CF", "AW"): "AW",
    ("CC", "AW"): "AW",
    ("CS", "DR"): "DR",
    ("CF", "DR"): "DR",
    ("CC", "DR"): "DR",
    **{(state, state): state for state in STATES},
}
"""What a task becomes if a person writes the second state over the first; all else is refused."""


class Refusal(NamedTuple):
    """What PostgreSQL said instead of doing it."""

    code: str
    message: str
    hint: str | None
    detail: str | None
    context: str | None = None


class Sql:
    """One session, and what a person does in it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def run(self, statement: str | text.Composable, *values: object) -> int:
        """Runs a statement and tells how many rows it touched."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.rowcount

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of an answer."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def row(self, statement: str, *values: object) -> tuple[Any, ...]:
        """The only row of an answer."""
        (row,) = self.rows(statement, *values)
        return row

    def value(self, statement: str, *values: object) -> Any:
        """The only value of an answer."""
        (value,) = self.row(statement, *values)
        return value

    def values(self, statement: str, *values: object) -> list[Any]:
        """The only column of an answer."""
        return [value for (value,) in self.rows(statement, *values)]

    def refusal(self, statement: str, *values: object) -> Refusal:
        """Runs what must be refused, takes it back, and tells how it was refused."""
        inside = not self.connection.autocommit
        if inside:
            self.run("SAVEPOINT refusal")
        try:
            self.run(statement, *values)
        except psycopg2.Error as error:
            if inside:
                self.run("ROLLBACK TO SAVEPOINT refusal")
            facts = error.diag
            assert facts.sqlstate and facts.message_primary
            return Refusal(
                facts.sqlstate, facts.message_primary, facts.message_hint, facts.message_detail,
                facts.context,
            )  # fmt: skip
        raise AssertionError(f"was not refused: {statement} {values}")

    def insert(self, **columns: object) -> int:
        """Inserts a task, ready and runnable unless told otherwise, and returns its id."""
        given: dict[str, object] = {"state_id": "AW", "command": ["true"], **columns}
        statement = text.SQL("INSERT INTO long_task.task ({}) VALUES ({}) RETURNING id").format(
            text.SQL(", ").join(map(text.Identifier, given)),
            text.SQL(", ").join(text.Placeholder() * len(given)),
        )
        with self.connection.cursor() as cursor:
            cursor.execute(statement, [_adapted(value) for value in given.values()])
            row = cursor.fetchone()
        assert row
        return int(row[0])

    def change(self, task_id: int, **columns: object) -> int:
        """Updates a task; how many rows that were."""
        statement = text.SQL("UPDATE long_task.task SET {} WHERE id = %s").format(
            text.SQL(", ").join(
                text.SQL("{} = %s").format(text.Identifier(name)) for name in columns
            )
        )
        return self.run(statement, *map(_adapted, columns.values()), task_id)

    def look(self, task_id: int, columns: str = "state_id") -> Any:
        """The columns of a task: a value if it is one, else a tuple."""
        row = self.row(f"SELECT {columns} FROM long_task.task WHERE id = %s", task_id)
        return row[0] if len(row) == 1 else row

    def whole(self, task_id: int) -> tuple[Any, ...]:
        """All of a task."""
        return self.row("SELECT * FROM long_task.task WHERE id = %s", task_id)

    def force(self, task_id: int, **columns: object) -> None:
        """Puts a task into a shape without asking any trigger."""
        with self.without_triggers():
            self.change(task_id, **columns)

    @contextmanager
    def without_triggers(self) -> Iterator[None]:
        """Nothing of the schema's own looks at what is written."""
        self.run("SET session_replication_role = replica")
        yield
        self.run("SET session_replication_role = origin")

    def runs(self, task_id: int, columns: str) -> list[tuple[Any, ...]]:
        """The history of a task, attempt by attempt."""
        return self.rows(
            f"SELECT {columns} FROM long_task.task_run WHERE task_id = %s ORDER BY attempt", task_id
        )


class Node:
    """The calls of a node that serves one worker. It remembers its epoch, and nothing else."""

    def __init__(
        self, sql: Sql, worker_id: int = 1, group_id: int = 0, slots: int = 4, *, lock: bool = True
    ) -> None:
        self.sql = sql
        self.worker_id = worker_id
        self.group_id = group_id
        self.slots = slots
        self.epoch: int | None = None
        self.connection = 1
        self.watched: list[str] = []
        """The leases of others that it has seen: it always counts as having waited for them."""
        self.waited_for: list[str] = []
        """The same of the one that holds its own worker."""
        self.name = f"node-{worker_id}"
        self.process = f"boot/1/4711/{next(_starts)}"
        if lock:
            # The second time it has seen the lease that it waits for.
            assert self.lock().epoch is not None or self.lock().epoch is not None

    def lock(self, *reports: Report, lease: float = LEASE, dead: str | None = None) -> Locked:
        """Asks for the worker, and keeps the epoch if it is given. ``dead``: a process."""
        statement, values = self.lock_call(*reports, lease=lease, dead=dead)
        row = self.sql.row(statement, *values)
        locked = parse_locked(row)
        self.epoch = locked.epoch if locked.epoch is not None else self.epoch
        if locked.held_lease is not None:
            self.waited_for = [locked.held_lease.lease]
        return locked

    def lock_call(
        self, *reports: Report, lease: float = LEASE, dead: str | None = None
    ) -> tuple[str, tuple[object, ...]]:
        """The statement of a lock, and its values."""
        statement = (
            "SELECT * FROM long_task.lock_worker"
            "(%s, %s, %s, %s, 'host', 4711, %s, %s, '1', %s, %s, %s, %s, %s)"
        )
        return statement, (
            self.worker_id,
            self.group_id,
            self.slots,
            self.name,
            self.process,
            self.connection,
            lease,
            RECOVERY_DELAY,
            json.dumps(reports),
            dead,
            self.waited_for,
        )

    def connect(self, lease: float = LEASE) -> None:
        """Keeps the worker over another connection."""
        self.connection += 1
        self.sql.run(
            "SELECT long_task.renew_lease(%s, %s, %s, %s)",
            self.worker_id,
            self.epoch,
            self.connection,
            lease,
        )

    def sync_call(
        self,
        *reports: Report,
        free: int | None = None,
        known: Sequence[int] | None = None,
        lease: float | None = None,
    ) -> tuple[str, tuple[object, ...]]:
        """The statement of a sync, and its values."""
        statement = "SELECT long_task.sync(%s, %s, %s, %s::json, %s, %s, %s, %s::bigint[], %s)"
        return statement, (
            self.worker_id,
            self.epoch,
            self.connection,
            json.dumps(reports) if reports else None,
            self.slots if free is None else free,
            0,
            lease,
            known if known is None else list(known),
            self.watched,
        )

    def sync(
        self,
        *reports: Report,
        free: int | None = None,
        known: Sequence[int] | None = None,
        lease: float | None = None,
    ) -> Synced:
        """The call of a working node."""
        statement, values = self.sync_call(*reports, free=free, known=known, lease=lease)
        answer = parse_synced(self.sql.row(statement, *values))
        if lease is not None:
            self.watched = [item.lease for item in answer.watch or ()]
        return answer

    def claim(self, free: int | None = None) -> list[int]:
        """What a sync gives to start, by id."""
        return [order.task_id for order in self.sync(free=free).start]

    def report(self, task_id: int, attempt: int = 1, **facts: Any) -> list[int]:
        """Reports an end without asking for work. Returns what has to be handed in again."""
        return sorted(self.sync(ended(task_id, attempt, **facts), free=0).again)

    def attend(self) -> list[tuple[int, int, str]]:
        """What is to be stopped, killed or left."""
        return sorted((item[0], item[1], item[2]) for item in self.sync(free=0).attend)

    def settle(self) -> None:
        """Syncs until nothing is left over that somebody held a row of."""
        left = (
            "SELECT (SELECT count(*) FROM long_task.unsettled_task)"
            " + (SELECT count(*) FROM long_task.unsettled_key)"
            " + (SELECT count(*) FROM long_task.unsettled_workflow)"
        )
        wait_until(lambda: self.sync(free=0) and self.sql.value(left) == 0, describe="all settled")

    def leave(self) -> bool:
        """Gives the worker back."""
        return bool(
            self.sql.value(
                "SELECT long_task.leave_worker(%s, %s, %s)",
                self.worker_id,
                self.epoch,
                self.connection,
            )
        )


def ended(task_id: int, attempt: int = 1, **facts: Any) -> Report:
    """The report of an attempt that exited with 0, unless ``facts`` say otherwise."""
    return {
        "task_id": task_id,
        "attempt": attempt,
        "pid": 4711,
        "exit_code": 0,
        "signal": None,
        "core_dumped": False,
        "reason": None,
        "timeout": None,
        "error": None,
        "started_ago": 2.0,
        "ended_ago": 0.5,
        "user_seconds": 0.25,
        "system_seconds": 0.125,
        "peak_memory": 1048576,
        "output": None,
        "result": None,
        **facts,
    }


def _adapted(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict) else value
