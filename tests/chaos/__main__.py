"""``python -m tests.chaos [--minutes N] [--seed N]``: a long storm, and what faults take.

The exit code says whether every promise was kept.
"""

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.chaos.measure import measure
from tests.chaos.storm import Storm, Weather
from tests.servers import UNIX_ONLY, Server, find_versions


def main() -> int:
    words = _arguments()
    server = Server(find_versions().newest, UNIX_ONLY)
    directory = Path(tempfile.mkdtemp(prefix="pg_tasks-chaos-"))
    try:
        if words.measure:
            for line in measure(server, directory):
                _say(line)
        failed = words.minutes > 0 and _storm(server, directory, words)
    finally:
        server.close()
    if failed:
        _say(f"logs and witnesses are in {directory}")
    else:
        shutil.rmtree(directory)
    return int(failed)


def _storm(server: Server, directory: Path, words: argparse.Namespace) -> bool:
    """Whether something was wrong."""
    _say(f"a storm of {words.minutes:g} minutes; seed {words.seed}")
    weather = Weather(words.minutes * 60, words.tasks, words.seed)
    try:
        outcome = Storm(server, directory, weather).pass_over()
    except AssertionError as error:
        _say(f"seed {words.seed}: {error}")
        return True
    _say(f"{outcome.seconds:.0f} s, every promise kept")
    _show("faults", outcome.faults)
    _show("leases", outcome.events)
    _show("tasks", outcome.tasks)
    _show("attempts", outcome.attempts)
    return False


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="of faults [%(default)s]")
    parser.add_argument("--tasks", type=int, default=2000, help="to be queued [%(default)s]")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--no-measure", dest="measure", action="store_false")
    return parser.parse_args()


def _show(name: str, counted: Counter[str]) -> None:
    words = ", ".join(f"{count} {what}" for what, count in counted.most_common())
    _say(f"  {name}: {counted.total()} ({words})")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
