"""Throughput of ``/bin/true``, output captured and history written, beside other tools."""

from collections.abc import Iterator
from statistics import median

from benchmarks import peers
from benchmarks.lab import Lab, wait_until
from benchmarks.report import Result, at_least, say

NAME = "throughput"
_OURS = "pg_tasks"
_SLOTS = {8: at_least(0.9), 16: at_least(1.0), 50: at_least(1.0)}
"""With the ratio to xargs that is wanted."""
_SLOW = {peers.GNU_PARALLEL: 8}
"""Peers that get fewer processes to start in a round, by this factor."""


def run(lab: Lab, *, small: bool) -> Iterator[Result]:
    """Rounds in which each tool has its turn, so that the machine's moods hit all alike."""
    count, rounds = (300, 1) if small else (2000, 5)
    present = peers.present()
    if peers.GNU_PARALLEL not in present:
        say(f"  {peers.GNU_PARALLEL} is absent (Debian's package parallel has it)")
    for slots, target in _SLOTS.items():
        rates: dict[str, list[float]] = {name: [] for name in (_OURS, *present)}
        with lab.node(slots):
            _rate(lab, 100)
            for _ in range(rounds):
                for name, peer in present.items():
                    some = count // _SLOW.get(name, 1)
                    rates[name].append(some / peer(some, slots))
                rates[_OURS].append(_rate(lab, count))
        for name, found in rates.items():
            yield Result(NAME, f"{slots} at once: {name}", median(found), "/s")
        for name in present:
            pairs = zip(rates[_OURS], rates[name], strict=True)
            ratio = median(ours / theirs for ours, theirs in pairs)
            wanted = target if name == "xargs -P" else None
            yield Result(NAME, f"{slots} at once: {_OURS} to {name}", ratio, "x", wanted)


def _rate(lab: Lab, count: int) -> float:
    """Tasks in a second, from the commit of the INSERT to the last one's final state."""
    lab.empty()
    connection = lab.connect(autocommit=False)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO long_task.task (state_id, command)"
                " SELECT 'AW', ARRAY[%s] FROM generate_series(1, %s)",
                (peers.TRUE, count),
            )
            cursor.execute("SELECT clock_timestamp()")
            (began,) = cursor.fetchone() or (None,)
        connection.commit()
    finally:
        connection.close()
    # Both questions have an index of a few entries: to ask is next to nothing.
    busy = (
        "SELECT EXISTS (SELECT FROM long_task.task WHERE running_on IS NOT NULL) OR EXISTS ("
        " SELECT FROM long_task.task WHERE state_id = 'AW' AND running_on IS NULL"
        " AND worker_id IS NULL AND group_id = 0)"
    )
    wait_until(lambda: not lab.ask(busy), pause=0.1)
    ended = "SELECT count(*) FROM long_task.task_run WHERE state_id = 'CS' AND exit_code = 0"
    if lab.ask(ended) != count:
        raise RuntimeError("not every task ended well")
    took = "SELECT extract(epoch FROM max(last_state_change) - %s)::float FROM long_task.task"
    return count / float(lab.ask(took, began))
