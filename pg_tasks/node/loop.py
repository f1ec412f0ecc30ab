"""The node's loop: one thread, one place that sleeps.

What wakes it is the database, the guardian, or a signal. A signal only leaves a byte in a pipe;
the loop acts on it. The first SIGTERM or SIGINT lets the node start nothing more and gives running
tasks ``stop_grace`` to end by themselves, then ends them; a second one ends them at once, and the
node soon after, even if the database cannot be told.
"""

import logging
import os
import random
import select
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path

from pg_tasks import __version__
from pg_tasks.errors import PgTasksError
from pg_tasks.exhaustive import assert_never
from pg_tasks.guardian.config import Config
from pg_tasks.guardian.kernel import boottime
from pg_tasks.log import event
from pg_tasks.messages import Ended, Fenced, News, Pong, Started
from pg_tasks.node.backoff import Backoff
from pg_tasks.node.calls import Identity
from pg_tasks.node.contact import Contact
from pg_tasks.node.dispatch import Dispatch
from pg_tasks.node.ear import Ear
from pg_tasks.node.guardians import Guardians, share
from pg_tasks.node.lease import Terms
from pg_tasks.node.link import Link, Phase
from pg_tasks.node.remains import judge, kill_remains, name_process
from pg_tasks.node.roster import Roster, without_process
from pg_tasks.node.session import Rules, Session
from pg_tasks.node.standby import Standby
from pg_tasks.settings import Settings

logger = logging.getLogger(__name__)

NODE_STOPPED = "Node stopped"
GUARDIAN_DIED = "Guardian died"
_running = threading.Lock()
"""Held by the node that runs. Orphans come to the process, and the run directory and what proves a
node dead are named after it: two nodes would kill each other's tasks."""
_LAST_WORDS = 5.0
"""Seconds that a node has after a second signal to report the ends of the tasks it has killed."""


