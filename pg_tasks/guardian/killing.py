"""Signals for whole trees: a session's group, its descendants, and the orphans of both."""

import os
from signal import SIGCONT, SIGKILL, SIGTERM

from pg_tasks.guardian.attempt import Attempt, Step
from pg_tasks.guardian.log import log
from pg_tasks.guardian.orphans import Orphans
from pg_tasks.guardian.tree import Process, ProcessTree

_ROUNDS = 8
"""Scans of one turn: what forks faster than that is met again in the next turn."""


class Killer:
    """Knows which processes are an attempt's, and signals all of them."""

    def __init__(self, tree: ProcessTree, orphans: Orphans) -> None:
        self._tree = tree
        self._orphans = orphans
        self._refused: set[int] = set()

    def is_gone(self, attempt: Attempt) -> bool:
        """For one whose main process is reaped: whether nothing of it is alive.

        Two system calls when that is so. Every living process of a tree descends from a child of
        the guardian, so the last one to end is one, and its end brings this question up again.
        """
        if self._orphans.any():
            if self._orphans.owned_by(attempt):
                return False
            if self._group_exists(attempt) and self._members(attempt):
                return False
            return not self._orphans.is_last_candidate(attempt)
        return not (self._group_exists(attempt) and self._members(attempt))

    def may_have_more(self, attempt: Attempt) -> bool:
        """Whether a process has yet to show that it is of this attempt: ask again in a moment."""
        return self._orphans.may_own_more(attempt)

    def stop(self, attempt: Attempt) -> None:
        """SIGTERM for the tree of a running attempt, this once."""
        self._signal_group(attempt, SIGTERM)
        for process in self._members(attempt):
            if process.group != attempt.pid:
                self._signal(process, SIGTERM)

    def signal(self, attempt: Attempt, step: Step) -> None:
        """TERM each process that has not had it; KILL until no new one turns up."""
        if step is Step.TERM:
            self._terminate(attempt, self._members(attempt))
            return
        killed: set[Process] = set()
        if attempt.escalation.main_ended:
            # Before the signal: a moment later they may be zombies, which nobody counts.
            self._note(attempt, self._members(attempt))
        for _ in range(_ROUNDS):
            # The group dies as a whole, even while it forks: fork(2) does not get past the signal.
            self._signal_group(attempt, SIGKILL)
            fresh = [process for process in self._members(attempt) if process not in killed]
            if not fresh:
                break
            self._note(attempt, fresh)
            for process in fresh:
                if process.group != attempt.pid:
                    self._signal(process, SIGKILL)
            killed.update(fresh)

    def kill_group(self, attempt: Attempt) -> None:
        """SIGKILL for the session's first group: most of what there is, in one call."""
        self._signal_group(attempt, SIGKILL)

    def kill_stray(self, stray: Process) -> None:
        """SIGKILL for it and all below it."""
        for process in self._tree.descendants([stray.pid]):
            if not process.zombie:
                self._signal(process, SIGKILL)

    def _terminate(self, attempt: Attempt, members: list[Process]) -> None:
        fresh = [
            process for process in members if attempt.termed.get(process.pid) != process.started
        ]
        self._note(attempt, fresh)
        by_group = not attempt.group_termed and self._signal_group(attempt, SIGTERM)
        attempt.group_termed = True
        for process in fresh:
            attempt.termed[process.pid] = process.started
            if not (by_group and process.group == attempt.pid):
                self._signal(process, SIGTERM)
        # A stopped process takes its SIGTERM when it goes on.
        if by_group:
            self._signal_group(attempt, SIGCONT)
        for process in fresh:
            if not (by_group and process.group == attempt.pid):
                self._signal(process, SIGCONT)

    def _note(self, attempt: Attempt, processes: list[Process]) -> None:
        for process in processes:
            attempt.seen[process.pid] = process.started
            if attempt.escalation.main_ended:
                attempt.left_behind.add((process.pid, process.started))

    def _members(self, attempt: Attempt) -> list[Process]:
        """The living processes of its tree."""
        roots = self._orphans.owned_by(attempt)
        if attempt.exit is None:
            roots.append(attempt.pid)
        found = self._tree.descendants(roots)
        known = {process.pid for process in found}
        for root in self._orphans.unowned():
            below = [
                process
                for process in self._tree.descendants([root])
                if process.session == attempt.pid and process.pid not in known
            ]
            if below:
                self._orphans.give(root, attempt)
                found += below
        living = [process for process in found if not process.zombie]
        if not living and attempt.exit is not None and self._group_exists(attempt):
            # Its parent was forking or dying while the kernel listed the children: look everywhere.
            living = [
                process
                for process in self._tree.everything()
                if process.group == attempt.pid and not process.zombie
            ]
        return living

    def _group_exists(self, attempt: Attempt) -> bool:
        """Whether the session's first group has members, zombies included.

        Once the main process is reaped, the number stays taken as long as the group has members; a
        process that bears it shows that it was given away, and that the group is a stranger's.
        """
        try:
            os.killpg(attempt.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return attempt.exit is None or self._tree.look(attempt.pid) is None

    def _signal_group(self, attempt: Attempt, signum: int) -> bool:
        if not self._group_exists(attempt):
            return False
        try:
            os.killpg(attempt.pid, signum)
        except ProcessLookupError:
            return False
        except PermissionError:
            self._log_refusal(attempt.pid, signum)
        return True

    def _signal(self, process: Process, signum: int) -> None:
        try:
            self._tree.signal(process, signum)
        except PermissionError:
            self._log_refusal(process.pid, signum)

    def _log_refusal(self, pid: int, signum: int) -> None:
        """Once for each: it is tried again until it ends, for its attempt is not over before."""
        if pid not in self._refused:
            self._refused.add(pid)
            log("signal_refused", pid=pid, signal=signum)
