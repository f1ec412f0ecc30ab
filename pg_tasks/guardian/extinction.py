"""The end of everything: kill all children and all below them, and wait until they are gone."""

import os
from collections.abc import Callable
from signal import SIGKILL

from pg_tasks.guardian.log import log
from pg_tasks.guardian.tree import Process, ProcessTree


def kill_children(tree: ProcessTree, spare: Callable[[Process], bool]) -> int:
    """SIGKILL every child of this process that ``spare`` does not name, and its whole tree.

    This process must be a subreaper, so that what loses its parent turns up as a child. Returns
    when none is left, with the number of processes killed; only what may not be signalled (setuid)
    is left over, and logged.
    """
    own_session = os.getsid(0)
    killed: set[tuple[int, int]] = set()
    refused: set[int] = set()
    while children := _children(tree, spare, refused):
        found = tree.descendants(process.pid for process in children)
        for process in children:
            # While it is not reaped the number of its group is certainly not somebody else's.
            if process.session != own_session:
                _kill_group(process.group)
        for process in found:
            if not process.zombie:
                _kill(tree, process, killed, refused)
        for process in children:
            if process.pid not in refused:
                _wait(process.pid)
    return len(killed)


def _children(
    tree: ProcessTree, spare: Callable[[Process], bool], refused: set[int]
) -> list[Process]:
    looked = [tree.look(pid) for pid in tree.children(os.getpid()) if pid not in refused]
    return [process for process in looked if process is not None and not spare(process)]


def _kill(
    tree: ProcessTree, process: Process, killed: set[tuple[int, int]], refused: set[int]
) -> None:
    killed.add((process.pid, process.started))
    try:
        tree.signal(process, SIGKILL)
    except PermissionError:
        killed.discard((process.pid, process.started))
        refused.add(process.pid)
        log("signal_refused", pid=process.pid, signal=int(SIGKILL))


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _wait(pid: int) -> None:
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        return
