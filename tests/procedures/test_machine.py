"""Any sequence of what people, nodes, crashes and time can do keeps the promises.

``PG_TASKS_MACHINE_EXAMPLES`` is the number of sequences on each server version.
"""

import json
import os
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg2.extensions import TRANSACTION_STATUS_INERROR
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.procedures.acting import ALLOWED, STATES, Sql, ended
from tests.procedures.modelled_node import Key, ModelledNode
from tests.procedures.promises import Promises
from tests.servers import Clock

EXAMPLES = int(os.environ.get("PG_TASKS_MACHINE_EXAMPLES", "60"))
START = "2030-01-01 00:00:00+00:00"
ANY = st.integers(min_value=0, max_value=1000)
OFFSETS = st.sampled_from([None, -60, 5, 40, 3600])
OUTCOMES: list[dict[str, Any]] = [
    {"exit_code": 0},
    {"exit_code": 1},
    {"exit_code": None, "signal": 15},
    {"exit_code": None, "pid": None, "error": "no such file"},
]
# What a claim may take: the predicate of the two ready indexes for the workers of the machine.
CLAIMABLE = (
    "t.state_id = 'AW' AND t.running_on IS NULL AND COALESCE(t.worker_id = %s, t.group_id = 0)"
)


class Machine(RuleBasedStateMachine):
    """Two workers, any number of people, in one transaction that is rolled back."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        connection.rollback()
        self.sql = Sql(connection)
        self.clock = Clock(connection)
        self.clock.set(START)
        self.now = 0.0
        self.nodes = [ModelledNode(self.sql, 1), ModelledNode(self.sql, 2)]
        self.kept = Promises(self.sql, self.nodes)

    @initialize(tasks=st.integers(0, 5), attempts=st.integers(1, 3), locked=st.booleans())
    def begin(self, tasks: int, attempts: int, locked: bool) -> None:
        """Most sequences begin in the middle of some work."""
        for number in range(tasks):
            self.sql.insert(max_attempts=attempts, retry_delay="0", priority=number % 2)
        for node in self.nodes if locked else ():
            node.lock(self.now, answered=True)
            node.sync(self.now, answered=True)

    # People

    @rule(
        state=st.sampled_from(["DR", "AW", "AW", "AW"]),
        priority=st.integers(-1, 1),
        worker=st.sampled_from([None, None, 1, 2, 3]),
        attempts=st.integers(1, 3),
        delay=st.sampled_from(["0", "0", "10 s", "1 hour"]),
        offset=OFFSETS,
    )
    def insert(
        self, state: str, priority: int, worker: int | None, attempts: int, delay: str, offset: Any
    ) -> None:
        for later in range(2):
            self.sql.insert(
                state_id=state, priority=priority + later, worker_id=worker, max_attempts=attempts,
                retry_delay=delay, start_after=self._time(offset), group_id=9 if worker == 2 else 0,
            )  # fmt: skip

    @precondition(lambda self: self._ids())
    @rule(number=ANY, running=st.booleans(), wanted=st.sampled_from(STATES))
    def write_state(self, number: int, running: bool, wanted: str) -> None:
        task_id = self._pick(number, running=running)
        row = self.sql.whole(task_id)
        state = self.sql.look(task_id)
        if (state, wanted) not in ALLOWED:
            statement = "UPDATE long_task.task SET state_id = %s WHERE id = %s"
            assert self.sql.refusal(statement, wanted, task_id).code == "LT003"
            assert self.sql.whole(task_id) == row
            return
        self.sql.change(task_id, state_id=wanted)
        waiting = {"AW", "AD"}
        found = self.sql.look(task_id)
        assert found in (waiting if ALLOWED[state, wanted] in waiting else {ALLOWED[state, wanted]})

    @precondition(lambda self: self._ids())
    @rule(
        number=ANY,
        change=st.sampled_from(
            ["start_after", "next_start", "worker_id", "priority", "max_attempts"]
        ),
        offset=OFFSETS,
        value=st.integers(1, 3),
    )
    def write_column(self, number: int, change: str, offset: Any, value: int) -> None:
        written = self._time(offset) if change in ("start_after", "next_start") else value
        self.sql.change(self._pick(number), **{change: written})

    @precondition(lambda self: self._ids())
    @rule(
        number=ANY,
        clone=st.booleans(),
        period=st.sampled_from([None, "MIN", "DAY"]),
        cron=st.booleans(),
        rules=st.sampled_from(
            [
                (None, None), (None, None), ("skip", None), ("run each", None), (None, "clone"),
                ("run each", "clone"), (None, "queue one"), ("skip", "queue one"), (None, "skip"),
            ]
        ),
    )  # fmt: skip
    def schedule(
        self, number: int, clone: bool, period: str | None, cron: bool,
        rules: tuple[str | None, str | None],
    ) -> None:  # fmt: skip
        missed, overlap = rules
        self.sql.change(
            self._pick(number), next_start=self._time(0), missed=missed, overlap=overlap,
            shed_clone=clone and overlap != "queue one",
            cron="* * * * *" if cron else None, shed_period_id=None if cron else period,
        )  # fmt: skip

    @precondition(lambda self: self._ids())
    @rule(number=ANY, running=st.booleans())
    def delete(self, number: int, running: bool) -> None:
        task_id = self._pick(number, running=running)
        self.sql.run("DELETE FROM long_task.task WHERE id = %s", task_id)

    @precondition(lambda self: self._ids())
    @rule(number=ANY, state=st.sampled_from(["CS", "CF"]), again=st.booleans())
    def end_itself(self, number: int, state: str, again: bool) -> None:
        task_id = self._pick(number, running=True)
        if self.sql.look(task_id) == "AE":
            self.sql.change(task_id, state_id=state)
            if again:
                self.sql.change(task_id, state_id="AW", worker_id=None)

    @rule(worker=st.integers(1, 2), stop=st.sampled_from([0, 0, 1, 2, 3]))
    def write_stop(self, worker: int, stop: int) -> None:
        self.sql.run("INSERT INTO long_task.worker (id, stop) VALUES (%s, %s)", worker, stop)

    # Nodes

    @rule(number=st.integers(0, 1), answered=st.booleans())
    def lock(self, number: int, answered: bool) -> None:
        self.nodes[number].lock(self.now, answered=answered)

    @rule(number=st.integers(0, 1), answered=st.sampled_from([True, True, True, False]))
    def sync(self, number: int, answered: bool) -> None:
        node = self.nodes[number]
        comparing = not node.compared
        answer = node.sync(self.now, answered=answered)
        if answer is None or comparing or answer.stop or len(node.live) == 2:
            return
        left = self.sql.values(
            f"SELECT id FROM long_task.task AS t WHERE {CLAIMABLE}", node.worker_id
        )
        assert left == [], "ready tasks beside free slots"
        soonest = self.sql.value(
            "SELECT extract(epoch FROM min(LEAST(start_after, next_start)) - long_task.clock())"
            " FROM (SELECT CASE WHEN state_id = 'AD' AND running_on IS NULL"
            " AND COALESCE(worker_id = %s, group_id = 0) THEN start_after END AS start_after,"
            " CASE WHEN shed_enabled AND (shed_waiting IS NULL OR state_id LIKE 'C%%')"
            " THEN next_start END AS next_start FROM long_task.task) AS t",
            node.worker_id,
        )
        assert soonest is None or soonest >= 86400 or answer.wake_in == soonest

    @precondition(lambda self: any(node.live for node in self.nodes))
    @rule(number=ANY, outcome=st.sampled_from(OUTCOMES))
    def process_exits(self, number: int, outcome: dict[str, Any]) -> None:
        live = [(node, key) for node in self.nodes for key in node.live]
        node, key = live[number % len(live)]
        node.exit(key, **outcome)

    @rule(number=st.integers(0, 1), outcome=st.sampled_from(OUTCOMES), answered=st.booleans())
    def work(self, number: int, outcome: dict[str, Any], answered: bool) -> None:
        """What happens most, in one step, so that the rare things are met in the middle of it."""
        node = self.nodes[number]
        node.lock(self.now, answered=True)
        node.sync(self.now, answered=True)
        for key in list(node.live):
            node.exit(key, **outcome)
        self.sync(number, answered)

    @rule(number=st.integers(0, 1))
    def leave(self, number: int) -> None:
        self.nodes[number].leave()

    @rule(number=st.integers(0, 1))
    def crash(self, number: int) -> None:
        self.nodes[number].crash()

    @precondition(lambda self: self._ids())
    @rule(number=ANY, worker=st.integers(0, 1), attempt=st.integers(-1, 1))
    def report_what_is_not(self, number: int, worker: int, attempt: int) -> None:
        node, task_id = self.nodes[worker], self._pick(number, running=True)
        key = Key(task_id, self.sql.look(task_id, "attempt") + attempt)
        if attempt == 0 and self.sql.look(task_id, "running_on") == node.worker_id:
            return
        row = self.sql.whole(task_id)
        self.sql.value(
            "SELECT long_task.finish_attempts(%s, %s)",
            node.worker_id,
            json.dumps([ended(*key, exit_code=7)]),
        )
        assert self.sql.whole(task_id) == row

    @rule(number=st.integers(0, 1), behind=st.integers(1, 2))
    def call_under_an_old_epoch(self, number: int, behind: int) -> None:
        calls = self.nodes[number].calls
        statement, values = calls.sync_call()
        epoch = (calls.epoch or 0) - behind
        assert self.sql.refusal(statement, values[0], epoch, *values[2:]).code == "LT001"

    @rule(seconds=st.sampled_from([1, 10, 29, 60, 4000]))
    def pass_time(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.now += seconds
        for node in self.nodes:
            node.pass_time(self.now)

    @invariant()
    def promises(self) -> None:
        self.kept.check()

    def teardown(self) -> None:
        """Left alone with two working nodes, everything that can run has run in the end."""
        if self.sql.connection.get_transaction_status() == TRANSACTION_STATUS_INERROR:
            return  # a step has failed, and tells why
        self.sql.run("DELETE FROM long_task.worker_stop")
        self.sql.run("UPDATE long_task.task SET shed_enabled = false")
        for _ in range(12):
            self._serve()
            self.pass_time(4000)
        self.kept.check_end()
        self.sql.connection.rollback()

    def _serve(self) -> None:
        """Both nodes work until there is nothing to do at this moment."""
        busy = True
        while busy:
            busy = False
            for node in self.nodes:
                node.lock(self.now, answered=True)
                node.sync(self.now, answered=True)
                for key in list(node.live):
                    node.exit(key)
                busy = busy or bool(node.holding and node.due)

    def _ids(self) -> list[int]:
        return [
            int(task_id) for task_id in self.sql.values("SELECT id FROM long_task.task ORDER BY id")
        ]

    def _pick(self, number: int, *, running: bool = False) -> int:
        ids = self._ids()
        executing = "SELECT id FROM long_task.task WHERE running_on IS NOT NULL ORDER BY id"
        ids = (self.sql.values(executing) if running else []) or ids
        return ids[number % len(ids)]

    def _time(self, offset: int | None) -> str | None:
        if offset is None:
            return None
        return str(self.sql.value("SELECT long_task.clock() + make_interval(secs => %s)", offset))


def test_any_sequence_of_events_keeps_the_promises(connection: Connection) -> None:
    class MachineHere(Machine):
        def __init__(self) -> None:
            super().__init__(connection)

    run_state_machine_as_test(
        MachineHere,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
