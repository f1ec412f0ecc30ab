"""A node without its worker: when to ask for it, and with which proof."""

import logging
from collections.abc import Callable

from pg_tasks.log import event
from pg_tasks.node.calls import Locked
from pg_tasks.node.remains import Proof
from pg_tasks.node.watch import Watch

logger = logging.getLogger(__name__)

_AT_LEAST = 0.05
"""Seconds between two requests, whatever the clocks say."""
_LOOK_AGAIN = 0.05
"""Seconds until it is looked again whether what a dead node has left is dead too."""


class Standby:
    """Waits for a worker that another node holds."""

    def __init__(self, worker_id: int, renewal: float, judge: Callable[[str], Proof]) -> None:
        """``renewal``: seconds after which it asks again, to be seen among those who stand by.

        ``judge``: what this machine knows of the process that holds the worker.
        """
        self._worker_id = worker_id
        self._renewal = renewal
        self._judge = judge
        self._watch = Watch()
        self._held_by: str | None = None
        self.ask_at = 0.0
        self.dead_process: str | None = None
        """The holder, if it is proven dead: it need not be waited for."""

    def hurry(self, now: float) -> None:
        """There is news of the worker."""
        self.ask_at = min(self.ask_at, now)

    def refused(self, answer: Locked, now: float) -> None:
        """The worker was asked for and not given."""
        wait = self._until_over(answer, now)
        if answer.held_process is not None:
            wait = self._look(answer.held_process, wait)
        self.ask_at = now + wait
        if answer.held_by != self._held_by:
            self._held_by = answer.held_by
            event(
                logger, logging.INFO, "standby", worker_id=self._worker_id,
                held_by=answer.held_by, retry_in=wait,
            )  # fmt: skip

    def watched(self, now: float) -> list[str]:
        """The holder's lease, if its end was waited for."""
        return self._watch.over(now)

    def lost_sight(self) -> None:
        """The connection is lost."""
        self._watch.forget()

    def _until_over(self, answer: Locked, now: float) -> float:
        """How long to wait for the end of the holder's lease, at most until the next renewal."""
        if answer.held_lease is None:
            return min(answer.retry_in or 0.0, self._renewal)
        self._watch.see([answer.held_lease], now)
        over_at = self._watch.next_at()
        assert over_at is not None
        return min(max(over_at - now, answer.held_lease.over_in, _AT_LEAST), self._renewal)

    def _look(self, process: str, wait: float) -> float:
        """How long to wait for the holder, by what this machine knows of it."""
        proof = self._judge(process)
        self.dead_process = process if proof is Proof.DEAD else None
        match proof:
            case Proof.DEAD:
                event(logger, logging.INFO, "holder_is_dead", worker_id=self._worker_id)
                return 0.0
            case Proof.DYING:
                return min(wait, _LOOK_AGAIN)
            case Proof.NONE:
                return wait

    def served(self) -> None:
        """The worker was given."""
        self._held_by = self.dead_process = None
