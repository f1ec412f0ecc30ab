"""Process trees as /proc shows them (proc(5)), and signals that cannot hit a stranger."""

import os
import signal
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

COOKIE = b"PG_TASKS_RESULT="
"""The environment entry that tells whose a process is, unique to an attempt of a guardian."""
_ENVIRON_LIMIT = 4 * 1024 * 1024
_THREADS = 8
"""Of one process that are asked."""
_LIST_READ = 65536
_LIST_END = 2048
"""The kernel gives a list out by pages of at least 4096 bytes: less than half is its end."""


class Process(NamedTuple):
    """A process when it was looked at; ``pid`` and ``started`` together never come twice."""

    pid: int
    parent: int
    group: int
    session: int
    started: int
    """Clock ticks after the machine's start."""
    zombie: bool
    """It has ended, all its threads too, and waits for its parent to take note."""
    stopped: bool = False
    """By SIGSTOP or its like: it does nothing until somebody lets it go on."""
    program: int | None = 0
    """Where its program lies, mostly elsewhere after each execve(2); 0: it has no memory, 1: that
    is not for us. None: in the middle of execve(2), when it shows no environment to anybody."""


class ProcessTree:
    """Reads /proc. What has vanished between two reads is left out, it is never an error."""

    def __init__(self, children_files: bool | None = None) -> None:
        """``children_files``: whether the kernel lists children (CONFIG_PROC_CHILDREN); None: see.

        Without those files all of /proc is scanned for parents instead, which is slow and right.
        """
        if children_files is None:
            thread = f"/proc/self/task/{os.getpid()}/children"
            children_files = os.access(thread, os.R_OK)
        self._children_files = children_files

    def look(self, pid: int) -> Process | None:
        """None: there is no such process."""
        stat = _read(b"/proc/%d/stat" % pid)
        return _parse(pid, stat) if stat else None

    def children(self, pid: int) -> list[int]:
        """Its living and zombie children. May miss some of a process that is forking or dying."""
        if not self._children_files:
            return [process.pid for process in self.everything() if process.parent == pid]
        try:
            threads = os.listdir(b"/proc/%d/task" % pid)
        except OSError:
            return []
        found: list[int] = []
        for thread in threads:
            listed = _read(b"/proc/%d/task/%b/children" % (pid, thread))
            found.extend(map(int, listed.split()))
        return found

    def descendants(self, roots: Iterable[int]) -> list[Process]:
        """The roots and all below them, parents first, zombies included."""
        below = self.children if self._children_files else self._children_by_one_scan()
        found: dict[int, Process] = {}
        waiting = list(roots)
        while waiting:
            pid = waiting.pop()
            if pid in found:
                continue
            process = self.look(pid)
            if process is not None:
                found[pid] = process
                waiting.extend(below(pid))
        return list(found.values())

    def everything(self) -> Iterator[Process]:
        """Every process of the machine (of the pid namespace)."""
        for name in os.listdir(b"/proc"):
            if name.isdigit():
                process = self.look(int(name))
                if process is not None:
                    yield process

    def cookie(self, pid: int) -> bytes | None:
        """The PG_TASKS_RESULT that ``pid`` was started with; None: there is none, or not for us."""
        environ = _read_memory(pid, b"environ", _ENVIRON_LIMIT)
        at = 0 if environ.startswith(COOKIE) else environ.find(b"\0" + COOKIE) + 1
        if at == 0 and not environ.startswith(COOKIE):
            return None
        return environ[at + len(COOKIE) :].partition(b"\0")[0]

    def has_environment(self, pid: int) -> bool:
        """False in the middle of execve(2), of a process without any, and if it is not for us."""
        return bool(_read_memory(pid, b"environ", 1))

    def arguments(self, pid: int) -> list[bytes]:
        """What it was executed with; empty when it is gone."""
        return _read_memory(pid, b"cmdline").split(b"\0")[:-1]

    def has_arguments(self, pid: int) -> bool:
        """False in the middle of execve(2): what was executed shows its arguments first."""
        return bool(_read_memory(pid, b"cmdline", 1))

    def signal(self, process: Process, signum: int) -> bool:
        """Signal ``process`` and nothing that has its pid after it. False: it was gone already.

        Raises PermissionError when it has become somebody else's (setuid).
        """
        try:
            handle = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return False
        except OSError:
            return self._signal_by_pid(process, signum)
        try:
            now = self.look(process.pid)
            if now is None or now.started != process.started:
                return False
            signal.pidfd_send_signal(handle, signum)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True

    def _signal_by_pid(self, process: Process, signum: int) -> bool:
        """For kernels without pidfd_open(2), and for the moment when no descriptor is free."""
        now = self.look(process.pid)
        if now is None or now.started != process.started:
            return False
        try:
            os.kill(process.pid, signum)
        except ProcessLookupError:
            return False
        return True

    def _children_by_one_scan(self) -> "_ChildrenOf":
        children: dict[int, list[int]] = {}
        for process in self.everything():
            children.setdefault(process.parent, []).append(process.pid)
        return _ChildrenOf(children)


