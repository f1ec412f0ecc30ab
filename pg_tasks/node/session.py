"""What the node says to the database, and what it makes of the answers.

One call is under way at a time. What to ask follows afresh, at each turn, from what is known then:
a hint, an end, a time only make the next ``sync`` come sooner.
"""

import logging
from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

from pg_tasks.errors import DatabaseAway, DatabaseRefused, LeaseLost
from pg_tasks.exhaustive import assert_never
from pg_tasks.log import event
from pg_tasks.messages import LEASE_LOST, Ended
from pg_tasks.node import calls
from pg_tasks.node.calls import Call, Identity, Locked, Maintained, Row, Synced
from pg_tasks.node.contact import Contact
from pg_tasks.node.dispatch import Dispatch
from pg_tasks.node.lease import Lease, Terms, granted
from pg_tasks.node.link import Hints, Link, Phase
from pg_tasks.node.roster import Roster
from pg_tasks.node.standby import Standby
from pg_tasks.node.upkeep import Upkeep
from pg_tasks.node.watch import Watch
from pg_tasks.schema_version import check_version

logger = logging.getLogger(__name__)

ROW_RETRY = 0.2
"""Seconds until a call is repeated that somebody stood in the way of who holds a task's row."""
PACE = 0.02
"""Seconds from one call to the next that only hands in ends, while the guardians have enough to
start: whoever reads the ends does not miss them, and a call costs as much as ten of its tasks."""
LEAVE_CODES = (2, 3)
"""Stop codes of a worker whose node is to leave."""


class Asked(Enum):
    """The call that is under way."""

    GREET = auto()
    LOCK = auto()
    RENEW = auto()
    SYNC = auto()
    MAINTAIN = auto()
    LEAVE = auto()


class Rules(NamedTuple):
    """What the session has to know of the settings. Seconds."""

    terms: Terms
    recovery_delay: float
    call_timeout: float
    pooled: bool = False
    """Whether calls go through a pooler that has no sessions; then somebody else listens."""


