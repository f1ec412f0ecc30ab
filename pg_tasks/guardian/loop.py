"""The guardian's one loop: the only place where it waits."""

import os
import select
from collections import deque
from math import inf
from signal import SIGCHLD
from typing import NoReturn

from pg_tasks.errors import ProtocolError
from pg_tasks.guardian.attempt import Attempt
from pg_tasks.guardian.backlog import Key
from pg_tasks.guardian.channel import Channel
from pg_tasks.guardian.keeper import Keeper
from pg_tasks.guardian.kernel import BoottimeAlarm, boottime, signal_descriptor
from pg_tasks.guardian.log import log
from pg_tasks.messages import (
    LEASE_LOST,
    Ended,
    Fence,
    Fenced,
    GiveBack,
    Kill,
    KillAll,
    Message,
    News,
    Ping,
    Pong,
    Start,
    Started,
    Stop,
)

_STARTS = 8
"""Of one turn: each takes some 0.3 ms, in which nobody is reaped or killed."""
_YOUNG = 0.02
"""Seconds for which nothing is said of a new process, and its output is left in its pipe."""
_HELD = 0.015
"""Seconds for which news are collected while the next tasks are at hand: each frame wakes the node
and makes a call of the database, and nobody waits for the slots."""
_LONGEST_WAIT = 0.2
"""Seconds after which those that wait for a slot are given back, for another node to start them."""
_SIGINFO_SIZE = 128


