"""Latency: from a person's commit to the process, and from its end to the row.

On an idle node; and on one whose slots are all busy with a queue that is never empty, where a row
of the best priority has to wait for the first slot that becomes free.
"""

import time
from collections.abc import Iterator, Sequence
from statistics import median

from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks import peers, probe
from benchmarks.lab import Lab, wait_until
from benchmarks.probe import Probe
from benchmarks.report import Result, Target, at_most, say

NAME = "latency"
_PAUSE = 0.03
"""Seconds between two samples, so that the node is idle again."""
_LIFE = 40
"""Milliseconds that the process lives whose end is watched."""
_P50, _P99 = at_most(2.5), at_most(8)
_UNDER_LOAD = at_most(50)
_FULL = 16
"""Slots of the node that has no free one."""
_WARM_UP = 5
_LOW, _MORE = 2_000, 4_000
"""Fewer waiting than the first, and so many are added: a second's work at least."""


def run(lab: Lab, *, small: bool) -> Iterator[Result]:
    """Every sample is a task of its own; nothing else runs."""
    starts, others = (8, 4) if small else (300, 100)
    made = probe.make(lab.directory)
    say(f"  the probe is {made.kind}")
    direct = [probe.cost(made) for _ in range(others)]
    yield from _percentiles("started directly, for comparison", direct, None, None)
    connection = lab.connect(autocommit=False)
    with lab.node(4):
        sent, committed = _starts(lab, connection, made, starts)
        yield from _percentiles("INSERT committed -> first instruction", committed, _P50, _P99)
        yield from _percentiles("  the same from before the COMMIT", sent, None, None)
        seen = [_end(lab, connection, made) for _ in range(others)]
        yield from _percentiles("process exit -> final state visible", seen, _P50, None)
        signalled = [_cancel(lab, connection, made) for _ in range(others)]
        yield from _percentiles("AC committed -> SIGTERM", signalled, _P50, None)
    with lab.node(_FULL):
        yield from _under_load(lab, connection, made, starts)
    connection.close()
    lab.empty()


def _starts(
    lab: Lab, connection: Connection, made: Probe, count: int
) -> tuple[list[float], list[float]]:
    sent: list[float] = []
    committed: list[float] = []
    for _ in range(count):
        time.sleep(_PAUSE)
        task = _insert(connection, [*made.command, "start"])
        before = made.clock()
        connection.commit()
        after = made.clock()
        first = _output(lab, task)
        sent.append(first - before)
        committed.append(first - after)
    return sent, committed


def _end(lab: Lab, connection: Connection, made: Probe) -> float:
    """A second connection asks without a pause, but not before the process is about to end."""
    time.sleep(_PAUSE)
    task = _insert(connection, [*made.command, "exit", str(_LIFE)])
    connection.commit()
    time.sleep(_LIFE / 1000 / 2)
    wait_until(lambda: _is_final(lab, task), pause=0.0002)
    visible = made.clock()
    return visible - _output(lab, task)


def _cancel(lab: Lab, connection: Connection, made: Probe) -> float:
    task = _insert(connection, [*made.command, "term"])
    connection.commit()
    wait_until(lambda: lab.ask("SELECT state_id FROM long_task.task WHERE id = %s", task) == "AE")
    # Claimed is not yet started, and a handler has to be set up.
    time.sleep(2 * _PAUSE)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE long_task.task SET state_id = 'AC' WHERE id = %s", (task,))
    connection.commit()
    asked = made.clock()
    return _output(lab, task) - asked


def _under_load(lab: Lab, connection: Connection, made: Probe, count: int) -> Iterator[Result]:
    """Each sample is a row of the best priority; all others are ``/bin/true`` of the worst."""
    lab.empty()
    for _ in range(_WARM_UP):
        _urgent(lab, connection, made)
    ended = "SELECT count(*) FROM long_task.task_run"
    before, began = lab.ask(ended), time.monotonic()
    waits = [_urgent(lab, connection, made) for _ in range(count)]
    turn = _FULL * (time.monotonic() - began) / (lab.ask(ended) - before)
    name = "under full load: INSERT -> first instruction"
    yield from _percentiles(name, waits, None, _UNDER_LOAD)
    yield Result(NAME, "under full load: tasks that ended", _FULL / turn, "/s")
    yield Result(NAME, "under full load: a slot's turn", turn * 1000, "ms")
    yield Result(NAME, f"{name}, p50 to a slot's turn", median(waits) / turn, "x")


def _urgent(lab: Lab, connection: Connection, made: Probe) -> float:
    """Seconds that it waits, with many others in the queue."""
    enough = "SELECT true FROM long_task.task WHERE state_id = 'AW' OFFSET %s"
    while not lab.ask(enough, _LOW):
        lab.ask(
            "INSERT INTO long_task.task (state_id, priority, command)"
            " SELECT 'AW', 1, ARRAY[%s] FROM generate_series(1, %s)",
            peers.TRUE,
            _MORE,
        )
    time.sleep(_PAUSE)
    task = _insert(connection, [*made.command, "start"], priority=-1)
    connection.commit()
    committed = made.clock()
    return _output(lab, task) - committed


def _insert(connection: Connection, command: Sequence[str], priority: int = 0) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO long_task.task (state_id, command, priority) VALUES ('AW', %s, %s)"
            " RETURNING id",
            (list(command), priority),
        )
        (task,) = cursor.fetchone() or (0,)
    return int(task)


def _is_final(lab: Lab, task: int) -> bool:
    state = "SELECT state_id FROM long_task.task WHERE id = %s"
    return str(lab.ask(state, task)).startswith("C")


def _output(lab: Lab, task: int) -> float:
    """What the probe of a task printed, once its row has it."""
    wait_until(lambda: _is_final(lab, task), pause=0.005)
    return float(lab.ask("SELECT output FROM long_task.task WHERE id = %s", task))


def _percentiles(
    name: str, samples: Sequence[float], p50: Target | None, p99: Target | None
) -> Iterator[Result]:
    ordered = sorted(samples)
    for percent, target in ((50, p50), (99, p99)):
        value = ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]
        yield Result(NAME, f"{name}, p{percent}", value * 1000, "ms", target)
