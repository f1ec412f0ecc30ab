"""What the guardian is to be told, as the answers of the database have it."""

from pg_tasks.messages import UNSTARTED, Fence, GiveBack, KillAll, Request
from pg_tasks.node.calls import Attend, Order, Synced
from pg_tasks.node.lease import Lease
from pg_tasks.node.orders import attend_request, start_request, unusable
from pg_tasks.node.roster import Key, Roster, without_process


class Dispatch:
    """Collects requests; the loop carries them to the guardian."""

    def __init__(
        self, roster: Roster, worker_id: int, kill_grace: float, completion_grace: float
    ) -> None:
        """``kill_grace``: seconds, for tasks that do not set their own."""
        self._roster = roster
        self._worker_id = worker_id
        self._kill_grace = kill_grace
        self._completion_grace = completion_grace
        self._requests: list[Request] = []
        self._leaving = False

    def take(self) -> list[Request]:
        """What there is to be carried; it is the caller's now."""
        requests, self._requests = self._requests, []
        return requests

    def carry_out(self, answer: Synced, now: float) -> None:
        """Start and attend to what a ``sync`` says."""
        ending = {Key(item.task_id, item.attempt) for item in answer.attend}
        for order in answer.start:
            key = Key(order.task_id, order.attempt)
            if not self._roster.is_known(key) and key not in ending:
                self._start(order, now)
        for item in answer.attend:
            self._attend(item, now)

    def fence(self, lease: Lease) -> None:
        """The lease is trusted until then."""
        self._requests.append(Fence(lease.trusted_until))

    def give_back(self) -> None:
        """What waits for a slot is for another node to start."""
        if self._roster.live:  # one guardian may have too much where another has room
            self._requests.append(GiveBack())

    def kill_all(self, reason: str, grace: float | None) -> None:
        """End what runs; ``grace`` in seconds, None: each task's own."""
        self._requests.append(KillAll(reason, grace))

    def leave(self) -> None:
        """Start nothing any more, and give back what was claimed already."""
        self._leaving = True
        self.give_back()

    def _start(self, order: Order, now: float) -> None:
        key = Key(order.task_id, order.attempt)
        if self._leaving:
            unstarted = without_process(key, None, now)
            self._roster.report_unstarted(unstarted._replace(error=UNSTARTED, given_back=True))
            return
        refused = order.error or unusable(order)
        if refused is not None:
            self._roster.report_unstarted(without_process(key, refused, now))
            return
        self._roster.order(key, now)
        self._requests.append(start_request(order, self._worker_id, self._kill_grace))

    def _attend(self, item: Attend, now: float) -> None:
        key = Key(item.task_id, item.attempt)
        if not self._roster.is_known(key):
            # Claimed by a call whose answer was lost, and ended by a person since.
            never = without_process(key, UNSTARTED, now)
            self._roster.report_unstarted(never)
        elif self._roster.tell(key, item.what):
            self._requests.append(attend_request(item, self._completion_grace))
