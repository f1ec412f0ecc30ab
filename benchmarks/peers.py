"""What others do in the same minute: each runs ``/bin/true`` so many times, so many at once.

All get the environment that a node gets. What is inside the time, and what becomes of output:

xargs -P
    Its own start of a millisecond, and reading the queue from a pipe that holds it already. Output
    goes to ``/dev/null``; nothing is captured, kept or told apart.
raw posix_spawn
    Spawning and reaping in one Python process, which has started before. Nothing is captured.
GNU parallel
    Its own start of some 0.1 s, a tenth of its time. Output is captured in files, as it always is.
HyperQueue
    Server, worker and client are up and have run some tasks before; handing in the queue, some 5 µs
    for each task, is inside. With output thrown away, and with output captured in files.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

TRUE = "/bin/true"
XARGS = "xargs -P"
POSIX_SPAWN = "raw posix_spawn"
GNU_PARALLEL = "GNU parallel"
HYPERQUEUE = "HyperQueue"
HYPERQUEUE_CAPTURING = "HyperQueue, output to files"
WHERE = {
    GNU_PARALLEL: "Debian's package parallel",
    HYPERQUEUE: "make bench installs the optional dependencies bench",
    HYPERQUEUE_CAPTURING: "the same",
}
"""Where those come from that a machine may not have."""
Environment: TypeAlias = Mapping[str, str]
Peer: TypeAlias = Callable[[int, int, Environment], float]
"""Count, at once, environment -> seconds."""
_HERE = Path(__file__).parent
_PATIENCE = 120.0


def xargs(count: int, parallel: int, environment: Environment) -> float:
    """Seconds that ``xargs -P`` takes."""
    return _fed(count, ["xargs", f"-P{parallel}", "-n1", TRUE], environment)


def gnu_parallel(count: int, parallel: int, environment: Environment) -> float:
    """The same for GNU parallel."""
    return _fed(count, ["parallel", "--will-cite", f"-j{parallel}", "-n1", TRUE], environment)


def posix_spawn(count: int, parallel: int, environment: Environment) -> float:
    """Seconds that spawning and reaping alone take, from one Python process."""
    words = [sys.executable, "-S", __file__, str(count), str(parallel)]
    done = subprocess.run(words, env=environment, capture_output=True, check=True, text=True)
    return float(done.stdout)


def hyperqueue(count: int, parallel: int, environment: Environment) -> float:
    """Seconds that HyperQueue takes, one worker with as many cores as are to run at once."""
    return _hyperqueue(count, parallel, environment, "discard")


def hyperqueue_capturing(count: int, parallel: int, environment: Environment) -> float:
    """The same, with two files for each task."""
    return _hyperqueue(count, parallel, environment, "capture")


def present() -> dict[str, Peer]:
    """The peers that this machine has, by name."""
    peers: dict[str, Peer] = {XARGS: xargs, POSIX_SPAWN: posix_spawn}
    if importlib.util.find_spec("hyperqueue"):
        peers[HYPERQUEUE] = hyperqueue
        peers[HYPERQUEUE_CAPTURING] = hyperqueue_capturing
    if shutil.which("parallel"):
        peers[GNU_PARALLEL] = gnu_parallel
    return peers


def versions() -> dict[str, str]:
    """Of the tools that this machine has."""
    found = {}
    for tool in ("xargs", "parallel"):
        if shutil.which(tool):
            done = subprocess.run([tool, "--version"], capture_output=True, check=False, text=True)
            found[tool] = done.stdout.splitlines()[0]
    if importlib.util.find_spec("hyperqueue"):
        found["hyperqueue"] = metadata.version("hyperqueue")
    return found


def _fed(count: int, words: list[str], environment: Environment) -> float:
    lines = "".join(f"{number}\n" for number in range(count))
    began = time.perf_counter()
    subprocess.run(
        words, env=environment, input=lines, text=True, stdout=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - began


def _hyperqueue(count: int, parallel: int, environment: Environment, output: str) -> float:
    with tempfile.TemporaryDirectory(prefix="pg_tasks-bench-") as directory:
        words = [sys.executable, str(_HERE / "hyperqueue_peer.py"), str(count), str(parallel)]
        done = subprocess.run(
            [*words, output],
            env=environment,
            cwd=directory,
            capture_output=True,
            check=True,
            text=True,
            timeout=_PATIENCE,
        )
    return float(done.stdout.splitlines()[-1])


def _flat(count: int, parallel: int) -> float:
    environment = dict(os.environb)
    began = time.perf_counter()
    running = 0
    while count or running:
        while count and running < parallel:
            os.posix_spawn(TRUE, [TRUE], environment)
            count -= 1
            running += 1
        os.wait4(-1, 0)
        running -= 1
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.stdout.write(str(_flat(int(sys.argv[1]), int(sys.argv[2]))))
