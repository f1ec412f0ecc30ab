"""A node and its guardian without processes and without time: what they remember and forget.

It does what a node does with the answers of the procedures, so that the machine of the property
test can let answers get lost, nodes crash, and time pass, between any two calls.
"""

from typing import Any, NamedTuple

from pg_tasks.node.calls import Synced
from tests.procedures.acting import LEASE, Node, Report, Sql, ended

MARGIN = 2.0


class Key(NamedTuple):
    """One attempt."""

    task_id: int
    attempt: int


class ModelledNode:
    """It serves one worker while it may. ``now`` is in seconds, of the node's own clock."""

    def __init__(self, sql: Sql, worker_id: int) -> None:
        self.calls = Node(sql, worker_id, slots=2, lock=False)
        self.worker_id = worker_id
        self.live: dict[Key, str | None] = {}
        """The processes, and what each was told to do."""
        self.due: dict[Key, Report] = {}
        """Ends that have not been reported yet."""
        self.holding = False
        self.compared = False
        self.trusted_until = 0.0

    def known(self) -> set[Key]:
        """All attempts that the node has heard of and has not reported."""
        return {*self.live, *self.due}

    def pass_time(self, now: float) -> None:
        """At the end of its lease the guardian kills everything."""
        if self.holding and now >= self.trusted_until:
            self._stop_serving()

    def crash(self) -> None:
        """Node, guardian and processes are gone, and all that they knew."""
        self.live.clear()
        self.due.clear()
        self._stop_serving()

    def exit(self, key: Key, **facts: Any) -> None:
        """A process is over."""
        del self.live[key]
        self.due[key] = ended(*key, **facts)

    def lock(self, now: float, *, answered: bool) -> None:
        """Ask for the worker."""
        if self.holding or self.live:
            return
        locked = self.calls.lock(*self.due.values())
        if answered and locked.epoch is not None:
            self.due.clear()
            self.holding = True
            self.compared = False
            self.trusted_until = now + LEASE - MARGIN

    def sync(self, now: float, *, answered: bool) -> Synced | None:
        """Report everything, renew, claim into the free slots; None: no answer came."""
        if not self.holding:
            return None
        reports = dict(self.due)
        answer = self.calls.sync(
            *reports.values(),
            free=2 - len(self.live),
            known=None if self.compared else [key.task_id for key in self.known()],
            lease=LEASE,
        )
        if not answered:
            self.compared = False
            return None
        self.compared = True
        self.trusted_until = now + LEASE - MARGIN
        self.due = {key: report for key, report in reports.items() if key.task_id in answer.again}
        self._obey(answer)
        return answer

    def leave(self) -> None:
        """Give the worker back, if nothing is left to do."""
        if self.holding and not self.known():
            assert self.calls.leave()
            self._stop_serving()

    def _obey(self, answer: Synced) -> None:
        ending = {Key(item.task_id, item.attempt): item.what for item in answer.attend}
        for order in answer.start:
            key = Key(order.task_id, order.attempt)
            if key not in self.known() and key not in ending:
                self.live[key] = None
        assert len(self.live) <= 2, "more processes than slots"
        for key, what in ending.items():
            if key in self.live:
                self.live[key] = what
            elif key not in self.due:
                self.due[key] = ended(
                    *key, pid=None, exit_code=None, reason="ended before it was started"
                )

    def _stop_serving(self) -> None:
        for key in list(self.live):
            self.exit(key, exit_code=None, signal=9, reason="Lease lost")
        self.holding = self.compared = False
