"""Many nodes in one process: real connections and a node's real dealings with its database.

What is left out is processes: whatever a member is told to start has ended the moment it is told.
"""

import heapq
import random
import select
import time
from collections.abc import Callable, Iterable

from pg_tasks.guardian.kernel import boottime
from pg_tasks.messages import Ended, Start
from pg_tasks.node.backoff import Backoff
from pg_tasks.node.calls import Call, Identity
from pg_tasks.node.contact import Contact
from pg_tasks.node.dispatch import Dispatch
from pg_tasks.node.lease import Terms
from pg_tasks.node.link import Link, Phase
from pg_tasks.node.remains import Proof
from pg_tasks.node.roster import Roster
from pg_tasks.node.session import Rules, Session
from pg_tasks.node.standby import Standby

TERMS = Terms(30.0, 10.0, 1.0)
"""The defaults of a node's settings. Seconds."""
_TOOK = 0.1
"""Seconds that what is started says it took: so long that nothing is claimed ahead, and a call
takes as many as there are slots."""


class _CountedLink(Link):
    """Knows how often it was asked to ``sync``, and how often not just to renew its lease."""

    syncs = 0
    unrenewing = 0

    def ask(self, call: Call, now: float) -> None:
        if "long_task.sync(" in call.sql:
            self.syncs += 1
            self.unrenewing += call.values[6] is None
        super().ask(call, now)


class Member:
    """A node without processes. ``endless``: what it is told to start does not end."""

    def __init__(
        self,
        dsn: str,
        worker_id: int,
        group_id: int,
        slots: int,
        *,
        terms: Terms = TERMS,
        endless: bool = False,
    ) -> None:
        self.link = _CountedLink(dsn, f"pg_tasks worker {worker_id}", 60.0, 10.0)
        self.started = 0
        self._endless = endless
        roster = Roster([slots])
        self._dispatch = Dispatch(roster, worker_id, 10.0, 10.0)
        identity = Identity(
            worker_id, group_id, slots, f"member-{worker_id}", "crowd", worker_id,
            f"crowd/{worker_id}-1-1/a", "0",
        )  # fmt: skip
        self.session = Session(
            self.link,
            Contact(self.link, Backoff(0.1, 5.0, random.random)),
            roster,
            self._dispatch,
            identity,
            Rules(terms, 5.0, 10.0),
            Standby(worker_id, terms.renewal, lambda _: Proof.NONE),
            lambda: 0,
        )

    def turn(self, now: float) -> None:
        """Ends what it was told to start, and does what is due."""
        for request in self._dispatch.take():
            if isinstance(request, Start):
                self.started += 1
                if not self._endless:
                    self.session.ended(_done(request, now))
        self.session.turn(now)


class Crowd:
    """Members that are served by turns, each as soon as its connection or its time calls."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self._poll = select.epoll()
        self._by_fd: dict[int, Member] = {}
        self._masks: dict[Member, tuple[int, int]] = {}
        self._times: list[tuple[float, int]] = []

    def add(self, members: Iterable[Member]) -> None:
        """They connect, and serve their workers when this returns."""
        first = len(self.members)
        for member in members:
            self.members.append(member)
            self._act(member)
            joined = self.members[first:]
            # A few at a time: a server has a short queue of those who knock.
            self.run(60.0, lambda: sum(m.session.lease is None for m in joined) < 8)  # noqa: B023
        self.run(60.0, lambda: all(m.session.lease is not None for m in self.members))

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> float:
        """Serves them for so long, or until that is true. Returns the seconds it took."""
        began = time.monotonic()
        while not until() and (left := began + seconds - time.monotonic()) > 0:
            now = boottime()
            while self._times and self._times[0][0] <= now:
                self._act(self.members[heapq.heappop(self._times)[1]])
            next_at = self._times[0][0] - boottime() if self._times else left
            # Rounded up to whole milliseconds, so that a time has come when it wakes.
            for fd, _ in self._poll.poll(max(0.0, min(left, next_at)) + 0.001):
                member = self._by_fd[fd]
                member.session.advance(boottime())
                self._act(member)
        return time.monotonic() - began

    @property
    def syncs(self) -> int:
        """Calls so far."""
        return sum(member.link.syncs for member in self.members)

    @property
    def unrenewing(self) -> int:
        """Those of them that had another reason than a renewal."""
        return sum(member.link.unrenewing for member in self.members)

    @property
    def started(self) -> int:
        """How often something was to be started so far."""
        return sum(member.started for member in self.members)

    def close(self) -> None:
        """All connections are closed; the leases are left as they are."""
        for member in self.members:
            member.link.close()
        self._poll.close()

    def _act(self, member: Member) -> None:
        member.turn(boottime())
        link = member.link
        wanted = (-1, 0) if link.phase is Phase.CLOSED else (link.fileno(), link.mask)
        known = self._masks.get(member, (-1, 0))
        if wanted != known:
            # What was closed has left the poll by itself, and its number may be another's.
            if known[0] != wanted[0]:
                self._by_fd.pop(known[0], None)
            if wanted[0] >= 0 and wanted[0] in self._by_fd:
                self._poll.modify(*wanted)
            elif wanted[0] >= 0:
                self._poll.register(*wanted)
                self._by_fd[wanted[0]] = member
            self._masks[member] = wanted
        wake_at = member.session.wake_at()
        if wake_at is not None:
            heapq.heappush(self._times, (wake_at, self.members.index(member)))


def _done(start: Start, now: float) -> Ended:
    return Ended(
        start.task_id, start.attempt, pid=1, exit_code=0, signal=None, core_dumped=False,
        reason=None, timeout=None, error=None, started=now - _TOOK, ended=now, user_seconds=0.0,
        system_seconds=0.0, peak_memory=0, output=None, result=None, left_behind=0,
    )  # fmt: skip
