"""Two installations take turns: how fast each works off its queue, how long its calls take."""

import json
import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any, NamedTuple

from benchmarks import peers
from benchmarks.lab import Lab, wait_until
from benchmarks.report import Result, at_least, at_most

SLOTS = 16
CLAIMING = "claiming call"
_WARM = 20
"""Calls that have plans and caches to make."""
_WAITING = 5000
"""Tasks for a second: more than any node can start."""


class Turns(NamedTuple):
    """What is said of the calls and rates of two installations."""

    benchmark: str
    seconds: float
    """Of a turn."""
    rounds: int
    calls: int
    """Timed, each of which takes as many reports in and claims as many tasks as there are slots."""


def compare(plain: Lab, other: Lab, name: str, turns: Turns) -> Iterator[Result]:
    """Tasks a second, of a node of each; then calls of both, by turns, without processes."""
    ratios = []
    for lab in (plain, other):
        _stop(lab, 1)
        fill(lab, round(_WAITING * turns.seconds))
    with plain.node(SLOTS), other.node(SLOTS):
        order = [plain, other]
        for lab in order:
            rate(lab, 0.5)
        rates: dict[Lab, list[float]] = {plain: [], other: []}
        for _ in range(turns.rounds):
            order.reverse()
            for lab in order:
                fill(lab, round(_WAITING * turns.seconds))
                rates[lab].append(rate(lab, turns.seconds))
        ratios = [mine / base for mine, base in zip(rates[other], rates[plain], strict=True)]
    yield Result(turns.benchmark, f"{name}: tasks", median(rates[other]), "/s")
    yield Result(turns.benchmark, f"{name}: to without", median(ratios), "x", at_least(0.9))
    yield Result(turns.benchmark, f"  {name}: to without, least", min(ratios), "x")
    yield Result(turns.benchmark, f"  {name}: to without, most", max(ratios), "x")
    yield from _calls(plain, other, name, turns)


def _calls(plain: Lab, other: Lab, name: str, turns: Turns) -> Iterator[Result]:
    for kind, took in call_times(plain, other, turns.calls).items():
        for lab, said in ((plain, f"without {name}"), (other, name)):
            ordered = sorted(took[lab])
            wanted = at_most(5) if lab is other and kind == CLAIMING else None
            for share, target in ((50, None), (99, wanted)):
                value = ordered[len(ordered) * share // 100] * 1e3
                yield Result(turns.benchmark, f"{said}: {kind}, p{share}", value, "ms", target)


def call_times(plain: Lab, other: Lab, calls: int) -> dict[str, dict[Lab, list[float]]]:
    """Seconds that calls take, their commit included, by turns: those that claim, and those that
    hand in as many ends too, as a node's do while its queue is never empty."""
    clients = {}
    for lab in (plain, other):
        _stop(lab, 0)
        fill(lab, 2 * (calls + _WARM) * SLOTS)
        clients[lab] = Client(lab)
    kinds = {CLAIMING: Client.claim, "call that claims and reports": Client.call}
    times: dict[str, dict[Lab, list[float]]] = {}
    for kind, timed in kinds.items():
        took: dict[Lab, list[float]] = {plain: [], other: []}
        for _ in range(calls + _WARM):
            for lab, client in clients.items():
                took[lab].append(timed(client, SLOTS))
        times[kind] = {lab: each[_WARM:] for lab, each in took.items()}
    for client in clients.values():
        client.leave()
    return times


def rate(lab: Lab, seconds: float) -> float:
    """Tasks that ended in each second while the node was let loose."""
    runs = "SELECT count(*) FROM long_task.task_run WHERE finished >= %s"
    began = lab.ask("SELECT clock_timestamp()")
    _stop(lab, 0)
    time.sleep(seconds)
    _stop(lab, 1)
    wait_until(lambda: not lab.ask("SELECT max(id) FROM long_task.task WHERE running_on = 1"))
    if not lab.ask(f"SELECT EXISTS ({_READY})"):
        raise RuntimeError("there was not enough to do")
    ended = lab.ask("SELECT max(finished) FROM long_task.task_run WHERE finished >= %s", began)
    return float(lab.ask(runs, began) / (ended - began).total_seconds())


_READY = (
    "SELECT FROM long_task.task WHERE state_id = 'AW' AND running_on IS NULL"
    " AND worker_id IS NULL AND group_id = 0"
)


def fill(lab: Lab, count: int) -> None:
    """See to it that so many tasks are waiting."""
    waiting = lab.ask(f"SELECT count(*) FROM ({_READY} LIMIT %s) AS waiting", count)
    lab.ask(
        "INSERT INTO long_task.task (state_id, command)"
        " SELECT 'AW', ARRAY[%s] FROM generate_series(1, %s)",
        peers.TRUE,
        count - waiting,
    )


def _stop(lab: Lab, code: int) -> None:
    """1: nothing is started any more, and the node stays."""
    lab.ask(
        "INSERT INTO long_task.worker_stop (worker_id, stop) VALUES (1, %s)"
        " ON CONFLICT (worker_id) DO UPDATE SET stop = EXCLUDED.stop",
        code,
    )
    lab.ask("SELECT pg_notify('long_task_worker_1', '')")


class Client:
    """Makes the calls of a node, and starts nothing."""

    def __init__(self, lab: Lab) -> None:
        self._connection = lab.connect()
        self._started: Sequence[dict[str, Any]] = ()
        lab.ask("DELETE FROM long_task.worker_lease WHERE NOT active")
        self._epoch = self._ask(
            "SELECT epoch FROM long_task.lock_worker"
            "(1, 0, 16, 'benchmark', 'host', 1, 'benchmark', 1, '1', 3600, 3600)"
        )

    def claim(self, slots: int) -> float:
        """Seconds of a call that only claims; what is still to be handed in, is before."""
        self._sync(self._started, 0)
        self._started = ()
        return self.call(slots)

    def call(self, slots: int) -> float:
        """Seconds of a call that hands in what the call before has started."""
        began = time.perf_counter()
        answer = self._sync(self._started, slots)
        took = time.perf_counter() - began
        self._started = answer["start"] or ()
        if len(self._started) < slots:
            raise RuntimeError("a call has claimed less than it could")
        return took

    def leave(self) -> None:
        """Nothing runs any more, and the worker is free."""
        self._sync(self._started, 0)
        self._ask("SELECT long_task.leave_worker(1, %s, 1)", self._epoch)
        self._connection.close()

    def _sync(self, ended: Sequence[dict[str, Any]], slots: int) -> dict[str, Any]:
        reports = json.dumps([_report(order) for order in ended]) if ended else None
        sync = "SELECT long_task.sync(1, %s, 1, %s, %s, 0)"
        answer: dict[str, Any] = self._ask(sync, self._epoch, reports, slots)
        return answer

    def _ask(self, statement: str, *values: object) -> Any:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            (value,) = cursor.fetchone() or (None,)
        return value


def _report(order: dict[str, Any]) -> dict[str, Any]:
    return {
        "task_id": order["task_id"],
        "attempt": order["attempt"],
        "pid": 1,
        "exit_code": 0,
        "started_ago": 0.002,
        "ended_ago": 0.001,
        "output": "",
    }
