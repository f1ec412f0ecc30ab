"""What others do in the same minute: each runs ``/bin/true`` so many times, so many at once."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TypeAlias

TRUE = "/bin/true"
GNU_PARALLEL = "GNU parallel"
Peer: TypeAlias = Callable[[int, int], float]
"""Count, at once -> seconds."""


def xargs(count: int, parallel: int) -> float:
    """Seconds that ``xargs -P`` takes, its own start included."""
    return _fed(count, ["xargs", f"-P{parallel}", "-n1", TRUE])


def gnu_parallel(count: int, parallel: int) -> float:
    """The same for GNU parallel, which captures output as pg_tasks does."""
    return _fed(count, ["parallel", "--will-cite", f"-j{parallel}", "-n1", TRUE])


def posix_spawn(count: int, parallel: int) -> float:
    """Seconds that spawning and reaping alone take, from one Python process."""
    words = [sys.executable, "-S", __file__, str(count), str(parallel)]
    return float(subprocess.run(words, capture_output=True, check=True, text=True).stdout)


def present() -> dict[str, Peer]:
    """The peers that this machine has, by name."""
    peers: dict[str, Peer] = {"xargs -P": xargs, "raw posix_spawn": posix_spawn}
    if shutil.which("parallel"):
        peers[GNU_PARALLEL] = gnu_parallel
    return peers


def _fed(count: int, words: list[str]) -> float:
    lines = "".join(f"{number}\n" for number in range(count))
    began = time.perf_counter()
    subprocess.run(words, input=lines, text=True, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


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
