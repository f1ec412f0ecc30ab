"""A process that tells when it began, ended, or was asked to end.

The best is a few lines of C, linked statically, so that next to nothing but the kernel stands
between execve(2) and the first look at the clock. Without a C compiler it is the shell and
``date``, which take a millisecond to start themselves. What the probe costs when it is started
directly is measured beside it.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

_SOURCE = Path(__file__).with_name("probe.c")
_SHELL = """\
case $1 in
  start) exec date +%s.%N ;;
  both) date +%s.%N; sleep "$(printf '0.%03d' "$2")"; exec date +%s.%N ;;
  exit) sleep "$(printf '0.%03d' "$2")"; exec date +%s.%N ;;
  term) trap 'exec date +%s.%N' TERM; while :; do sleep 600 & wait $!; done ;;
esac
"""


class Probe(NamedTuple):
    """How to run it: ``command`` and then ``start``, ``exit <ms>``, ``both <ms>`` or ``term``."""

    command: list[str]
    clock: Callable[[], float]
    """The clock that it prints, seconds."""
    kind: str


def make(directory: Path) -> Probe:
    """The best one that can be had on this machine."""
    compiler = shutil.which("cc")
    program = directory / "probe"
    for link in (["-static"], []):
        words = [compiler or "", "-O1", *link, "-o", str(program), str(_SOURCE)]
        if compiler and subprocess.run(words, capture_output=True, check=False).returncode == 0:
            return Probe([str(program)], time.monotonic, "in C, " + (*link, "-dynamic")[0][1:])
    script = directory / "probe.sh"
    script.write_text(_SHELL)
    return Probe(["/bin/sh", str(script)], time.time, "shell and date")


def cost(probe: Probe) -> float:
    """Seconds from just before it is started directly to what it prints as its start."""
    reading, writing = os.pipe()
    began = probe.clock()
    pid = os.posix_spawn(
        probe.command[0],
        [*probe.command, "start"],
        os.environ,
        file_actions=((os.POSIX_SPAWN_DUP2, writing, 1),),
    )
    os.close(writing)
    os.waitpid(pid, 0)
    with open(reading, encoding="ascii") as output:  # noqa: PTH123 (a descriptor)
        return float(output.read()) - began
