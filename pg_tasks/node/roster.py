"""Which attempts a node has, from the order to start until their end is written down, and which of
its guardians has them.

Bookkeeping only: no clock, no I/O. An attempt is live from its order to its Ended, and known until
the report of its end has been accepted by the database.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pg_tasks.messages import Ended
from pg_tasks.node.share import Share


class Key(NamedTuple):
    """One execution of a task."""

    task_id: int
    attempt: int


class _Live:
    """An attempt that is not over."""

    def __init__(self, guardian: int) -> None:
        self.guardian = guardian
        self.told: str | None = None


class Roster:
    """The attempts of a node whose guardians have so many ``slots`` each."""

    def __init__(self, slots: Sequence[int]) -> None:
        self._shares = [Share(each) for each in slots]
        self._live: dict[Key, _Live] = {}
        self._due: dict[Key, Ended] = {}
        self._in_flight: dict[Key, Ended] = {}
        self._put_off: dict[Key, Ended] = {}

    @property
    def live(self) -> int:
        """How many processes there are, are being started, or wait for a slot."""
        return len(self._live)

    @property
    def slots(self) -> list[int]:
        """Of each guardian."""
        return [share.slots for share in self._shares]

    @property
    def free(self) -> int:
        """How many more have a slot at once."""
        return sum(share.free for share in self._shares)

    @property
    def running(self) -> int:
        """How many of the live ones have a slot."""
        return sum(share.running for share in self._shares)

    @property
    def waiting(self) -> int:
        """How many of the live ones wait for a slot."""
        return sum(share.waiting for share in self._shares)

    def room(self, now: float) -> int:
        """How many to claim. Where some are claimed ahead one at least: it may be a better one."""
        ahead = sum(share.ahead(now) for share in self._shares)
        return max(sum(share.room(now) for share in self._shares), min(ahead, 1))

    def lasts(self, seconds: float, now: float) -> bool:
        """Whether those that wait for a slot are enough for that time, as things go now."""
        return self.waiting > sum(share.starts_within(seconds, now) for share in self._shares)

    @property
    def due(self) -> bool:
        """Whether an end waits to be reported now."""
        return bool(self._due)

    @property
    def empty(self) -> bool:
        """Whether there is neither a process nor anything to report."""
        return not (self._live or self._due or self._in_flight or self._put_off)

    def unreported(self) -> list[Ended]:
        """Ends that the database has not been told."""
        return [*self._due.values(), *self._in_flight.values(), *self._put_off.values()]

    def known_tasks(self) -> list[int]:
        """Every task of which the database has not been told the end."""
        return [
            key.task_id
            for some in (self._live, self._due, self._in_flight, self._put_off)
            for key in some
        ]

    def is_known(self, key: Key) -> bool:
        """Whether the attempt was ordered and its end is not written down yet."""
        return (
            key in self._live or key in self._due or key in self._in_flight or key in self._put_off
        )

    def order(self, key: Key, now: float) -> None:
        """The attempt is being started, by the guardian that has the most room for it."""
        reluctances = [share.reluctance(now) for share in self._shares]
        guardian = reluctances.index(min(reluctances))
        self._shares[guardian].held += 1
        self._live[key] = _Live(guardian)

    def set_aside(self, guardian: int, aside: bool) -> bool:
        """Whether it is to be given nothing where another can have it. True: it is back."""
        share = self._shares[guardian]
        before, share.aside = share.aside, aside
        return before and not aside

    def guardian(self, key: Key) -> int:
        """Whose the live attempt is."""
        return self._live[key].guardian

    def tell(self, key: Key, what: str) -> bool:
        """Whether the live attempt has yet to be told ``what``; it counts as told from now on."""
        live = self._live.get(key)
        if live is None or live.told == what:
            return False
        live.told = what
        return True

    def end(self, report: Ended) -> bool:
        """The attempt is over. False if nothing is known of it, and nothing is to be reported."""
        key = Key(report.task_id, report.attempt)
        live = self._live.pop(key, None)
        if live is None:
            return False
        self._shares[live.guardian].ended(report)
        self._due[key] = report
        return True

    def report_unstarted(self, report: Ended) -> None:
        """The end of an attempt that never was a process."""
        self._due[Key(report.task_id, report.attempt)] = report

    def take_reports(self) -> list[Ended]:
        """What to hand in with the next call; it is in flight until ``settle`` or ``take_back``."""
        self._in_flight, self._due = self._due, {}
        return list(self._in_flight.values())

    def settle(self, again: Iterable[int]) -> bool:
        """The call went well. The reports of tasks ``again`` wait for ``retry``; True: some do."""
        repeated = frozenset(again)
        self._put_off.update(
            (key, report) for key, report in self._in_flight.items() if key.task_id in repeated
        )
        self._in_flight = {}
        return bool(self._put_off)

    def take_back(self) -> None:
        """The call failed, or its answer was lost: everything in flight is handed in again."""
        self._due = {**self._in_flight, **self._due}
        self._in_flight = {}

    def retry(self) -> None:
        """What was put off is due again."""
        self._due = {**self._put_off, **self._due}
        self._put_off = {}


def without_process(key: Key, reason: str | None, now: float) -> Ended:
    """The end of an attempt that has no process, or none of which anything is known."""
    return Ended(
        *key, pid=None, exit_code=None, signal=None, core_dumped=False, reason=reason,
        timeout=None, error=None, started=now, ended=now, user_seconds=0.0, system_seconds=0.0,
        peak_memory=0, output=None, result=None, left_behind=0,
    )  # fmt: skip