class Loop:
    """Turns messages into calls of the keeper, its news into messages, until the node is gone."""

    def __init__(self, channel: Channel, keeper: Keeper, parent: int) -> None:
        """``parent``: the node's pid; its end ends the loop, even if somebody holds its socket."""
        self._channel = channel
        self._keeper = keeper
        self._young: deque[tuple[float, Attempt]] = deque()
        self._deadline = inf
        self._fenced = False
        self._dying: set[Key] = set()
        self._killed_by_fence: int | None = None
        self._alarm = BoottimeAlarm()
        self._ends = signal_descriptor(SIGCHLD)
        self._parent = _watch(parent)
        self._watches_writing = False
        self._told = 0.0
        self._node_is_there = True
        self._epoll = select.epoll()
        for fd in (channel.fileno(), self._alarm.fileno(), self._ends, self._parent):
            if fd >= 0:
                self._epoll.register(fd, select.EPOLLIN)

    def run(self) -> None:
        """Returns when the node is gone, or cannot be understood. Whatever runs then still runs."""
        while self._node_is_there:
            self._turn(dict(self._epoll.poll(self._patience())))

    def _turn(self, ready: dict[int, int]) -> None:
        """Ends first, then the node's wishes, then output: a writer keeps nobody waiting."""
        if self._parent in ready:
            self._node_is_there = False
            return
        if self._ends in ready:
            os.read(self._ends, _SIGINFO_SIZE)
            self._keeper.reap()
        if self._channel.fileno() in ready:
            self._read_requests()
        now = boottime()
        if now >= self._deadline:
            self._keep_fence()
        if self._keeper.can_start():
            # First what is known: starting takes a while, in which the node can report it.
            self._tell(now)
            self._start_some()
        if now >= self._give_back_at():
            self._keeper.give_back_waiting()
        self._keeper.read_outputs(ready)
        if self._keeper.next_deadline() <= now:
            self._keeper.reap()
            self._keeper.escalate_due(now)
        self._settle_some(now)
        self._tell(now)

    def _patience(self) -> float:
        """Seconds until something is due; negative: as long as nothing happens."""
        if self._keeper.can_start():
            return 0
        when = min(self._keeper.next_deadline(), self._give_back_at())
        if self._young:
            when = min(when, self._young[0][0])
        if self._keeper.news:
            when = min(when, self._told + _HELD)
        return max(when - boottime(), 0) if when < inf else -1

    def _give_back_at(self) -> float:
        """Infinity: nothing waits for a slot."""
        return inf if self._keeper.can_start() else self._keeper.oldest_waiting() + _LONGEST_WAIT

    def _read_requests(self) -> bool:
        """False: nothing was there, and what happened is told by ``_node_is_there``."""
        try:
            messages = self._channel.receive()
            for message in messages:
                self._obey(message)
        except (ConnectionError, ProtocolError) as error:
            if self._keeper.attempts:
                log("node_gone", error=error, killing=len(self._keeper.attempts))
            self._node_is_there = False
            return False
        return bool(messages)

    def _obey(self, message: Message) -> None:
        match message:
            case Start():
                self._keeper.accept(message, boottime())
            case Stop():
                self._keeper.stop(message)
            case Kill() | KillAll():
                self._kill(message)
            case GiveBack():
                self._keeper.give_back_waiting()
            case Fence():
                self._deadline = message.deadline
                self._fenced = False
                self._alarm.set(message.deadline)
            case Ping():
                self._keeper.news.append(Pong(message.number))
            case Started() | Ended() | Fenced() | Pong():
                raise ProtocolError("the node sent what only the guardian says")
            case _:
                _unknown(message)

    def _kill(self, message: Kill | KillAll) -> None:
        # What has ended by itself before is told so, and not that it was killed.
        self._keeper.reap()
        if isinstance(message, Kill):
            self._keeper.kill(message, boottime())
        else:
            self._keeper.kill_all(message, boottime())

    def _keep_fence(self) -> None:
        """A push that came in time counts, even if the guardian was frozen and reads it late."""
        while boottime() >= self._deadline and not self._fenced and self._read_requests():
            pass
        now = boottime()
        if now < self._deadline or not self._node_is_there:
            return
        if not self._fenced:
            self._fenced = True
            self._alarm.clear()
            self._dying |= self._keeper.attempts.keys()
            self._killed_by_fence = len(self._dying)
            self._keeper.kill_all(KillAll(LEASE_LOST, 0.0), now)
        self._keeper.give_back_waiting(LEASE_LOST)

    def _start_some(self) -> None:
        for _ in range(_STARTS):
            now = boottime()
            if now >= self._deadline or not self._keeper.can_start():
                return
            attempt = self._keeper.start_next()
            if attempt is not None:
                self._young.append((now + _YOUNG, attempt))

    def _settle_some(self, now: float) -> None:
        """A process that ends within milliseconds never gets this far: its end says it all."""
        while self._young:
            when, attempt = self._young[0]
            if self._keeper.lives(attempt):
                if when > now:
                    return
                fd = self._keeper.settle(attempt)
                if fd >= 0:
                    self._epoll.register(fd, select.EPOLLIN)
            self._young.popleft()

    def _tell(self, now: float) -> None:
        held = self._keeper.has_waiting() and now < self._told + _HELD
        news = [] if held else self._take_news()
        try:
            if news:
                self._told = now
                self._channel.send(news)
            elif self._channel.wants_write:
                self._channel.flush()
        except ConnectionError:
            self._node_is_there = False
            return
        if self._channel.wants_write != self._watches_writing:
            self._watches_writing = self._channel.wants_write
            events = select.EPOLLIN | (select.EPOLLOUT if self._watches_writing else 0)
            self._epoll.modify(self._channel.fileno(), events)

    def _take_news(self) -> list[News]:
        news, self._keeper.news = self._keeper.news, []
        if self._killed_by_fence is not None:
            self._dying &= self._keeper.attempts.keys()
            if not self._dying:
                news.append(Fenced(self._killed_by_fence))
                self._killed_by_fence = None
        return news


def _unknown(message: NoReturn) -> NoReturn:
    """The type checker sees to it that this is never called."""
    raise AssertionError(message)


def _watch(pid: int) -> int:
    """A descriptor that becomes readable when ``pid`` ends; -1 where the kernel has none."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1
