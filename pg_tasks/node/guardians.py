"""The guardians of a node. Each has a part of the slots, and starts processes beside the others."""

import logging
import os
import select
import time
from collections.abc import Iterable, Sequence
from math import inf
from pathlib import Path
from typing import NamedTuple

from pg_tasks.errors import GuardianDied, SettingsError
from pg_tasks.guardian.config import Config
from pg_tasks.guardian.kernel import boottime
from pg_tasks.guardian.tree import ProcessTree
from pg_tasks.log import event
from pg_tasks.messages import (
    Ended,
    Fence,
    GiveBack,
    Kill,
    KillAll,
    News,
    Ping,
    Request,
    Start,
    Stop,
)
from pg_tasks.node import run_dir
from pg_tasks.node.guardian_link import CLOSE_LIMIT, GuardianLink
from pg_tasks.node.roster import Key, Roster
from pg_tasks.node.vigil import Vigil

logger = logging.getLogger(__name__)

_SLOTS_EACH = 4
"""A guardian more for so many slots: fewer do not keep one busy."""
_MOST = 4
_TRY_AGAIN = 1.0
"""Seconds until it is tried again to start a guardian for which there was no process, or memory, or
that has died without a word: its program may be broken, and all it is given would be lost."""


class Death(NamedTuple):
    """A guardian that died, and is replaced as soon as that can be done."""

    error: GuardianDied
    said: list[News]
    """What it had still said."""
    lost: list[Key]
    """The attempts it had, but for those whose end it had said."""
    killed: int
    """Processes that it had left behind."""


