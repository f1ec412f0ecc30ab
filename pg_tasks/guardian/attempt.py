"""When an attempt is to be signalled, and what is known of it until it is over.

Nothing here does I/O.
"""

from enum import Enum
from math import inf
from typing import NamedTuple

from pg_tasks.guardian.capture import Capture

_FIRST_RESCAN = 0.002
_LAST_RESCAN = 0.5


class Step(Enum):
    """What is due."""

    TERM = "terminate"
    KILL = "kill"


class Exit(NamedTuple):
    """How the main process ended, in the kernel's words (wait4(2))."""

    status: int
    user_seconds: float
    system_seconds: float
    peak_memory: int
    """Bytes."""
    ended: float


class Escalation:
    """TERM, grace, KILL, KILL again until nothing is left.

    All times are seconds of one clock, passed in. A plan (timeout, Kill) names an instant for TERM
    and one for KILL; a later plan can make both earlier, never later.
    """

    __slots__ = (
        "_grace",
        "_planned",
        "_rescan",
        "kill_at",
        "main_ended",
        "reason",
        "term_at",
        "termed",
        "timeout",
    )

    def __init__(self, kill_grace: float, timeout: float | None, now: float) -> None:
        self._grace = kill_grace
        self._planned: str | None = None
        self._rescan = _FIRST_RESCAN
        self.timeout = timeout
        """Seconds; None: no limit."""
        self.term_at = inf
        self.kill_at = inf
        self.termed = False
        self.main_ended = False
        self.reason: str | None = None
        """Why the main process was signalled; None as long as it was not."""
        if timeout is not None:
            self.kill("timeout", timeout, None, now)

    def kill(self, reason: str, delay: float, grace: float | None, now: float) -> None:
        """Plan to end it; ``grace`` None: the one it was started with.

        The reason is that of the plan which sends the first signal. Once the main process has ended
        by itself there is none.
        """
        term_at = now + max(delay, 0.0)
        kill_at = term_at + max(self._grace if grace is None else grace, 0.0)
        if term_at < self.term_at:
            self._planned = reason
            self.term_at = term_at
        self.kill_at = min(self.kill_at, kill_at)

    def main_has_ended(self, now: float) -> None:
        """What is left of its tree has the rest of the grace; all of it if nobody was signalled."""
        self.main_ended = True
        if not self.termed:
            self._planned = None
            self.term_at = now
            self.kill_at = min(self.kill_at, now + self._grace)

    def due(self, now: float) -> Step | None:
        """The step to take now. ``taken`` must be called when it was taken."""
        if now >= self.kill_at:
            return Step.KILL
        if now >= self.term_at and not self.termed:
            return Step.TERM
        return None

    def taken(self, step: Step, now: float) -> None:
        """After a KILL another one is due soon: a tree may have forked away from the first."""
        if not self.termed:
            self.termed = True
            self.reason = self._planned
        if step is Step.KILL:
            self.kill_at = now + self._rescan
            self._rescan = min(self._rescan * 2, _LAST_RESCAN)

    def next(self) -> float:
        """The instant at which something is due; infinity: never."""
        return self.kill_at if self.termed else min(self.term_at, self.kill_at)


class Attempt:
    """One task process, from its start to the moment when nothing of it is left."""

    __slots__ = (
        "attempt",
        "capture",
        "escalation",
        "exit",
        "group_termed",
        "left_behind",
        "pid",
        "result_path",
        "seen",
        "started",
        "task_id",
        "termed",
    )

    def __init__(
        self,
        task_id: int,
        attempt: int,
        pid: int,
        started: float,
        escalation: Escalation,
        capture: Capture,
        result_path: str,
    ) -> None:
        self.task_id = task_id
        self.attempt = attempt
        self.pid = pid
        self.started = started
        self.escalation = escalation
        self.capture = capture
        self.result_path = result_path
        self.exit: Exit | None = None
        """None: the main process has not been reaped, so that its pid is certainly its own."""
        self.group_termed = False
        self.seen: dict[int, int] = {}
        """pid and start of every process of the tree that was found when it was signalled."""
        self.termed: dict[int, int] = {}
        """pid and start of those that had their TERM, which is sent once."""
        self.left_behind: set[tuple[int, int]] = set()

    @property
    def key(self) -> tuple[int, int]:
        return self.task_id, self.attempt
