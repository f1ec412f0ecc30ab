"""CPU time of a node, its guardians, the server and the tasks, by the kernel's own account."""

import os
from pathlib import Path
from typing import NamedTuple

from benchmarks.lab import Lab, NodeProcess, children

_TICKS = os.sysconf("SC_CLK_TCK")


class Cpu(NamedTuple):
    """Seconds in user mode and in the kernel."""

    tasks: float = 0.0
    node: float = 0.0
    guardian: float = 0.0
    postgresql: float = 0.0
    """All processes of the server, whoever they work for."""

    def since(self, before: "Cpu") -> "Cpu":
        return Cpu(*(now - then for now, then in zip(self, before, strict=True)))

    def plus(self, other: "Cpu") -> "Cpu":
        return Cpu(*(one + another for one, another in zip(self, other, strict=True)))

    def share(self) -> float:
        """What is spent on tasks beside the tasks themselves, of what these spend."""
        return (self.node + self.guardian + self.postgresql) / self.tasks


def server(lab: Lab) -> float:
    """Seconds of all processes of the server, until now."""
    # First the children: who ends meanwhile is counted when the postmaster reaps it.
    backends = sum(_times(pid).own for pid in children(lab.postmaster))
    return backends + sum(_times(lab.postmaster))


class _Times(NamedTuple):
    own: float
    reaped: float
    """Of the children that it has waited for, and theirs."""


def look(lab: Lab, node: NodeProcess) -> Cpu:
    """Until now. Of tasks, those that have been reaped."""
    keepers = [_times(pid) for pid in node.guardians]
    return Cpu(
        tasks=sum(times.reaped for times in keepers),
        node=_times(node.pid).own,
        guardian=sum(times.own for times in keepers),
        postgresql=server(lab),
    )


def _times(pid: int) -> _Times:
    """Nobody there: nothing. proc_pid_stat(5) has ticks, too few for a process that did little."""
    try:
        threads = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return _Times(0.0, 0.0)
    own = sum(int(thread.split()[0]) for thread in threads) / 1e9
    return _Times(own, (int(fields[13]) + int(fields[14])) / _TICKS)
