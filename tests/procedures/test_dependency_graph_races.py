"""Graphs that several write at once, in transactions that stay open: nothing is lost."""

import os
from collections.abc import Callable
from random import Random
from typing import Any

import psycopg2
import pytest

from tests.procedures.acting import Node, Report, Sql, ended
from tests.procedures.graph_world import EXITS, some_edge, some_edges, some_task
from tests.procedures.modelled_graph import (
    CONDITIONS,
    ENDED,
    Edge,
    Graph,
    Task,
    met_by,
    order_of,
)
from tests.servers import Database
from tests.waiting import wait_until

SEEDS = range(int(os.environ.get("PG_TASKS_RACE_SEEDS", "8")))
STEPS = 250
"""More than the longest chain takes, left alone."""
_UNFINISHED = """
SELECT id, state_id, running_on FROM long_task.task
WHERE state_id IN ('AW', 'AE', 'AC') OR running_on IS NOT NULL
UNION ALL
SELECT task_id, 'unsettled', NULL FROM long_task.unsettled_task
"""
# Something that has ended, if one of those is.
_QUEUE = (
    "UPDATE long_task.task SET state_id = 'AW', worker_id = NULL WHERE id = ("
    "SELECT id FROM long_task.task WHERE id IN (%s, %s, %s) AND state_id SIMILAR TO 'C_|DR'"
    " ORDER BY id LIMIT 1)"
)
_LINK = (
    'INSERT INTO long_task.task_dependency (task_id, needs_task_id, "on", condition, enabled)'
    " VALUES (%s, %s, %s, %s, %s)"
)
_REFUSALS = ("LT003", "LT006", "LT012", "23505")
_COLLISIONS = ("55P03", "40P01")
"""A person waits for a lock, or two wait for each other."""


def read_graph(sql: Sql) -> Graph:
    """What the rows say that this session sees."""
    texts = sql.values("SELECT c::jsonpath::text FROM unnest(%s) AS c", [*CONDITIONS][1:])
    known = dict(zip([None, *texts], CONDITIONS, strict=True))
    tasks = sql.rows("SELECT id, state_id, needs, unmet, running_on, result FROM long_task.task")
    edges = sql.rows(
        'SELECT task_id, needs_task_id, "on", condition::text, enabled, met'
        " FROM long_task.task_dependency"
    )
    return Graph(
        {
            task_id: Task(state, needs, unmet, running_on=running_on, result=result)
            for task_id, state, needs, unmet, running_on, result in tasks
        },
        {
            (waiting, needed): Edge(on, known[condition], enabled, met)
            for waiting, needed, on, condition, enabled, met in edges
        },
    )


class Person:
    """Somebody who takes his time."""

    def __init__(self, sql: Sql, random: Random) -> None:
        self.sql = sql
        self.random = random
        self.open = False
        sql.run("SET lock_timeout = '3ms'")
        sql.connection.commit()

    def act(self) -> None:
        """A statement, or the end of the transaction."""
        if self.open and self.random.random() < 0.5:
            self.finish()
            return
        ids = self.sql.values("SELECT id FROM long_task.task")
        pairs = self.sql.rows("SELECT task_id, needs_task_id FROM long_task.task_dependency")
        self.open = True
        try:
            self._write(ids, pairs)
        except psycopg2.Error as error:
            assert error.pgcode in (*_REFUSALS, *_COLLISIONS), error
            self.sql.connection.rollback()
            self.open = False

    def finish(self) -> None:
        if self.random.random() < 0.8:
            self.sql.connection.commit()
        else:
            self.sql.connection.rollback()
        self.open = False

    def _write(self, ids: list[int], pairs: list[tuple[int, int]]) -> None:
        random = self.random
        if len(ids) < 3 or not pairs:
            begin(self.sql, random)
            return
        one, pair = random.choice(ids), random.choice(pairs)
        task, where = some_task(random), " WHERE task_id = %s AND needs_task_id = %s"
        statements: list[Callable[[], Any]] = [
            lambda: self.sql.change(one, state_id="AC"),
            *[lambda: self.sql.run(_QUEUE, one, *pair)] * 6,
            lambda: self.sql.run("DELETE FROM long_task.task_dependency" + where, *pair),
            lambda: self.sql.run(
                "UPDATE long_task.task_dependency SET enabled = NOT enabled" + where, *pair
            ),
            lambda: self._link(*random.sample(ids, 2)),
            lambda: self._link(*random.sample(ids, 2)),
            lambda: self.sql.change(one, needs=task.needs, unmet=task.unmet),
            lambda: self.sql.run("DELETE FROM long_task.task WHERE id = %s", one),
            lambda: self._link(self.sql.insert(needs=task.needs, unmet=task.unmet), one),
            lambda: self._link(self.sql.insert(needs=task.needs, unmet="start"), one),
            lambda: self._link(self.sql.insert(state_id="DR", unmet=task.unmet), one),
        ]  # fmt: skip
        random.choice(statements)()

    def _link(self, waiting: int, needed: int) -> None:
        edge = some_edge(self.random)
        self.sql.run(_LINK, waiting, needed, edge.on, edge.condition, edge.enabled)


