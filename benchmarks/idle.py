"""What a node costs while there is nothing for it to do."""

import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.lab import Lab, NodeProcess
from benchmarks.report import say

RENEWAL = 10.0
"""Seconds: the default of lease_renewal."""
LOGGED = "-c log_statement=all"
"""The server setting with which a node that is to be watched connects."""


class Idleness(NamedTuple):
    """What was seen of a node for some time."""

    share: float
    """Of one core, by node and guardian together."""
    renewals: int
    queries: int
    """Beside the renewals."""


def watch(lab: Lab, node: NodeProcess, seconds: float) -> Idleness:
    """CPU time of the node, and what it asks, by the server's own log of statements."""
    say(f"  watching an idle node for {seconds:.0f} s")
    backend = lab.ask("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'pg_tasks %'")
    size = "SELECT size FROM pg_stat_file(pg_current_logfile())"
    offset, began = lab.ask(size), time.monotonic()
    before = _cpu(node)
    time.sleep(seconds)
    share = (_cpu(node) - before) / (time.monotonic() - began)
    said = "SELECT pg_read_file(pg_current_logfile(), %s, 100000000, true)"
    mine = [
        line
        for line in str(lab.ask(said, offset)).splitlines()
        if f"[{backend}]" in line and "statement:" in line
    ]
    # A renewal is the call that hands in a lease duration, the second last argument.
    renewals = [line for line in mine if "long_task.sync" in line and ", 30.0, " in line]
    return Idleness(share, len(renewals), len(mine) - len(renewals))


def _cpu(node: NodeProcess) -> float:
    """Seconds that both have been on a processor, to the nanosecond."""
    times = (Path(f"/proc/{pid}/schedstat").read_text().split()[0] for pid in node.pids)
    return sum(int(time_on_cpu) / 1e9 for time_on_cpu in times)
