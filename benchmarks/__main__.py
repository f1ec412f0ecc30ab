"""``python -m benchmarks [<name> …] [--small] [--json <file>]``.

Measures, prints each number beside its target, and writes them down, each run in a file of its own.
The exit code says whether it ran, not whether the targets were met: a busy machine misses them, and
is no defect.
"""

import argparse
import sys
import time
from pathlib import Path

from benchmarks import (
    depth,
    doctor,
    fleet,
    graphs,
    latency,
    peers,
    people,
    report,
    retention,
    schedules,
    size,
    snapshots,
    storage,
    throughput,
    two_nodes,
)
from benchmarks.lab import opened
from benchmarks.report import Result, say

_ALL = {
    module.NAME: module.run
    for module in (
        throughput,
        two_nodes,
        latency,
        schedules,
        graphs,
        depth,
        snapshots,
        size,
        people,
        fleet,
        retention,
        doctor,
    )
} | {storage.PACKING: storage.packing, storage.VACUUMING: storage.vacuuming}
_RESULTS = Path(__file__).parent / "results"


def main() -> int:
    words = _arguments()
    results: list[Result] = []
    began = time.monotonic()
    with opened() as lab:
        machine = report.describe_machine(lab.ask("SHOW server_version"), peers.versions())
        fsync = lab.ask("SHOW fsync")
        say(f"PostgreSQL {machine.postgresql}, fsync {fsync}; Python {machine.python};")
        say(f"{machine.cores} cores, {machine.memory_gib} GiB, Linux {machine.kernel};")
        say(f"commit {machine.commit}")
        for name in words.names or _ALL:
            say(f"{name}:")
            for result in _ALL[name](lab, small=words.small):
                report.show([result])
                results.append(result)
    path = words.json or _RESULTS / report.file_name(machine)
    report.write(path, machine, results)
    missed = [item for item in results if item.target and not item.target.is_met(item.value)]
    targets = sum(item.target is not None for item in results)
    say(f"{targets - len(missed)} of {targets} targets met, in {time.monotonic() - began:.0f} s;")
    if missed:
        say("missed:")
        report.show(missed)
    say(f"written to {path}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help="of " + ", ".join(_ALL))
    parser.add_argument(
        "--small", action="store_true", help="a first look: that it runs, and next to no samples"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help=f"[{_RESULTS}/<date>-<commit>.json]"
    )
    words = parser.parse_args()
    for name in words.names:
        if name not in _ALL:
            parser.error(f"there is no benchmark {name}")
    return words


if __name__ == "__main__":
    sys.exit(main())