class SlowNode:
    """A node whose calls take a while to be committed. What it is told counts from then on."""

    def __init__(self, sql: Sql, worker_id: int, random: Random) -> None:
        sql.run("SET lock_timeout = '2s'")
        self.calls = Node(sql, worker_id, lock=False)
        self.calls.lock()
        sql.connection.commit()
        self.random = random
        self.live: dict[int, int] = {}
        self.due: dict[int, Report] = {}
        self.answer: Any = None
        self.told: dict[int, Report] = {}

    def act(self, free: int = 3) -> None:
        """A call, or its end."""
        if self.answer is not None:
            self.finish()
            return
        for task_id in [i for i in self.live if self.random.random() < 0.6]:
            how = EXITS[self.random.choice(["CS", "CS", "CF"])]
            self.due[task_id] = ended(task_id, self.live.pop(task_id), **how)
        self.told = dict(self.due)
        self.answer = self.calls.sync(*self.told.values(), free=free)
        graph = read_graph(self.calls.sql)
        for order in self.answer.start:
            for (waiting, needed), edge in graph.edges.items():
                if waiting == order.task_id and needed in graph.tasks:
                    edge.met = met_by(edge, graph.tasks[needed])
            assert graph.verdict(order.task_id) == "start", f"task {order.task_id} began early"
        if self.random.random() < 0.6:
            self.finish()

    def finish(self) -> None:
        if self.answer is None:
            return
        self.calls.sql.connection.commit()
        self.due = {i: report for i, report in self.told.items() if i in self.answer.again}
        self.live.update({order.task_id: order.attempt for order in self.answer.start})
        self.answer = None


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_between_transactions_that_stay_open(
    database: Database, serving: Sql, seed: int
) -> None:
    random = Random(seed)
    # What another test has left; the trigger empties the dependencies with it.
    serving.run("TRUNCATE long_task.task")
    begin(serving, random)
    sessions = [Sql(database.connect(autocommit=False)) for _ in range(5)]
    nodes = [SlowNode(sql, number, random) for number, sql in enumerate(sessions[:2], 1)]
    people = [Person(sql, random) for sql in sessions[2:]]
    actors: list[SlowNode | Person] = [*nodes, *nodes, *people]
    for _ in range(STEPS):
        random.choice(actors).act()
    for actor in actors:
        actor.finish()

    def work() -> list[tuple[Any, ...]]:
        for node in nodes:
            node.act(free=1000)
            node.finish()
        return serving.rows(_UNFINISHED)

    wait_until(work, lambda left: left == [], describe="an end of everything", limit=30)
    judge(read_graph(serving))


def begin(sql: Sql, random: Random) -> None:
    """A graph that somebody has written before anybody else came."""
    tasks = [some_task(random) for _ in range(random.choice([4, 8, 20]))]
    ids = [sql.insert(needs=task.needs, unmet=task.unmet) for task in tasks]
    for (waiting, needed), e in some_edges(random, ids, 2 * len(ids)).items():
        sql.run(_LINK, waiting, needed, e.on, e.condition, e.enabled)


def judge(graph: Graph) -> None:
    """After everything has ended that can."""
    assert order_of(graph.edges) is not None, "a cycle"
    for (waiting, needed), edge in graph.edges.items():
        gone = needed not in graph.tasks
        truth = edge.met if gone else met_by(edge, graph.tasks[needed])
        assert edge.met == truth and not (gone and truth is None), (waiting, needed, edge)
    for task_id, task in graph.tasks.items():
        assert task.state in (*ENDED, "AB", "DR")
        if task.state == "AB":
            assert graph.verdict(task_id) == "wait", f"task {task_id} was forgotten"
            assert graph.waits_for_good_reason(task_id), f"task {task_id} waits for nothing"