class Session:
    """A node's dealings with its database."""

    def __init__(
        self,
        link: Link,
        contact: Contact,
        roster: Roster,
        dispatch: Dispatch,
        identity: Identity,
        rules: Rules,
        standby: Standby,
        kill_remains: Callable[[], int],
    ) -> None:
        """``kill_remains``: ends what dead nodes of this machine have left behind."""
        self._link = link
        self._contact = contact
        self._roster = roster
        self._dispatch = dispatch
        self._identity = identity
        self._rules = rules
        self._standby = standby
        self._kill_remains = kill_remains
        self._worker_channel = calls.worker_channel(identity.worker_id)
        self._asked: Asked | None = None
        self._asked_at = 0.0
        self._hinted = False
        self._heed: str | None = None
        self._dismissed = False
        self._leave_at = 0.0
        self._watch = Watch()
        self._upkeep = Upkeep()
        self._sync_at: float | None = None
        self._retry_at: float | None = None
        self.lease: Lease | None = None
        self.leaving = False
        """The node was told to stop: nothing is claimed any more, and the worker is given back when
        nothing is left."""
        self.give_up_at: float | None = None
        """When the node ends, told to stop, even if ends of tasks could not be reported."""
        self.over = False
        """The worker was given back, or there is none to give back, or it was given up."""
        self.gave_back = False

    @property
    def _is_leaving(self) -> bool:
        """Told to by a signal, or by the worker's stop code, which a person may take back."""
        return self.leaving or self._dismissed

    def turn(self, now: float) -> None:
        """Do what is due.

        Raises PgTasksError for trouble with the database until it has been found to be usable;
        after that, trouble passes, and is logged.
        """
        if self.give_up_at is not None and now >= self.give_up_at:
            self.over = True
            return
        if self.lease is not None and now >= self.lease.trusted_until:
            self._lose_lease("not renewed in time")
        if self._link.deadline is not None and now >= self._link.deadline:
            self.advance(now)
        if self._link.phase is Phase.CLOSED:
            self._reopen(now)
        elif self._link.phase is Phase.READY:
            self._guarded(lambda: self._ask(now), now)

    def advance(self, now: float) -> None:
        """The connection has something: go on with it. Raises as ``turn``."""
        self._guarded(lambda: self._advance(now), now)

    def leave(self) -> None:
        """The node is told to stop. It says so at once: it may stand at a post, where it is told of
        what others have to start then."""
        self.leaving = True
        self._hinted = True

    def has_room(self) -> None:
        """There are free slots that nobody has asked for."""
        self._hinted = True

    def ended(self, report: Ended) -> None:
        """An attempt is over."""
        self._roster.end(report)

    def wake_at(self) -> float | None:
        """When ``turn`` has something to do at the latest, if nothing happens before."""
        phase = self._link.phase
        times = [self._link.deadline, self.give_up_at]
        if phase is Phase.CLOSED:
            times.append(self._contact.open_at)
        if self.lease is not None:
            times.append(self.lease.trusted_until)
            if phase is Phase.READY:
                times += [self._renew_at(self.lease), self._sync_at, self._retry_at]
                if self._roster.due:
                    times.append(self._asked_at + PACE)
                if not self._is_leaving:
                    times.append(self._upkeep.at)
                elif self._roster.empty:
                    times.append(self._leave_at)
        elif phase is Phase.READY and not self._roster.live:
            times.append(self._standby.ask_at)
        return min((time for time in times if time is not None), default=None)

    def _guarded(self, action: Callable[[], None], now: float) -> None:
        try:
            action()
        except LeaseLost as error:
            self._asked = None
            self._roster.take_back()
            self._lose_lease(str(error))
        except (DatabaseAway, DatabaseRefused) as error:
            if self._asked is Asked.MAINTAIN:
                self._upkeep.failed(now)
            self._asked = None
            self._roster.take_back()
            self._watch.forget()
            self._standby.lost_sight()
            self._contact.lost(error, now, self._roster.live)

    def _reopen(self, now: float) -> None:
        if self._is_leaving and self.lease is None and self._roster.empty:
            self.over = True
        elif now >= self._contact.open_at:
            self._guarded(lambda: self._contact.open(now), now)

    def _ask(self, now: float) -> None:
        """Send the call that is due, if one is."""
        asked, call = self._next_call(now)
        if call is not None:
            self._asked, self._asked_at = asked, now
            if self._rules.pooled:
                call = calls.limited(call, self._rules.call_timeout)
            self._link.ask(call, now)

    def _next_call(self, now: float) -> tuple[Asked | None, Call | None]:
        me, roster, lease = self._identity, self._roster, self.lease
        if not self._contact.greeted:
            if self._rules.pooled:
                return Asked.GREET, calls.greet_pooled()
            return Asked.GREET, calls.greet(me.worker_id, me.group_id, self._rules.call_timeout)
        if lease is not None:
            return self._next_call_of_holder(lease, now)
        if self._is_leaving and roster.empty:
            self.over = True
        # A worker is not asked for while a process of the lost lease is alive: it would be doubled.
        elif not roster.live and now >= self._standby.ask_at:
            reports = roster.take_reports()
            return Asked.LOCK, calls.lock(
                me,
                self._contact.number,
                self._rules.terms,
                self._rules.recovery_delay,
                self._standby.dead_process,
                self._standby.watched(now),
                reports,
                now,
            )
        return None, None

    def _next_call_of_holder(self, lease: Lease, now: float) -> tuple[Asked | None, Call | None]:
        me, roster = self._identity, self._roster
        if not self._contact.registered:
            duration = self._rules.terms.duration
            return Asked.RENEW, calls.renew(
                me.worker_id, lease.epoch, self._contact.number, duration
            )
        if self._is_leaving and roster.empty:
            if now < self._leave_at:
                return None, None  # the lease ended with the first request
            return Asked.LEAVE, calls.leave(me.worker_id, lease.epoch, self._contact.number)
        # Before a sync: on a busy node one is always due. A step is short, the pause after it long.
        if self._upkeep_is_due(lease, now):
            return Asked.MAINTAIN, calls.maintain(self._upkeep.turn)
        return Asked.SYNC, self._sync(lease, now) if self._sync_is_due(lease, now) else None

    def _renew_at(self, lease: Lease) -> float:
        return lease.idle_renew_at if self._roster.empty else lease.renew_at

    def _upkeep_is_due(self, lease: Lease, now: float) -> bool:
        in_order = self._contact.compared and now < self._renew_at(lease)
        return in_order and not self._is_leaving and self._upkeep.is_due(now)

    def _sync_is_due(self, lease: Lease, now: float) -> bool:
        if self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
            self._roster.retry()
        ends_can_wait = now < self._asked_at + PACE and self._roster.lasts(PACE, now)
        return (
            (self._roster.due and not ends_can_wait)
            or self._hinted
            or not self._contact.compared
            or now >= self._renew_at(lease)
            or (self._sync_at is not None and now >= self._sync_at)
        )

    def _sync(self, lease: Lease, now: float) -> Call:
        self._hinted = False
        roster = self._roster
        # At each renewal too: whatever goes wrong, no attempt of ours stays without a process.
        renews = now >= lease.renew_at
        watched = self._watch.over(now) if renews else []
        if watched:
            # This call may give tasks of a failed worker back, whose node was perhaps a neighbour.
            self._kill_remains()
        return calls.sync(
            self._identity.worker_id,
            lease.epoch,
            self._contact.number,
            known=roster.known_tasks() if renews or not self._contact.compared else None,
            watched=watched if renews else None,
            reports=roster.take_reports(),
            free_slots=0 if self._is_leaving else roster.room(now),
            running=roster.running,
            lease_seconds=self._rules.terms.duration if renews else None,
            now=now,
        )

    def _advance(self, now: float) -> None:
        row = self._link.advance(now)
        hints = self._link.take_hints(self._worker_channel, calls.SCHEDULE_CHANNEL)
        if row is not None:
            self._on_answer(row, now)
        # After the answer, which may be older than what was heard together with it.
        self.hear(hints, now)

    def hear(self, hints: Hints, now: float) -> None:
        """Something has happened that may be this node's business."""
        # Work for the group is nothing to a node without a free slot: it asks when one is free.
        # A schedule is everybody's business.
        group = hints.group or self._heed in hints.calls
        # But whoever stands at a post was told in place of others, and calls them if it is full.
        can_heed = self._roster.free or self._heed is not None
        work = group and can_heed and not self._is_leaving
        if hints.worker or hints.schedule or work:
            self._hinted = True
        if hints.worker:
            self._standby.hurry(now)

    def _on_answer(self, row: Row, now: float) -> None:
        asked, self._asked = self._asked, None
        match asked:
            case Asked.GREET:
                check_version(calls.parse_version(row), self._link.database)
                self._contact.greeted = True
            case Asked.LOCK:
                self._contact.works()
                self._on_locked(calls.parse_locked(row), now)
            case Asked.RENEW:
                self._on_renewed()
            case Asked.SYNC:
                self._contact.works()
                self._on_synced(calls.parse_synced(row), now)
            case Asked.MAINTAIN:
                self._on_maintained(calls.parse_maintained(row), now)
            case Asked.LEAVE:
                self._on_left(row, now)
            case None:
                raise AssertionError("an answer to no question")
            case _:
                assert_never(asked)

    def _on_locked(self, answer: Locked, now: float) -> None:
        me = self._identity
        if answer.epoch is None:
            if answer.held_process is None:
                self._roster.take_back()
            else:
                # Whoever was given the worker has written off what was left: nobody asks any more.
                self._roster.settle(())
            self._standby.refused(answer, now)
            return
        self._standby.served()
        self._roster.settle(())
        self._contact.registered = True
        self._contact.compared = False
        lease = granted(answer.epoch, self._asked_at, self._rules.terms)
        # The first call renews: only then does a node learn when to look after the other workers.
        self._trust(lease.due_by(now))
        event(
            logger, logging.INFO, "serving",
            worker_id=me.worker_id, group_id=me.group_id, slots=me.slots, epoch=answer.epoch,
        )  # fmt: skip

    def _on_renewed(self) -> None:
        self._contact.registered = True
        if self.lease is not None:  # else its time ran out under way
            self._trust(granted(self.lease.epoch, self._asked_at, self._rules.terms))

    def _on_left(self, row: Row, now: float) -> None:
        (left,) = row
        if left is None:
            self._leave_at = now + ROW_RETRY
        else:
            self.lease = None
            self.over = True
            self.gave_back = bool(left)

    def _on_synced(self, answer: Synced, now: float) -> None:
        lease = self.lease
        if lease is None:
            # Its time ran out under way. What was claimed is written off with the next lock.
            self._roster.take_back()
            return
        if self._asked_at >= lease.renew_at:
            self._watch.see(answer.watch or (), now)
            self._trust(self._renewed(lease, now))
        if answer.maintain:
            self._upkeep.hear(now)
        self._contact.compared = True
        if self._roster.settle(answer.again):
            self._retry_at = now + ROW_RETRY
        self._sync_at = None if answer.wake_in is None else now + answer.wake_in
        self._heed = answer.heed
        self._obey(answer.stop)
        self._dispatch.carry_out(answer, now)

    def _on_maintained(self, answer: Maintained, now: float) -> None:
        self._upkeep.did(answer, now)
        if answer.again_in is None and answer.error is not None:
            event(logger, logging.WARNING, "not_tidied_up", error=answer.error)

    def _renewed(self, lease: Lease, now: float) -> Lease:
        """Renewed again in time to see to it that a failed worker's tasks are given back."""
        renewed = granted(lease.epoch, self._asked_at, self._rules.terms)
        over_at = self._watch.next_at()
        if over_at is None:
            return renewed
        return renewed.due_by(max(over_at, now + ROW_RETRY))

    def _obey(self, stop: int) -> None:
        """A stop code that was taken back lets the node go on, and claim what came meanwhile."""
        if stop:
            self._dispatch.give_back()
        dismissed = stop in LEAVE_CODES
        if self._dismissed and not dismissed:
            self._hinted = True
        self._dismissed = dismissed

    def _trust(self, lease: Lease) -> None:
        self.lease = lease
        self._dispatch.fence(lease)

    def _lose_lease(self, why: str) -> None:
        tasks = self._roster.live
        worker_id = self._identity.worker_id
        event(logger, logging.ERROR, "lease_lost", worker_id=worker_id, why=why, tasks=tasks)
        self.lease = None
        self._upkeep.stop()
        self._contact.compared = False
        # The next lock writes off whatever it is not told: even what a row in use put off.
        self._roster.retry()
        self._dispatch.kill_all(LEASE_LOST, grace=0.0)
