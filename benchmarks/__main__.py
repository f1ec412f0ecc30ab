"""``python -m benchmarks [<name> …] [--small] [--json <file>]``.

Measures, prints each number beside its target, and writes them down. The exit code says whether it
ran, not whether the targets were met: a busy machine misses them, and is no defect.
"""

import argparse
import sys
import time
from pathlib import Path

from benchmarks import fleet, graphs, latency, people, report, schedules, size, throughput
from benchmarks.lab import opened
from benchmarks.report import Result, say

_ALL = {
    module.NAME: module.run
    for module in (throughput, latency, schedules, graphs, size, people, fleet)
}
_JSON = Path(__file__).parent / "results" / "latest.json"


def main() -> int:
    words = _arguments()
    results: list[Result] = []
    began = time.monotonic()
    with opened() as lab:
        machine = report.describe_machine(lab.ask("SHOW server_version"))
        fsync = lab.ask("SHOW fsync")
        say(f"PostgreSQL {machine.postgresql}, fsync {fsync}; Python {machine.python};")
        say(f"{machine.cores} cores, {machine.memory_gib} GiB, Linux {machine.kernel}")
        for name in words.names or _ALL:
            say(f"{name}:")
            for result in _ALL[name](lab, small=words.small):
                report.show([result])
                results.append(result)
    report.write(words.json, machine, results)
    missed = [item for item in results if item.target and not item.target.is_met(item.value)]
    targets = sum(item.target is not None for item in results)
    say(f"{targets - len(missed)} of {targets} targets met, in {time.monotonic() - began:.0f} s;")
    say(f"written to {words.json}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help="of " + ", ".join(_ALL))
    parser.add_argument("--small", action="store_true", help="fewer samples: a minute in all")
    parser.add_argument("--json", type=Path, default=_JSON, metavar="FILE", help="[%(default)s]")
    words = parser.parse_args()
    for name in words.names:
        if name not in _ALL:
            parser.error(f"there is no benchmark {name}")
    return words


if __name__ == "__main__":
    sys.exit(main())
