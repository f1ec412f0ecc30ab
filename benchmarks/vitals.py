"""What must not grow in a long life: tables, memory, descriptors, processes that nobody reaped."""

from pathlib import Path
from typing import NamedTuple

from benchmarks.lab import Lab, NodeProcess

_SIZES = (
    "SELECT (sum(%s(oid)) / 1e6)::float FROM pg_class"
    " WHERE relnamespace = 'long_task'::regnamespace AND relkind = 'r'"
)


class Vitals(NamedTuple):
    """Megabytes, but for the last two."""

    tables: float
    indexes: float
    node: float
    """Resident."""
    guardian: float
    """Resident, all of them together."""
    backend: float
    """Memory of its own of the node's server process: plans and caches."""
    descriptors: int
    """Open ones of node and guardian."""
    zombies: int
    """Children of the guardians that have ended and are not reaped yet."""


def look(lab: Lab, node: NodeProcess) -> Vitals:
    """Now."""
    name = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'pg_tasks %'"
    backend = lab.ask(name)
    return Vitals(
        tables=lab.ask(_SIZES % "pg_table_size"),
        indexes=lab.ask(_SIZES % "pg_indexes_size"),
        node=_memory(node.pid, "VmRSS"),
        guardian=sum(_memory(pid, "VmRSS") for pid in node.guardians),
        backend=_memory(backend, "RssAnon"),
        descriptors=sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in node.pids),
        zombies=sum(_is_zombie(pid) for pid in node.tasks()),
    )


def _memory(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError(name)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