def share(slots: int) -> list[int]:
    """The slots of each guardian.

    One of them is waiting most of the time, for the kernel to have started a process. More of them
    than there are cores only wait for each other.
    """
    count = max(min(slots // _SLOTS_EACH, len(os.sched_getaffinity(0)), _MOST), 1)
    each, more = divmod(slots, count)
    return [each + (index < more) for index in range(count)]


class Guardians:
    """What each of them was given, and what to tell whom. Nothing blocks but ``close``, and
    ``bury`` when one has died."""

    def __init__(self, config: Config, roster: Roster) -> None:
        """Starts them. ``roster``: says whose each attempt is. Raises as ``GuardianLink.start``."""
        self._roster = roster
        self._configs = [config._replace(slots=slots) for slots in roster.slots]
        self._links: list[GuardianLink] = []
        self._keys: list[set[Key]] = []
        self._vigils = [Vigil() for _ in self._configs]
        self._errors: dict[int, GuardianDied] = {}
        self._missing: dict[int, float] = {}
        """Those that could not be started or died without a word, and when it is tried again."""
        self._untried: set[int] = set()
        """Those that were started in place of others, and have not said a word yet."""
        self._held: list[list[Request]] = [[] for _ in self._configs]
        """What the missing and the untried are to be told."""
        self._fence: Fence | None = None
        self._run_dir = run_dir.claim(Path(config.run_dir), ProcessTree())
        try:
            for each in self._configs:
                self._links.append(GuardianLink.start(each, own_dir=self._run_dir))
                self._keys.append(set())
        except BaseException:
            self.close()
            raise

    @property
    def links(self) -> tuple[GuardianLink, ...]:
        """Those that serve now."""
        return tuple(self._links)

    def register(self, poll: "select.poll") -> None:
        """Have them watched: for what they say, and for taking what they have not taken."""
        for index, link in enumerate(self._links):
            if index not in self._missing:
                poll.register(
                    link.fileno(), select.POLLIN | (select.POLLOUT if link.wants_write else 0)
                )

    def send(self, requests: Iterable[Request]) -> None:
        """What is about an attempt goes to where it is, all else to all of them."""
        frames: list[list[Request]] = [[] for _ in self._links]
        for request in requests:
            for index in self._concerned(request):
                frames[index].append(request)
        for index, frame in enumerate(frames):
            if index in self._missing or index in self._untried:
                self._held[index] += [item for item in frame if not isinstance(item, Fence)]
            elif frame:
                self._tell(index, [*frame, *self._watch(index, frame)])

    def hear(self, ready: Iterable[int]) -> list[News]:
        """What those have to say whose descriptors are ready."""
        ready = frozenset(ready)
        heard: list[News] = []
        for index, link in enumerate(self._links):
            if link.fileno() not in ready or index in self._errors:
                continue
            try:
                if link.wants_write:
                    link.flush()
                news = link.receive()
            except GuardianDied as error:
                self._errors[index] = error
                continue
            self._take_note(index, news)
            heard += news
        return heard

    def look_at(self) -> float:
        """When ``look`` has something to do; infinity: never, as things are."""
        return min(*self._missing.values(), *(vigil.look_at for vigil in self._vigils), inf)

    def look(self, now: float) -> bool:
        """Call after ``hear``. True: one that did not answer can be given attempts again.

        Kills a guardian that hangs, if that cannot wait; ``hear`` and ``bury`` tell of its death.
        """
        back = False
        for index in [index for index, when in self._missing.items() if now >= when]:
            self._replace(index)
        for index, vigil in enumerate(self._vigils):
            if now >= vigil.look_at and index not in self._errors:
                self._look_at(index, now)
            aside = vigil.is_silent or index in self._missing
            back |= self._roster.set_aside(index, aside)
        return back

    def bury(self) -> list[Death]:
        """Kill what those that died have left, and start others in their place.

        Where that cannot be done now, ``look`` tries again, and the rest go on.
        """
        deaths = []
        while self._errors:
            index, error = self._errors.popitem()
            killed = self._links[index].kill_orphans(self._others(index))
            self._untried.discard(index)
            # It may have been noticed by a send, when nobody had read all that came before.
            said = self._links[index].last_words()
            self._take_note(index, said)
            self._links[index].close()
            untold = {
                Key(item.task_id, item.attempt)
                for item in self._held[index]
                if isinstance(item, Start)
            }
            deaths.append(Death(error, said, list(self._keys[index] - untold), killed))
            self._keys[index] &= untold
            had_spoken = self._vigils[index].has_spoken
            self._vigils[index] = Vigil()
            self._roster.set_aside(index, True)
            if had_spoken:
                self._replace(index)
            else:
                self._missing[index] = boottime() + _TRY_AGAIN
        return deaths

    def close(self) -> None:
        """End them all, and everything they run, at once."""
        for link in self._links:
            link.shut()
        until = time.monotonic() + CLOSE_LIMIT
        for index, link in enumerate(self._links):
            link.close(max(until - time.monotonic(), 0.0), self._others(index))
        run_dir.remove(self._run_dir)

    def _concerned(self, request: Request) -> Iterable[int]:
        match request:
            case Start():
                key = Key(request.task_id, request.attempt)
                index = self._roster.guardian(key)
                self._keys[index].add(key)
                return (index,)
            case Stop() | Kill():
                key = Key(request.task_id, request.attempt)
                return [index for index, keys in enumerate(self._keys) if key in keys]
            case Fence():
                self._fence = request
        return range(len(self._links))

    def _others(self, index: int) -> list[int]:
        """Their pids. That of one that is missing may be a task's by now."""
        return [
            link.pid
            for other, link in enumerate(self._links)
            if other != index and other not in self._missing
        ]

    def _replace(self, index: int) -> None:
        try:
            link = GuardianLink.start(self._configs[index], own_dir=self._run_dir)
        except (OSError, SettingsError) as error:
            event(logger, logging.ERROR, "guardian_missing", error=error)
            self._missing[index] = boottime() + _TRY_AGAIN
            return
        self._links[index] = link
        self._missing.pop(index, None)
        self._untried.add(index)
        self._tell(index, [self._vigils[index].doubt(boottime())])

    def _trust(self, index: int) -> None:
        """It has said something: it may be given what there is to do."""
        self._untried.discard(index)
        held, self._held[index] = self._held[index], []
        # A fence before all: what was held may have been passed by the end of a lease.
        requests = [*([] if self._fence is None else [self._fence]), *held]
        if requests:
            self._tell(index, [*requests, *self._watch(index, requests)])

    def _look_at(self, index: int, now: float) -> None:
        vigil, link = self._vigils[index], self._links[index]
        was_silent = vigil.is_silent
        ping = vigil.look(now)
        if ping is not None:
            self._tell(index, [ping])
        elif (vigil.is_deaf and self._keys[index]) or (vigil.is_lost and link.is_stopped):
            event(logger, logging.ERROR, "guardian_hangs", pid=link.pid)
            vigil.end()
            link.kill()
        elif vigil.is_silent and not was_silent:
            event(logger, logging.WARNING, "guardian_silent", pid=link.pid)

    def _watch(self, index: int, frame: Iterable[Request]) -> Iterable[Ping]:
        """What it is asked together with ``frame``."""
        now = boottime()
        for request in frame:
            if isinstance(request, KillAll) and request.grace == 0:
                return [self._vigils[index].hurry(now)]
            if not isinstance(request, Fence | GiveBack):
                self._vigils[index].told(now)
        return []

    def _take_note(self, index: int, news: Sequence[News]) -> None:
        self._vigils[index].heard(news)
        for item in news:
            if isinstance(item, Ended):
                self._keys[index].discard(Key(item.task_id, item.attempt))
        if news and index in self._untried:
            self._trust(index)

    def _tell(self, index: int, requests: list[Request]) -> None:
        try:
            self._links[index].send(requests)
        except GuardianDied as error:
            self._errors[index] = error
