"""Processes that are hard to end: ``family.py <part> <mark> <ready file>``.

Each has the mark in its command line, and adds one byte to the ready file when it is set up.
"""

import os
import signal
import sys
import time


def settle(ready: str) -> None:
    """Say that this process is set up, and stay for longer than any test."""
    say(ready)
    while True:
        time.sleep(600)


def say(ready: str) -> None:
    fd = os.open(ready, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, b"x")
    os.close(fd)


def deaf() -> None:
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)


def run_below(part: str, environment: dict[str, str] | None = None) -> None:
    """Become ``part`` by execve, as a program started by another one does."""
    argv = [sys.executable, "-S", "-E", __file__, part, *sys.argv[2:]]
    os.execve(sys.executable, argv, os.environ if environment is None else environment)


def fork(part: str, environment: dict[str, str] | None = None) -> int:
    pid = os.fork()
    if pid == 0:
        run_below(part, environment)
    return pid


def daemonize(part: str, environment: dict[str, str] | None = None) -> None:
    """Fork, setsid, fork, setsid: the way daemons leave the session they were started in."""
    first = os.fork()
    if first == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            run_below(part, environment)
        os._exit(0)
    os.waitpid(first, 0)


def await_size(path: str, size: int) -> None:
    while len(read(path)) < size:
        time.sleep(0.002)


def read(path: str) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return b""
    try:
        return os.read(fd, 4096)
    finally:
        os.close(fd)


def part_sleep(ready: str) -> None:
    settle(ready)


def part_deaf(ready: str) -> None:
    deaf()
    settle(ready)


def part_stopped(ready: str) -> None:
    say(ready)
    os.kill(os.getpid(), signal.SIGSTOP)
    settle(ready)


def part_silent(ready: str) -> None:
    """Closes what it was given, as a daemon does."""
    for fd in (0, 1, 2):
        os.close(fd)
    settle(ready)


def part_three_generations(ready: str) -> None:
    """3 processes: parent, child, grandchild; the two last in sessions of their own."""
    fork("child_in_own_session")
    settle(ready)


def part_child_in_own_session(ready: str) -> None:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        run_below("deaf")
    settle(ready)


def part_stays_with_daemon(ready: str) -> None:
    daemonize("deaf")
    settle(ready)


def part_stays_with_stopped_daemon(ready: str) -> None:
    daemonize("stopped")
    settle(ready)


def part_leaves_child(ready: str) -> None:
    fork("sleep")
    await_size(ready, 1)


def part_leaves_deaf_child(ready: str) -> None:
    fork("deaf")
    await_size(ready, 1)


def part_leaves_daemon(ready: str) -> None:
    daemonize("sleep")
    await_size(ready, 1)


def part_leaves_wiped_daemon(ready: str) -> None:
    daemonize("deaf", {})
    await_size(ready, 1)


def part_leaves_silent_daemon(ready: str) -> None:
    daemonize("silent")
    await_size(ready, 1)


def part_leaves_stopped_child(ready: str) -> None:
    fork("stopped")
    await_size(ready, 1)


def part_leaves_wiped_family(ready: str) -> None:
    """A daemon with an empty environment that has a child in yet another session."""
    daemonize("three_generations", {})
    await_size(ready, 3)


def part_wiped_below(ready: str) -> None:
    """A child in its own session with an empty environment, whose parent takes SIGTERM."""
    if os.fork() == 0:
        os.setsid()
        run_below("deaf", {})
    settle(ready)


def part_main_takes_term(ready: str) -> None:
    fork("deaf")
    settle(ready)


def part_leaves_child_that_answers(ready: str) -> None:
    fork("answers")
    await_size(ready, 1)


def part_answers(ready: str) -> None:
    """Starts another process in answer to SIGTERM, and goes.

    By posix_spawn: a signal that comes between fork and exec, while the handler still is the
    parent's, would be taken by the handler and be lost.
    """

    def answer(*_: object) -> None:
        argv = [sys.executable, "-S", "-E", __file__, "own_session", *sys.argv[2:]]
        os.posix_spawn(sys.executable, argv, os.environ)
        os._exit(0)

    signal.signal(signal.SIGTERM, answer)
    settle(ready)


def part_own_session(ready: str) -> None:
    os.setsid()
    settle(ready)


def part_hop(ready: str) -> None:
    """Never stays: forks, and the parent is gone, each time in a session of its own."""
    deaf()
    say(ready)
    while True:
        if os.fork():
            os._exit(0)
        os.setsid()


def part_bomb(ready: str) -> None:
    """Forks into 2, 4, 8, … 64 processes that ignore SIGTERM and are replaced when they die."""
    deaf()
    for _ in range(6):
        os.fork()
    say(ready)
    while True:
        if os.fork() == 0:
            time.sleep(0.05)
            os._exit(0)
        os.wait()


PARTS = {name[5:]: part for name, part in globals().items() if name.startswith("part_")}

if __name__ == "__main__":
    PARTS[sys.argv[1]](sys.argv[3])