class OwnChildren:
    """The children of this single-threaded process, cheap enough to be asked after each reaping.

    The kernel's list is exact here: only this process takes entries out of it, by reaping.
    """

    def __init__(self, tree: ProcessTree) -> None:
        self._tree = tree
        self._pid = os.getpid()
        try:
            self._fd = os.open(f"/proc/self/task/{self._pid}/children", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._fd = -1

    def pids(self) -> list[int]:
        """Living ones and zombies."""
        if self._fd < 0:
            return self._tree.children(self._pid)
        listed = chunk = os.pread(self._fd, _LIST_READ, 0)
        while len(chunk) > _LIST_END:
            chunk = os.pread(self._fd, _LIST_READ, len(listed))
            listed += chunk
        return [int(pid) for pid in listed.split()]


class _ChildrenOf:
    def __init__(self, children: dict[int, list[int]]) -> None:
        self._children = children

    def __call__(self, pid: int) -> list[int]:
        return self._children.get(pid, [])


def _parse(pid: int, stat: bytes) -> Process:
    """The name, in parentheses, may hold anything; the fields after it are counted from 3."""
    fields = stat[stat.rindex(b")") + 2 :].split()
    return Process(
        pid=pid,
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        started=int(fields[19]),
        # A first thread that has ended shows as zombie while others of the process still run.
        zombie=fields[0] in (b"Z", b"X") and int(fields[17]) <= 1,
        stopped=fields[0] in (b"T", b"t"),
        # execve(2) gives it memory first, then shows arguments and environment, then the place of
        # its code (fs/binfmt_elf.c: create_elf_tables comes before start_code).
        program=None if fields[23] == b"0" and fields[20] != b"0" else int(fields[23]),
    )


def _read_memory(pid: int, name: bytes, limit: int = 1 << 30) -> bytes:
    """A file that shows something of the memory of ``pid``.

    A first thread that has ended shows nothing any more, while others of the process still run.
    """
    data = _read(b"/proc/%d/%b" % (pid, name), limit)
    if data:
        return data
    try:
        threads = os.listdir(b"/proc/%d/task" % pid)
    except OSError:
        return b""
    others = (thread for thread in threads if thread != b"%d" % pid)
    # Each shows the same, unless it is ending or not for us.
    for thread in islice(others, _THREADS):
        data = _read(b"/proc/%d/task/%b/%b" % (pid, thread, name), limit)
        if data:
            return data
    return b""


def _read(path: bytes, limit: int = 1 << 30) -> bytes:
    """All of a file of /proc; empty when the process is gone, or its file is not for us."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        data = b""
        while len(data) < limit and (chunk := os.read(fd, 65536)):
            data += chunk
    except OSError:
        return b""
    finally:
        os.close(fd)
    return data
