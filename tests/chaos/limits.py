"""Less of a machine than there is: a small disk, few processes."""

import os
import resource
from contextlib import suppress
from pathlib import Path

import psutil

_CGROUPS = Path("/sys/fs/cgroup")


def small_disk(directory: Path) -> tuple[str, ...]:
    """Words before a command that let it find 64 kB of disk at ``directory``.

    In a mount namespace of its own, so nobody else sees it and it is gone with the last process.
    """
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    mount = 'mount -t tmpfs -o size=64k tmpfs "$0" && exec "$@"'
    return ("unshare", "--mount", *user, "/bin/sh", "-c", mount, str(directory))


class ProcessLimit:
    """A limit on the number of processes that some processes may have together.

    A cgroup where one can be made; for anybody but root, the limit of processes for each user.
    """

    def __init__(self) -> None:
        self._group: Path | None = None
        self._pids: tuple[int, ...] = ()
        # The first version has a hierarchy for each controller, the second one for all.
        base = _CGROUPS / "pids"
        with suppress(OSError):
            group = (base if base.is_dir() else _CGROUPS) / f"pg_tasks-test-{os.getpid()}"
            group.mkdir()
            if (group / "pids.max").exists():
                self._group = group
            else:
                group.rmdir()
        assert self._group or os.geteuid() != 0, "no cgroup can be made, and root has no limit"

    def contain(self, *pids: int) -> None:
        """From now on what these start is counted, and they are."""
        self._pids = pids
        if self._group is not None:
            for pid in pids:
                (self._group / "cgroup.procs").write_text(str(pid))

    def set(self, more: int | None) -> None:
        """Lets them start so many processes more; None: any number."""
        if self._group is not None:
            now = int((self._group / "pids.current").read_text())
            limit = "max" if more is None else str(now + more)
            (self._group / "pids.max").write_text(limit)
            return
        for pid in self._pids:
            hard = resource.prlimit(pid, resource.RLIMIT_NPROC)[1]
            soft = hard if more is None else _threads_of_mine() + more
            resource.prlimit(pid, resource.RLIMIT_NPROC, (soft, hard))

    def close(self) -> None:
        """Whoever is in it goes back to where all are."""
        if self._group is None:
            return
        for pid in (self._group / "cgroup.procs").read_text().split():
            with suppress(OSError):
                (self._group.parent / "cgroup.procs").write_text(pid)
        with suppress(OSError):
            self._group.rmdir()


def _threads_of_mine() -> int:
    count = 0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.uids().real == os.getuid():
                count += process.num_threads()
    return count
