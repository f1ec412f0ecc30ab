"""Processes whose parent ended and that became the guardian's children: whose are they?"""

import os
import re
from collections.abc import Collection, Mapping

from pg_tasks.guardian.attempt import Attempt
from pg_tasks.guardian.kernel import boottime
from pg_tasks.guardian.tree import OwnChildren, Process, ProcessTree

_NAME = re.compile(rb"([0-9]{1,20})-([0-9]{1,20})")
"""Task and attempt in the name of a result file; a process can make itself any other."""
_TICK = 1 / os.sysconf("SC_CLK_TCK")
_STARTING = 1.0
"""Seconds in which a process may show neither arguments nor environment: execve(2) takes less."""
_STARTED = 0.01
"""Seconds in which one that shows its arguments may show no environment, unless it has none."""


class Orphan:
    """One such process. Its pid is its own until the guardian reaps it."""

    __slots__ = ("candidates", "owner", "process", "unclear_until")

    def __init__(self, process: Process, owner: Attempt | None, candidates: set[Attempt]) -> None:
        self.process = process
        self.owner = owner
        self.candidates = candidates
        self.unclear_until = boottime() + _STARTING
        """Until then it is looked at again: it may be in the middle of execve(2). 0: it is not."""


class Orphans:
    """All of them, each with its owner.

    The owner is told by the session, by the cookie in the environment, or because the process was
    seen in the owner's tree before. One that left the session and wiped its environment may be
    anybody's who ran at that time: it belongs to the last of these candidates that is still there,
    so that it never outlives all of them.
    """

    def __init__(self, tree: ProcessTree, run_dir: str) -> None:
        self._tree = tree
        self._children = OwnChildren(tree)
        self._run_dir = run_dir.encode() + b"/"
        self._orphans: dict[int, Orphan] = {}
        self._owned: dict[Attempt, set[int]] = {}
        self._unseen: set[Attempt] = set()
        """Whose may be a child that had ended when it was looked at: what it has forked came after
        the list of children was read."""

    def reaped(self, pid: int) -> Attempt | None:
        """``pid``, which is no main process, is gone. Returns its owner, if that was known."""
        orphan = self._orphans.pop(pid, None)
        if orphan is None or orphan.owner is None:
            return None
        owned = self._owned[orphan.owner]
        owned.discard(pid)
        if not owned:
            del self._owned[orphan.owner]
        return orphan.owner

    def look(
        self, mains: Mapping[int, Attempt], attempts: Mapping[tuple[int, int], Attempt]
    ) -> list[Process]:
        """Take note of those that have come, and return the ones that are nobody's.

        ``mains``: by pid, those whose main process is not reaped; ``attempts``: all not yet over.
        """
        self._unseen.clear()
        pids = self._children.pids()
        if len(pids) == len(mains):
            return []
        strays = []
        for pid in pids:
            if pid in mains:
                continue
            orphan = self._orphans.get(pid) or self._add(pid, attempts)
            if orphan is None:
                continue
            if orphan.owner is None and orphan.unclear_until > 0:
                self._find_owner(orphan, attempts)
            if orphan.owner is None and not orphan.candidates:
                strays.append(orphan.process)
        return strays

    def owned_by(self, attempt: Attempt) -> list[int]:
        """Their pids."""
        return list(self._owned.get(attempt, ()))

    def unowned(self) -> list[int]:
        """The pids of those that have more than one candidate."""
        return [pid for pid, orphan in self._orphans.items() if orphan.owner is None]

    def any(self) -> bool:
        return bool(self._orphans)

    def give(self, pid: int, owner: Attempt) -> None:
        """``pid`` was found out to be of ``owner``."""
        orphan = self._orphans.get(pid)
        if orphan is not None and orphan.owner is None:
            orphan.owner = owner
            self._owned.setdefault(owner, set()).add(pid)

    def may_own_more(self, attempt: Attempt) -> bool:
        """Whether a process that is or may be its own has yet to show itself: look again soon."""
        return attempt in self._unseen or any(
            orphan.owner is None and orphan.unclear_until > 0 and attempt in orphan.candidates
            for orphan in self._orphans.values()
        )

    def is_last_candidate(self, attempt: Attempt) -> bool:
        """Take ``attempt``, which is about to be over, off the candidates of all that have others.

        True: it was the last candidate of some, which are its own now.
        """
        last = False
        for orphan in self._orphans.values():
            if orphan.owner is None and attempt in orphan.candidates:
                if len(orphan.candidates) == 1:
                    self.give(orphan.process.pid, attempt)
                    last = True
                else:
                    orphan.candidates.discard(attempt)
        return last

    def _add(self, pid: int, attempts: Mapping[tuple[int, int], Attempt]) -> Orphan | None:
        process = self._tree.look(pid)
        if process is None:
            return None
        candidates = _candidates(process, attempts.values())
        if process.zombie:
            self._unseen |= candidates
            return None
        orphan = Orphan(process, None, candidates)
        self._orphans[pid] = orphan
        return orphan

    def _find_owner(self, orphan: Orphan, attempts: Mapping[tuple[int, int], Attempt]) -> None:
        self._see_if_clear(orphan)
        owner = (
            self._by_cookie(orphan.process.pid, attempts)
            or self._by_kin(orphan.process, attempts.values())
            or (next(iter(orphan.candidates)) if len(orphan.candidates) == 1 else None)
        )
        if owner is not None:
            self.give(orphan.process.pid, owner)

    def _see_if_clear(self, orphan: Orphan) -> None:
        """Before its cookie is read, so that one which is clear has shown it."""
        pid, now = orphan.process.pid, boottime()
        if self._tree.has_arguments(pid):
            orphan.unclear_until = min(orphan.unclear_until, now + _STARTED)
        if orphan.unclear_until <= now or self._tree.has_environment(pid):
            orphan.unclear_until = 0.0

    def _by_cookie(self, pid: int, attempts: Mapping[tuple[int, int], Attempt]) -> Attempt | None:
        cookie = self._tree.cookie(pid)
        if cookie is None or not cookie.startswith(self._run_dir):
            return None
        name = _NAME.fullmatch(cookie[len(self._run_dir) :].partition(b".")[0])
        return attempts.get((int(name[1]), int(name[2]))) if name else None

    def _by_kin(self, process: Process, attempts: Collection[Attempt]) -> Attempt | None:
        for attempt in attempts:
            if attempt.pid == process.session and _candidates(process, (attempt,)):
                return attempt
            if attempt.seen.get(process.pid) == process.started:
                return attempt
        for other in self._orphans.values():
            if other.owner is not None and other.process.session == process.session:
                return other.owner
        return None


def _candidates(process: Process, attempts: Collection[Attempt]) -> set[Attempt]:
    """Whoever was there when ``process`` was made (its start is known to one tick of the clock)."""
    made = (process.started + 2) * _TICK
    return {attempt for attempt in attempts if attempt.started <= made}
