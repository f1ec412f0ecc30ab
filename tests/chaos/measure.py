"""How long it takes until what died runs again, and what a lease costs.

Nothing here is asserted: a busy machine is slow, and no defect. The lease is the one of the tests.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from pg_tasks.messages import Fence
from tests.chaos.proxy import Proxy
from tests.chaos.witnesses import Witnesses
from tests.node.guardian_fixtures import guardian
from tests.node.running_node import SHORT_LEASE, RunningNode
from tests.servers import Database, Server
from tests.waiting import wait_until

_ROUNDS = 5
_FENCED = 100
_RENEWALS = 20


def measure(server: Server, directory: Path) -> Iterator[str]:
    """A line for each figure."""
    lease, delay = SHORT_LEASE["lease_duration"], SHORT_LEASE["recovery_delay"]
    yield f"lease {lease} s, recovery delay {delay} s; median and worst of {_ROUNDS}"
    takeovers, recoveries = _kills(server, directory, worker_id=1)
    yield _line("kill -9 of a node until its standby holds the worker", takeovers)
    yield _line("kill -9 of a node until a recovered task runs on the standby", recoveries)
    _, recoveries = _kills(server, directory, worker_id=2)
    yield _line("kill -9 of a node until a recovered task runs on another worker", recoveries)
    yield _line(f"fence until the last of {_FENCED} processes is dead", _fences(directory))
    yield f"statements for each renewal of an idle node: {_statements(server, directory):.2f}"


def _kills(server: Server, directory: Path, worker_id: int) -> tuple[list[float], list[float]]:
    """Seconds from the kill until another node serves, and until it runs what the dead one ran.

    ``worker_id``: of that other node. With 1 it is a standby, and on the same machine: it sees that
    the holder is dead and does not wait for the lease, as a node of another worker does.
    """
    takeovers, recoveries = [], []
    for number in range(_ROUNDS):
        place = directory / f"kill-{worker_id}-{number}"
        place.mkdir()
        with _database(server) as database:
            witnesses = Witnesses(database, place / "witnesses")
            node = _node(database, place, 1).serves()
            task = witnesses.add(600, 0, max_attempts=2, retry_delay="0")
            witnesses.begins(task)
            standby = _node(database, place, worker_id)
            standby.says("event=s")
            killed = time.clock_gettime(time.CLOCK_BOOTTIME)
            node.signal(signal.SIGKILL)
            standby.serves()
            takeovers.append(time.clock_gettime(time.CLOCK_BOOTTIME) - killed)
            recoveries.append(witnesses.begins(task, 2).at - killed)
            witnesses.judge()
            standby.close()
            node.close()
    return takeovers, recoveries


def _fences(directory: Path) -> list[float]:
    """Seconds from the deadline of a fence until the end of the last process, which is reaped."""
    found = []
    for number in range(_ROUNDS):
        place = directory / f"fence-{number}"
        place.mkdir()
        with guardian(place) as rig:
            tasks = [rig.start("sleep", "600") for _ in range(_FENCED)]
            for task in tasks:
                rig.started(task)
            deadline = time.clock_gettime(time.CLOCK_BOOTTIME) + 0.2
            rig.send(Fence(deadline))
            found.append(max(rig.ended(task).ended for task in tasks) - deadline)
    return found


def _statements(server: Server, directory: Path) -> float:
    """How many statements an idle node sends, for each time its lease was renewed."""
    with _database(server) as database:
        proxy = Proxy(database)
        node = _node(database, directory, 1, dsn=proxy.dsn).serves()
        connection = database.connect()

        def locked_until() -> object:
            with connection.cursor() as cursor:
                cursor.execute("SELECT locked_until FROM long_task.worker_lease")
                return cursor.fetchone()

        def renewed(before: object) -> object:
            return wait_until(locked_until, lambda now: now != before)

        last = renewed(renewed(locked_until()))
        before = proxy.questions
        for _ in range(_RENEWALS):
            last = renewed(last)
        sent = proxy.questions - before
        node.close()
        proxy.close()
    return sent / _RENEWALS


def _node(database: Database, directory: Path, worker_id: int, **settings: object) -> RunningNode:
    return RunningNode(
        database,
        directory,
        (worker_id, 0, 4),
        **{**SHORT_LEASE, **settings},  # type: ignore[arg-type]
    )


@contextmanager
def _database(server: Server) -> Iterator[Database]:
    made = server.create_database()
    try:
        yield made
    finally:
        made.close()
        server.drop(made.name)


def _line(what: str, seconds: list[float]) -> str:
    return f"{what}: {median(seconds):.3f} s, {max(seconds):.3f} s"
