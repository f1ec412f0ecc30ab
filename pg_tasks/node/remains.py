"""What a dead node of this machine has left: is it dead for certain, and is anything of it alive?

A node is named by boot, host, account, pid namespace, pid and start, so that its name never comes
twice; that name is in its worker's lease, and the directory in its guardian's arguments and in the
environment of its tasks carries the end of it too (``run_dir``). Nodes of other boots and pid
namespaces cannot be judged here, nor those of other accounts but by root: the environment of what
they have left cannot be read. The host is there for machines that went on from one snapshot of a
memory, which share the boot id.
"""

import logging
import os
import re
import socket
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path
from signal import SIGKILL
from typing import NamedTuple

from pg_tasks.guardian.tree import Process, ProcessTree
from pg_tasks.log import event
from pg_tasks.node import run_dir

logger = logging.getLogger(__name__)

_PROCESS = re.compile(r"(?P<machine>.+)/(?P<account>\d+)/(?P<name>[^/]+)/[^/]+")
_EXECVE = 0.25
"""Seconds that are waited for processes in the middle of execve(2). It takes microseconds, but one
that loses its core in it waits for its next turn: 30 ms with two processes more than cores."""
_LOOK_AGAIN = 0.001
_ROUNDS = 8
"""Scans of one call: what forks faster than that is met again in the next call."""


class Proof(Enum):
    """What is known of a node."""

    DEAD = auto()
    """The node, its guardian and all its processes are gone."""
    DYING = auto()
    """The node is gone; its guardian kills its processes, or this process just did, or one cannot
    be told yet from those of others: ask again."""
    NONE = auto()
    """It is alive, or nothing can be said."""


def name_process() -> str:
    """The name of a node in this process, told apart from others of the same process."""
    name = run_dir.name_process(ProcessTree())
    return f"{_machine()}/{os.geteuid()}/{name}/{uuid.uuid4().hex[:8]}"


def judge(process: str) -> Proof:
    """What is known of the node that ``name_process`` named. Kills what it has left behind."""
    tree = ProcessTree()
    match = _PROCESS.fullmatch(process)
    if match is None or match["machine"] != _machine():
        return Proof.NONE
    if os.geteuid() not in (0, int(match["account"])) or not run_dir.is_dead(match["name"], tree):
        return Proof.NONE
    dead = {match["name"]}
    guarded = any(name in dead for _, name in _guardians(tree))
    left = _kill(tree, dead - _working_guardians(tree, dead))
    return Proof.DYING if guarded or left.killed or left.unclear else Proof.DEAD


def kill_remains() -> int:
    """Kill the processes of all dead nodes of this machine whose guardians are dead or stopped.

    Returns how many. They are the ones that can be read: those of this account, or for root all.
    Blocks for a moment while there are processes in the middle of execve(2).
    """
    tree = ProcessTree()
    names = {name for _, name in _tasks(tree).found if run_dir.is_dead(name, tree)}
    killed = _kill(tree, names - _working_guardians(tree, names)).killed if names else 0
    if killed:
        event(logger, logging.WARNING, "remains_killed", processes=killed)
    return killed


class _Tasks(NamedTuple):
    found: list[tuple[Process, str]]
    """Each process that began as a task's, and the name of the node whose task it is."""
    unclear: bool
    """There are processes that have not shown whose they are."""


class _Left(NamedTuple):
    killed: int
    unclear: bool
    """As in ``_Tasks``."""


def _working_guardians(tree: ProcessTree, dead: set[str]) -> set[str]:
    """Those of the ``dead`` nodes whose guardians are at work.

    A guardian that is stopped is killed: it would have nothing to do but to kill its tasks, and
    does not come to it.
    """
    working = set()
    for guardian, name in _guardians(tree):
        if name not in dead:
            continue
        if guardian.stopped:
            with suppress(PermissionError):
                tree.signal(guardian, SIGKILL)
                continue
        working.add(name)
    return working


def _kill(tree: ProcessTree, names: set[str]) -> _Left:
    """Kill the tasks of the nodes of these names, until no new process turns up."""
    seen: set[tuple[int, int]] = set()
    killed = 0
    unclear = False
    for _ in range(_ROUNDS if names else 0):
        tasks, unclear = _tasks(tree)
        fresh = [
            process
            for process, name in tasks
            if name in names and (process.pid, process.started) not in seen
        ]
        if not fresh:
            break
        for process in fresh:
            seen.add((process.pid, process.started))
            # A task that has become somebody else's (setuid) is out of reach.
            with suppress(PermissionError):
                killed += tree.signal(process, SIGKILL)
    return _Left(killed, unclear)


def _tasks(tree: ProcessTree) -> _Tasks:
    """Look at all processes, and for longer at those in the middle of execve(2).

    Whose these are they do not show. To pass over one that is a task's would be to leave it alive
    for good: whoever asks acts on the answer.
    """
    found, unclear = _sort(tree, tree.everything())
    until = time.monotonic() + _EXECVE
    while unclear and time.monotonic() < until:
        time.sleep(_LOOK_AGAIN)
        more, unclear = _sort(tree, unclear)
        found += more
    return _Tasks(found, bool(unclear))


def _sort(
    tree: ProcessTree, processes: Iterable[Process]
) -> tuple[list[tuple[Process, str]], list[Process]]:
    """The tasks' processes, with names as in ``_Tasks``, and those that are to be asked again."""
    found = []
    unclear = []
    for process in processes:
        if process.zombie:
            continue
        cookie = tree.cookie(process.pid)
        if cookie is not None:
            found.append((process, os.fsdecode(cookie.rpartition(b"/")[0].rpartition(b"/")[2])))
            continue
        now = tree.look(process.pid)
        # With one program before and after, it was in no execve(2) when it was asked.
        if now is not None and (now.program is None or now.program != process.program):
            unclear.append(now)
    return found, unclear


def _guardians(tree: ProcessTree) -> Iterator[tuple[Process, str]]:
    """Each guardian that is alive, and the name of its node, by what its arguments say."""
    for process in tree.everything():
        name = None if process.zombie else run_dir.name_in_arguments(tree.arguments(process.pid))
        if name is not None:
            yield process, name


def _machine() -> str:
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot_id}/{socket.gethostname()}"
