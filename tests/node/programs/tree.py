"""``tree.py <kind> <directory>``: a process tree that is hard to end, each for ever.

Each process leaves an empty file named by its pid in the directory, once it is as hard as it gets.
"""

import os
import signal
import sys
import time
from pathlib import Path

FOREVER = 100_000.0
directory = Path(sys.argv[2])


def stay() -> None:
    (directory / str(os.getpid())).touch()
    while True:
        time.sleep(FOREVER)


def children(count: int) -> None:
    for _ in range(count):
        if os.fork() == 0:
            if os.fork() == 0:
                stay()
            stay()


def daemon(environment: dict[str, str] | None = None) -> None:
    """As daemons are made, twice: nothing but its environment tells where it came from."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.setsid()
                if environment is not None:
                    arguments = [sys.executable, "-I", __file__, "stay", str(directory)]
                    os.execve(sys.executable, arguments, environment)
                stay()
        os._exit(0)
    os.wait()


match sys.argv[1]:
    case "stay":
        stay()
    case "forks":
        children(3)
        stay()
    case "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        children(2)
        stay()
    case "daemon":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        daemon()
        stay()
    case "wiped":
        daemon({})
        stay()
    case "left":
        daemon()
        children(1)
        while len(list(directory.iterdir())) < 3:
            time.sleep(0.01)
    case "stopped":
        if os.fork() == 0:
            (directory / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGSTOP)
            stay()
        (directory / str(os.getpid())).touch()
        os.kill(os.getpid(), signal.SIGSTOP)
        stay()
    case kind:
        sys.exit(f"no such tree: {kind}")
