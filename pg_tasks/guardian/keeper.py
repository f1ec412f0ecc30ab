"""Keeps the attempts: starts them, reaps them, and sees to it that nothing of them is left."""

import os
from collections.abc import Iterable

from pg_tasks.guardian import result
from pg_tasks.guardian.attempt import Attempt, Escalation, Exit, Step
from pg_tasks.guardian.backlog import Backlog, Key
from pg_tasks.guardian.capture import Capture, OutputFile
from pg_tasks.guardian.config import Config
from pg_tasks.guardian.deadlines import Deadlines
from pg_tasks.guardian.kernel import boottime
from pg_tasks.guardian.killing import Killer
from pg_tasks.guardian.orphans import Orphans
from pg_tasks.guardian.spawn import CannotStart, Spawner
from pg_tasks.guardian.tree import ProcessTree
from pg_tasks.messages import UNSTARTED, Ended, Kill, KillAll, News, Start, Started, Stop

_UNCLEAR = 0.002
"""Seconds until it is asked again whose a process is that is in the middle of execve(2)."""


class Keeper:
    """Every attempt from its Start to its Ended. Nothing here waits."""

    def __init__(self, config: Config, spawner: Spawner, tree: ProcessTree) -> None:
        self.attempts: dict[Key, Attempt] = {}
        """All that are not over."""
        self.news: list[News] = []
        """What the node has not been told; whoever sends it empties it."""
        self.outputs: dict[int, Capture] = {}
        """By descriptor, those that somebody watches for ``read_outputs``."""
        self._config = config
        self._spawner = spawner
        self._slots = config.slots
        self._backlog = Backlog()
        self._mains: dict[int, Attempt] = {}
        self._closing: dict[Attempt, None] = {}
        self._deadlines = Deadlines()
        self._unclear: dict[Attempt, None] = {}
        self._ask_again = 0.0
        self._orphans = Orphans(tree, config.run_dir)
        self._killer = Killer(tree, self._orphans)

    def accept(self, start: Start, now: float) -> None:
        """Queue it for ``start_next``. A key that is there already is refused."""
        if (start.task_id, start.attempt) not in self.attempts:
            self._backlog.put(start, now)

    def has_waiting(self) -> bool:
        """Whether something is not started yet, for want of a slot or of time."""
        return bool(self._backlog)

    def can_start(self) -> bool:
        """Whether there is something for ``start_next``, and a slot for it."""
        return bool(self._backlog) and (self._slots is None or len(self.attempts) < self._slots)

    def oldest_waiting(self) -> float:
        """Since when the first of those that wait has waited; infinity: none does."""
        return self._backlog.oldest()

    def start_next(self) -> Attempt | None:
        """Start the best of those that wait; ``settle`` it when it has lived for a while.

        None: it could not be started, and the news say why.
        """
        start, _ = self._backlog.take()
        key = (start.task_id, start.attempt)
        result_path = f"{self._config.run_dir}/{key[0]}-{key[1]}.json"
        started = boottime()
        try:
            spawned = self._spawner.spawn(start, result_path)
        except CannotStart as error:
            self._not_started(key, str(error), None)
            return None
        attempt = Attempt(
            key[0],
            key[1],
            spawned.pid,
            started,
            Escalation(start.kill_grace, start.timeout, started),
            Capture(spawned.output, self._config.output_tail, self._output_file(key)),
            result_path,
        )
        self.attempts[key] = attempt
        self._mains[spawned.pid] = attempt
        self._deadlines.put(attempt)
        return attempt

    def lives(self, attempt: Attempt) -> bool:
        """Whether its end has yet to be told."""
        return self.attempts.get((attempt.task_id, attempt.attempt)) is attempt

    def settle(self, attempt: Attempt) -> int:
        """It lives: say so. Returns the output to be watched; -1: it is closed."""
        self.news.append(Started(attempt.task_id, attempt.attempt, attempt.pid))
        fd = attempt.capture.fd
        if fd >= 0:
            self.outputs[fd] = attempt.capture
        return fd

    def read_outputs(self, ready: Iterable[int]) -> None:
        """Read once from each output that is ready; other descriptors are left alone."""
        for fd in ready:
            capture = self.outputs.get(fd)
            if capture is not None:
                capture.read()
                if capture.fd < 0:
                    del self.outputs[fd]

    def give_back_waiting(self, error: str = UNSTARTED, reason: str | None = None) -> None:
        """Nothing that waits is started here; it may be elsewhere."""
        for key in self._backlog.clear():
            self._not_started(key, error, reason, given_back=True)

    def stop(self, message: Stop) -> None:
        """SIGTERM to the tree, no more. One that was not started yet is not started."""
        key = (message.task_id, message.attempt)
        if key in self._backlog:
            self._withdraw(key, None)
        elif (attempt := self.attempts.get(key)) is not None and attempt.exit is None:
            self._look()
            self._killer.stop(attempt)

    def kill(self, message: Kill, now: float) -> None:
        """Plan it, and take what is due of the plan at once. An unknown key is no error.

        One that was not started yet is not started.
        """
        key = (message.task_id, message.attempt)
        if key in self._backlog:
            # What is to have time to end by itself has not begun: nothing was done to it.
            self._withdraw(key, None if message.delay > 0 else message.reason)
        elif (attempt := self.attempts.get(key)) is not None:
            attempt.escalation.kill(message.reason, message.delay, message.grace, now)
            if attempt.escalation.next() <= now:
                self._look()
            self._escalate(attempt, now)

    def kill_all(self, message: KillAll, now: float) -> None:
        """Kill, for every attempt; those that wait are given back."""
        self.give_back_waiting(reason=message.reason)
        attempts = list(self.attempts.values())
        if not attempts:
            return
        for attempt in attempts:
            attempt.escalation.kill(message.reason, 0.0, message.grace, now)
            if attempt.escalation.due(now) is Step.KILL:
                self._killer.kill_group(attempt)
        self._look()
        for attempt in attempts:
            self._escalate(attempt, now)

    def reap(self) -> None:
        """Take every child that has ended, and end the attempts of which nothing is left."""
        now = boottime()
        suspects: dict[Attempt, None] = {}
        anybody = False
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            attempt = self._mains.pop(pid, None)
            if attempt is not None:
                attempt.exit = Exit(
                    status, usage.ru_utime, usage.ru_stime, usage.ru_maxrss * 1024, now
                )
                attempt.escalation.main_has_ended(now)
                self._closing[attempt] = None
                suspects[attempt] = None
            elif (owner := self._orphans.reaped(pid)) is not None:
                suspects[owner] = None
            else:
                anybody = True
        if anybody:
            suspects = self._closing.copy()
        if suspects or anybody:
            self._settle(suspects, now)

    def escalate_due(self, now: float) -> None:
        """Take the steps that are due."""
        if self._unclear and self._ask_again <= now:
            unclear, self._unclear = self._unclear, {}
            self._settle(unclear, now)
        due = self._deadlines.take(now)
        if due:
            self._look()
        for attempt in due:
            if self.attempts.get(attempt.key) is attempt:
                self._escalate(attempt, now)

    def next_deadline(self) -> float:
        """When ``escalate_due`` has something to do; infinity: never."""
        when = self._deadlines.next()
        return min(when, self._ask_again) if self._unclear else when

    def _settle(self, suspects: Iterable[Attempt], now: float) -> None:
        """The last process of a tree to end is a child of the guardian, so nobody else is over."""
        self._look()
        for attempt in suspects:
            if attempt not in self._closing:
                continue
            if self._killer.may_have_more(attempt):
                self._unclear[attempt] = None
                self._ask_again = now + _UNCLEAR
            elif self._killer.is_gone(attempt):
                self._finish(attempt)
            elif attempt.escalation.due(now) is None:
                # Its grace goes on; what has turned up since the TERM gets one too.
                self._killer.signal(attempt, Step.TERM)
            else:
                self._escalate(attempt, now)

    def _look(self) -> None:
        for stray in self._orphans.look(self._mains, self.attempts):
            self._killer.kill_stray(stray)

    def _escalate(self, attempt: Attempt, now: float) -> None:
        step = attempt.escalation.due(now)
        if step is not None:
            self._killer.signal(attempt, step)
            attempt.escalation.taken(step, now)
        self._deadlines.put(attempt)

    def _finish(self, attempt: Attempt) -> None:
        del self.attempts[attempt.key]
        del self._closing[attempt]
        self._deadlines.forget_all_but(self.attempts)
        self.outputs.pop(attempt.capture.fd, None)
        attempt.capture.finish()
        found = result.take(attempt.result_path, self._config.result_limit)
        end = attempt.exit
        assert end is not None
        code = os.waitstatus_to_exitcode(end.status)
        self.news.append(
            Ended(
                task_id=attempt.task_id,
                attempt=attempt.attempt,
                pid=attempt.pid,
                exit_code=code if code >= 0 else None,
                signal=-code if code < 0 else None,
                core_dumped=os.WCOREDUMP(end.status),
                reason=attempt.escalation.reason,
                timeout=attempt.escalation.timeout,
                error=found.error,
                started=attempt.started,
                ended=end.ended,
                user_seconds=end.user_seconds,
                system_seconds=end.system_seconds,
                peak_memory=end.peak_memory,
                output=attempt.capture.text(),
                result=found.text,
                left_behind=len(attempt.left_behind),
            )
        )

    def _withdraw(self, key: Key, reason: str | None) -> None:
        self._backlog.remove(key)
        self._not_started(key, UNSTARTED, reason)

    def _not_started(
        self, key: Key, error: str, reason: str | None, *, given_back: bool = False
    ) -> None:
        now = boottime()
        self.news.append(
            Ended(
                key[0], key[1], None, None, None, False, reason, None, error, now,
                now, 0.0, 0.0, 0, None, None, 0, given_back,
            )
        )  # fmt: skip

    def _output_file(self, key: Key) -> OutputFile | None:
        directory = self._config.output_dir
        return None if directory is None else OutputFile(directory, key, self._config.output_limit)