class Node:
    """Serves one worker: ``Node(settings).run()``. One process is one node at a time.

    ``settings.dsn`` must name a database. In the main thread of a program, SIGTERM and SIGINT stop
    the node; in another thread ``stop`` does.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.dsn is None:
            raise PgTasksError("a node needs a database", hint="give Settings a dsn")
        terms = Terms(settings.lease_duration, settings.lease_renewal, settings.lease_margin)
        host = socket.gethostname()
        identity = Identity(
            worker_id=settings.worker_id,
            group_id=settings.group_id,
            slots=settings.max_task_count,
            node_name=settings.node_name or f"{host}-{settings.worker_id}",
            host=host,
            pid=os.getpid(),
            process=name_process(),
            version=__version__,
        )
        call_limit = terms.call_limit(settings.call_timeout)
        self._settings = settings
        self._roster = Roster(share(settings.max_task_count))
        self._link = Link(
            settings.dsn,
            f"pg_tasks worker {settings.worker_id}",
            settings.connect_timeout,
            call_limit,
        )
        self._dispatch = Dispatch(
            self._roster, settings.worker_id, settings.kill_grace, settings.completion_grace
        )
        self._session = Session(
            self._link,
            Contact(self._link, Backoff(0.1, 5.0, random.random)),
            self._roster,
            self._dispatch,
            identity,
            Rules(
                terms,
                settings.recovery_delay,
                call_limit,
                pooled=settings.listen_dsn is not None,
            ),
            Standby(settings.worker_id, settings.lease_renewal, judge),
            kill_remains,
        )
        self._ear = _ear(settings, call_limit) if settings.listen_dsn is not None else None
        # Sockets, not bare descriptors: a late ``stop`` cannot hit somebody else's.
        self._stop_read, self._stop_write = socket.socketpair()
        self._stop_read.setblocking(False)
        self._stop_write.setblocking(False)
        self._stops = 0
        self._end_at: float | None = None

    def run(self) -> int:
        """Serve until told to stop. Returns 0; 1 if ends of tasks could not be reported.

        Raises PgTasksError when the database cannot be used in the first place, and when a node
        is running in this process already.
        """
        if not _running.acquire(blocking=False):
            raise PgTasksError(
                "a node is running in this process already",
                hint="one process is one node: start another process",
            )
        try:
            return self._run()
        finally:
            _running.release()

    def _run(self) -> int:
        kill_remains()
        with self._run_dir() as run_dir:
            self._guardians = Guardians(self._config(run_dir), self._roster)
            try:
                with self._signals():
                    while not self._session.over:
                        self._turn()
            finally:
                self._link.close()
                if self._ear is not None:
                    self._ear.link.close()
                self._guardians.close()
                self._stop_read.close()
                self._stop_write.close()
        for report in self._roster.unreported():
            event(
                logger, logging.ERROR, "unreported", task_id=report.task_id,
                attempt=report.attempt, exit_code=report.exit_code, signal=report.signal,
                reason=report.reason,
            )  # fmt: skip
        left = "left" if self._session.gave_back else "ended"
        event(logger, logging.INFO, left, worker_id=self._settings.worker_id)
        return 0 if self._roster.empty else 1

    def stop(self) -> None:
        """Begin to stop; called again, kill everything now. Safe in signal handlers and threads."""
        with suppress(OSError):
            self._stop_write.send(b"\0")

    def _turn(self) -> None:
        # Before the next call is made up: the guardians start processes meanwhile.
        self._deliver()
        now = boottime()
        self._session.turn(now)
        if self._ear is not None:
            self._ear.turn(now)
        if self._end_at is not None and now >= self._end_at:
            self._end_tasks(None)
        self._deliver()
        if not self._session.over:
            self._wait()
        self._bury_guardians()

    def _deliver(self) -> None:
        if requests := self._dispatch.take():
            self._guardians.send(requests)

    def _wait(self) -> None:
        """Sleep until something happens or is due, then let those act for whom it is."""
        poll = select.poll()
        poll.register(self._stop_read.fileno(), select.POLLIN)
        self._guardians.register(poll)
        database = _register(poll, self._link)
        ear = _register(poll, self._ear.link) if self._ear is not None else -1
        ready = {fd for fd, _ in poll.poll(self._patience())}
        if self._stop_read.fileno() in ready:
            self._hear_stop()
        for news in self._guardians.hear(ready):
            self._take(news)
        if self._guardians.look(boottime()):
            self._session.has_room()
        if database in ready:
            self._session.advance(boottime())
        if self._ear is not None and ear in ready:
            now = boottime()
            self._session.hear(self._ear.advance(now), now)

    def _patience(self) -> float | None:
        """Milliseconds until something is due; None: nothing is."""
        ear = self._ear.wake_at() if self._ear is not None else None
        times = [time for time in (self._session.wake_at(), ear, self._end_at) if time is not None]
        if (look_at := self._guardians.look_at()) < inf:
            times.append(look_at)
        # Rounded up by poll(2) to a whole millisecond, so that a time has come when it wakes.
        return max(min(times) - boottime(), 0.0) * 1000 + 0.5 if times else None

    def _hear_stop(self) -> None:
        stops = len(self._stop_read.recv(1024))
        self._stops += stops
        self._session.leave()
        self._dispatch.leave()
        event(logger, logging.INFO, "stopping", signals=self._stops, tasks=self._roster.live)
        if self._stops == stops and stops == 1:
            self._end_at = boottime() + self._settings.stop_grace
        else:
            self._end_tasks(0.0)
            self._session.give_up_at = boottime() + _LAST_WORDS

    def _end_tasks(self, grace: float | None) -> None:
        self._end_at = None
        self._dispatch.kill_all(NODE_STOPPED, grace)

    def _take(self, news: News) -> None:
        match news:
            case Ended():
                self._session.ended(news)
                event(
                    logger, logging.DEBUG, "task_ended", task_id=news.task_id,
                    attempt=news.attempt, pid=news.pid, exit_code=news.exit_code,
                    signal=news.signal, reason=news.reason,
                    left_behind=news.left_behind,
                )  # fmt: skip
            case Started():
                event(
                    logger, logging.DEBUG, "task_started", task_id=news.task_id,
                    attempt=news.attempt, pid=news.pid,
                )  # fmt: skip
            case Fenced():
                event(logger, logging.ERROR, "fenced", killed=news.killed)
            case Pong():
                return
            case _:
                assert_never(news)

    def _bury_guardians(self) -> None:
        """The tasks are our children now, because we are a subreaper: they were killed; go on."""
        for death in self._guardians.bury():
            event(logger, logging.ERROR, "guardian_died", error=death.error, killed=death.killed)
            for news in death.said:
                self._take(news)
            now = boottime()
            for key in death.lost:
                self._session.ended(without_process(key, GUARDIAN_DIED, now))

    def _config(self, run_dir: Path) -> Config:
        settings = self._settings
        return Config(
            run_dir=str(run_dir),
            root=str((settings.root or Path.cwd()).absolute()),
            output_tail=settings.output_tail,
            output_dir=str(settings.output_dir.absolute()) if settings.output_dir else None,
            output_limit=settings.output_limit,
            result_limit=settings.result_limit,
        )

    @contextmanager
    def _run_dir(self) -> Iterator[Path]:
        if self._settings.run_dir is not None:
            yield self._settings.run_dir.absolute()
            return
        with tempfile.TemporaryDirectory(prefix="pg_tasks-", ignore_cleanup_errors=True) as path:
            yield Path(path)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT stop the node, where Python lets us hear them: in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = [signal.signal(number, lambda *_: self.stop()) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)


def _register(poll: "select.poll", link: Link) -> int:
    """The descriptor to wait for; -1: there is no connection."""
    if link.phase is Phase.CLOSED:
        return -1
    poll.register(link.fileno(), link.mask)
    return link.fileno()


def _ear(settings: Settings, call_limit: float) -> Ear:
    assert settings.listen_dsn is not None
    name = f"pg_tasks listener {settings.worker_id}"
    link = Link(settings.listen_dsn, name, settings.connect_timeout, call_limit)
    backoff = Backoff(0.1, 5.0, random.random)
    return Ear(link, settings.worker_id, settings.group_id, backoff)
