"""What a dead node of this machine has left: is it dead for certain, and is anything of it alive?

A node is named by boot, pid namespace, pid and start, so that its name never comes twice; that name
is in its worker's lease, and the directory in its guardian's arguments and in the environment of
its tasks carries it too (``run_dir``). Nodes of other boots and namespaces cannot be judged here.
"""

import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path
from signal import SIGKILL

from pg_tasks.guardian.tree import Process, ProcessTree
from pg_tasks.log import event
from pg_tasks.node import run_dir

logger = logging.getLogger(__name__)


class Proof(Enum):
    """What is known of a node."""

    DEAD = auto()
    """The node, its guardian and all its processes are gone."""
    DYING = auto()
    """The node is gone; its guardian kills its processes, or this process just did: ask again."""
    NONE = auto()
    """It is alive, or nothing can be said."""


def name_process() -> str:
    """The name of a node in this process, told apart from others of the same process."""
    return f"{_boot_id()}/{run_dir.name_process(ProcessTree())}/{uuid.uuid4().hex[:8]}"


def judge(process: str) -> Proof:
    """What is known of the node that ``name_process`` named. Kills what it has left behind."""
    tree = ProcessTree()
    boot_id, _, rest = process.partition("/")
    name = rest.partition("/")[0]
    if boot_id != _boot_id() or not run_dir.is_dead(name, tree):
        return Proof.NONE
    if name in _guardians(tree):
        return Proof.DYING
    return Proof.DYING if _kill(tree, {name}) else Proof.DEAD


def kill_remains() -> int:
    """Kill the processes of all dead nodes of this machine whose guardians are dead too.

    Returns how many. They are the ones that can be read: those of this account, or for root all.
    """
    tree = ProcessTree()
    names = {name for _, name in _tasks(tree) if run_dir.is_dead(name, tree)}
    killed = _kill(tree, names - _guardians(tree)) if names else 0
    if killed:
        event(logger, logging.WARNING, "remains_killed", processes=killed)
    return killed


def _kill(tree: ProcessTree, names: set[str]) -> int:
    killed = 0
    for process, name in _tasks(tree) if names else ():
        # A task that has become somebody else's (setuid) is out of reach.
        with suppress(PermissionError):
            killed += name in names and tree.signal(process, SIGKILL)
    return killed


def _tasks(tree: ProcessTree) -> Iterator[tuple[Process, str]]:
    """Each process that began as a task's, and the name of the node whose task it is."""
    for process in tree.everything():
        if process.zombie:
            continue
        cookie = tree.cookie(process.pid)
        if cookie is not None:
            yield process, os.fsdecode(cookie.rpartition(b"/")[0].rpartition(b"/")[2])


def _guardians(tree: ProcessTree) -> set[str]:
    """The nodes whose guardians are alive, by what their arguments say."""
    found = set()
    for process in tree.everything():
        name = None if process.zombie else run_dir.name_in_arguments(tree.arguments(process.pid))
        if name is not None:
            found.add(name)
    return found


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
