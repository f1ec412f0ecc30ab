"""Faults at random, for a while, upon several nodes that have much to do; then the verdict."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.chaos.member import Member
from tests.chaos.postgres import restart
from tests.chaos.witnesses import Witnesses
from tests.servers import Database, Server, StopMode
from tests.waiting import wait_until

_SETTLE_LIMIT = 120.0
_TEMPLATES = 3
_STARTS = 40
"""Of each template, by its schedule, while the storm rages."""


class Weather(NamedTuple):
    """How hard, and how long."""

    seconds: float
    tasks: int
    seed: int
    nodes: int = 5
    workers: int = 3
    slots: int = 6
    pause: float = 0.5
    """Seconds from one fault to the next, on average."""


class Outcome(NamedTuple):
    """What there was; that it was lawful is why there is an outcome at all."""

    tasks: Counter[str]
    attempts: Counter[str]
    faults: Counter[str]
    events: Counter[str]
    seconds: float


class Storm:
    """One run; ``pass_over()`` is all of it."""

    def __init__(self, server: Server, directory: Path, weather: Weather) -> None:
        self._server = server
        self._weather = weather
        self._database: Database = server.create_database()
        self._witnesses = Witnesses(self._database, directory / "witnesses")
        self._members = [
            Member(self._database, directory, 1 + number % weather.workers, weather.slots)
            for number in range(weather.nodes)
        ]
        # Two sources: what is queued does not depend on which fault came when.
        self._moments = random.Random(weather.seed)
        self._people = random.Random(weather.seed + 1)
        self._cures: list[tuple[float, Callable[[], None]]] = []
        self._faults: Counter[str] = Counter()
        self._queued = 0
        self._cancelled: set[int] = set()

    def pass_over(self) -> Outcome:
        """Raises AssertionError for whatever must not have happened."""
        begun = time.monotonic()
        try:
            self._rage(begun)
            self._settle()
            outcome = self._judge(begun)
            for member in self._members:
                member.close()
        except BaseException:
            for member in self._members:
                member.destroy()
            raise
        self._database.close()
        self._server.drop(self._database.name)
        return outcome

    def _rage(self, begun: float) -> None:
        weather = self._weather
        self._schedule()
        next_fault = begun + weather.pause
        while (now := time.monotonic()) < begun + weather.seconds:
            self._cure(now)
            self._queue(int(weather.tasks * (now - begun) / weather.seconds))
            for member in self._members:
                member.replace_if_dead()
            if now >= next_fault:
                self._strike(now)
                next_fault = now + self._moments.uniform(0, 2 * weather.pause)
            _pause(0.05)

    def _settle(self) -> None:
        """From here on all is well with the machines."""
        self._cure(float("inf"))
        self._queue(self._weather.tasks)
        self._sql("UPDATE long_task.worker SET stop = 0 WHERE stop <> 0")
        wait_until(
            lambda: self._sql("SELECT id FROM long_task.task WHERE next_start IS NOT NULL"),
            lambda rows: not rows,
            describe="every schedule to end",
            limit=_SETTLE_LIMIT,
        )

        def is_over() -> list[Any]:
            for member in self._members:
                member.replace_if_dead()
            return self._sql(
                "SELECT id, state_id, attempt, running_on FROM long_task.task"
                " WHERE state_id LIKE 'A%' OR running_on IS NOT NULL LIMIT 5"
            )

        wait_until(
            is_over,
            lambda rows: not rows,
            describe="every task to end",
            limit=_SETTLE_LIMIT,
        )

    def _judge(self, begun: float) -> Outcome:
        self._witnesses.judge()
        (wrong,) = self._sql(
            "SELECT count(*) FROM long_task.task WHERE id = ANY (%s) AND state_id <> 'CC'",
            list(self._cancelled),
        )
        assert wrong.count == 0, f"{wrong.count} tasks were cancelled and did not end so"
        tasks = self._count(
            "SELECT state_id AS what, count(*) FROM long_task.task"
            " WHERE state_id <> 'DR' AND shed_parent_id IS NULL GROUP BY 1"
        )
        assert tasks.total() == self._queued
        self._judge_schedules()
        return Outcome(
            tasks,
            self._count(
                "SELECT COALESCE(regexp_replace(error, ' (after|[0-9]).*', ''), 'done') AS what,"
                " count(*) FROM long_task.task_run GROUP BY 1"
            ),
            self._faults,
            self._count("SELECT kind AS what, count(*) FROM long_task.worker_event GROUP BY 1"),
            time.monotonic() - begun,
        )

    def _schedule(self) -> None:
        """Templates whose every start is a copy, until the storm is over."""
        for _ in range(_TEMPLATES):
            template = self._witnesses.add(0.05, state_id="DR", shed_clone=True)
            self._sql(
                "UPDATE long_task.task SET next_start = now() + '1 s', missed = 'run each',"
                " shed_period_id = 'SEC', shed_period_count = GREATEST(1, %s::integer),"
                " until = now() + %s * interval '1 s' WHERE id = %s",
                self._weather.seconds / _STARTS,
                self._weather.seconds,
                template,
            )

    def _judge_schedules(self) -> None:
        """Each start was made once, by whichever node, and none was left out."""
        wrong = self._sql(
            "SELECT p.id, s.start, count(c.id) FROM long_task.task AS p"
            " CROSS JOIN generate_series("
            "p.shed_anchor, p.until, p.shed_period_count * interval '1 s') AS s (start)"
            " FULL JOIN long_task.task AS c"
            " ON c.shed_parent_id = p.id AND c.scheduled_for = s.start"
            " WHERE p.shed_clone OR c.shed_parent_id IS NOT NULL"
            " GROUP BY p.id, s.start HAVING count(c.id) <> 1 OR p.id IS NULL"
        )
        assert not wrong, f"starts that were not made once: {wrong[:5]}"
        made = "SELECT count(*) FROM long_task.task WHERE shed_parent_id IS NOT NULL"
        assert (
            self._sql(made)[0].count >= _TEMPLATES * min(_STARTS, self._weather.seconds - 2) * 0.9
        )

    def _count(self, statement: str) -> Counter[str]:
        return Counter({row.what: row.count for row in self._sql(statement)})

    def _queue(self, until: int) -> None:
        """What people do: queue all kinds of tasks, and cancel some."""
        people = self._people
        while self._queued < until:
            code = people.choice([0, 0, 0, 3])
            self._witnesses.add(
                people.choice([0, 0.05, 0.3, 1, 3]),
                code=code,
                helper=people.random() < 0.1,
                priority=people.randint(-2, 2),
                max_attempts=people.randint(1, 4),
                retry_delay=people.choice(["0", "0.1 seconds", "0.5 seconds"]),
            )
            self._queued += 1
            if people.random() < 0.05:
                self._cancel_one()

    def _cancel_one(self) -> None:
        cancelled = self._sql(
            "UPDATE long_task.task SET state_id = 'AC' WHERE id = ("
            " SELECT id FROM long_task.task WHERE state_id IN ('AW', 'AD', 'AE')"
            " ORDER BY random() LIMIT 1) AND state_id IN ('AW', 'AD', 'AE') RETURNING id"
        )
        self._cancelled |= {row.id for row in cancelled}

    def _strike(self, now: float) -> None:
        """Some fault upon somebody to whom it may happen."""
        kind = self._moments.choices(
            [
                self._kill_node,
                self._kill_guardian,
                self._freeze,
                self._darken,
                self._lose_answers,
                self._cut,
                self._end_connections,
                self._stop_node,
                self._drain_worker,
                self._restart,
                self._crash,
            ],
            [4, 3, 3, 3, 2, 2, 2, 1, 1, 1, 1],
        )[0]
        victim = self._moments.choice(self._members)
        length = self._moments.choice([0.2, 1.0, 2.5, 5.0])
        if kind(victim, now + length):
            self._faults[kind.__name__.strip("_")] += 1

    def _kill_node(self, victim: Member, until: float) -> bool:
        del until
        # Both of them at once is beyond what can be promised: nobody is left to kill the tasks.
        if not victim.has_guardian():
            return False
        victim.kill()
        return True

    def _kill_guardian(self, victim: Member, until: float) -> bool:
        del until
        if victim.is_frozen or not victim.has_guardian():
            return False
        victim.kill_guardian()
        return True

    def _freeze(self, victim: Member, until: float) -> bool:
        if victim.is_frozen or not victim.has_guardian():
            return False
        self._cures.append((until, victim.freeze()))
        return True

    def _darken(self, victim: Member, until: float) -> bool:
        victim.proxy.hold()
        self._cures.append((until, victim.proxy.release))
        return True

    def _lose_answers(self, victim: Member, until: float) -> bool:
        victim.proxy.hold_answers()

        def cure() -> None:
            victim.proxy.cut()
            victim.proxy.release()

        self._cures.append((until, cure))
        return True

    def _cut(self, victim: Member, until: float) -> bool:
        del until
        victim.proxy.cut()
        return True

    def _end_connections(self, victim: Member, until: float) -> bool:
        del until
        self._sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = %s AND datname = current_database()",
            f"pg_tasks worker {victim.worker_id}",
        )
        return True

    def _stop_node(self, victim: Member, until: float) -> bool:
        del until
        return victim.signal(signal.SIGTERM)

    def _drain_worker(self, victim: Member, until: float) -> bool:
        def change(stop: int) -> None:
            self._sql("UPDATE long_task.worker SET stop = %s WHERE id = %s", stop, victim.worker_id)

        change(2)
        self._cures.append((until, lambda: change(0)))
        return True

    def _restart(self, victim: Member, until: float) -> bool:
        del victim, until
        self._restart_server("fast")
        return True

    def _crash(self, victim: Member, until: float) -> bool:
        del victim, until
        self._restart_server("immediate")
        return True

    def _restart_server(self, mode: StopMode) -> None:
        restart(self._server.embedded, mode)
        self._witnesses.tasks.reconnect()

    def _cure(self, now: float) -> None:
        due = [cure for when, cure in self._cures if when <= now]
        self._cures = [(when, cure) for when, cure in self._cures if when > now]
        for cure in due:
            cure()

    def _sql(self, statement: str, *values: Any) -> list[Any]:
        return self._witnesses.tasks.sql(statement, *values)


def _pause(seconds: float) -> None:
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= until)
