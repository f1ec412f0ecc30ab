"""What people and nodes do to tasks that need each other, done to rows and to a model alike."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import psycopg2
from psycopg2.extras import execute_values

from tests.procedures.acting import Node, Report, Sql, ended
from tests.procedures.modelled_graph import (
    CONDITIONS,
    ENDED,
    RESULTS,
    WAITING,
    Edge,
    Graph,
    Pair,
    Task,
    met_by,
    verdict,
)

EXITS: Mapping[str, Mapping[str, Any]] = {
    "CS": {"exit_code": 0},
    "CF": {"exit_code": 1},
    "CC": {"exit_code": None, "signal": 15},
}
RUNNING = ("AE", "AC")
_INSERT_TASKS = (
    "INSERT INTO long_task.task (command, retry_delay, state_id, needs, unmet, max_attempts)"
    " VALUES %s RETURNING id"
)
_INSERT_EDGES = (
    'INSERT INTO long_task.task_dependency (task_id, needs_task_id, "on", condition, enabled)'
    " VALUES %s"
)


def some_edge(random: Random) -> Edge:
    """Most are plain."""
    return Edge(
        random.choice(["success", "success", "success", "failure", "cancel", "end", "end"]),
        random.choice([None, None, None, *CONDITIONS]),
        random.random() < 0.9,
    )


def some_task(random: Random) -> Task:
    """Most are ready."""
    return Task(
        random.choice(["AW", "AW", "AW", "AW", "DR"]),
        random.choice([None, "all", "any"]),
        random.choice([None, "cancel", "start", "wait"]),
        random.choice([1, 1, 2, 3]),
    )


def some_edges(random: Random, ids: Sequence[int], count: int) -> dict[Pair, Edge]:
    """Edges that make no cycle, up and down the ids."""
    rank = {task_id: random.random() for task_id in ids}
    pairs = [random.sample(list(ids), 2) for _ in range(count if len(ids) > 1 else 0)]
    return {
        (max(pair, key=rank.__getitem__), min(pair, key=rank.__getitem__)): some_edge(random)
        for pair in pairs
    }


class World:
    """Two nodes and any number of people, in one transaction."""

    def __init__(self, sql: Sql) -> None:
        self.sql = sql
        self.nodes = [Node(sql, worker_id) for worker_id in (1, 2)]
        self.graph = Graph()
        self.dead: dict[int, tuple[int, int]] = {}
        """Processes of deleted tasks: attempt, and who runs it."""

    # People

    def insert(self, tasks: Sequence[Task]) -> list[int]:
        """New tasks; their ids."""
        values = [(["true"], "0", t.state, t.needs, t.unmet, t.max_attempts) for t in tasks]
        with self.sql.connection.cursor() as cursor:
            rows = execute_values(cursor, _INSERT_TASKS, values, page_size=1000, fetch=True)
        ids = [int(row[0]) for row in rows]
        self.graph.tasks.update(zip(ids, map(replace, tasks), strict=True))
        return ids

    def link(self, edges: Mapping[Pair, Edge]) -> None:
        """New edges by one statement; refused as a whole if one of them has to be."""
        edges = {pair: edge for pair, edge in edges.items() if pair not in self.graph.edges}
        if not edges:
            return
        expected: set[str | None] = set()
        if any(self.graph.tasks[waiting].state in RUNNING for waiting, _ in edges):
            expected.add("LT003")
        if self.graph.has_cycle_with(edges):
            expected.add("LT012")
        assert self._write_edges(edges) in (expected or {None}), edges
        if not expected:
            self.graph.edges.update(edges)

    def unlink(self, pair: Pair) -> None:
        self._run_on_edge("DELETE FROM long_task.task_dependency", pair)
        del self.graph.edges[pair]

    def switch(self, pair: Pair) -> None:
        """On or off."""
        edge = self.graph.edges[pair]
        edge.enabled = not edge.enabled
        self._run_on_edge("UPDATE long_task.task_dependency SET enabled = NOT enabled", pair)

    def rewrite(self, pair: Pair, wanted: Edge) -> None:
        """Another end is needed. Of a task that is gone nothing but that is known."""
        edge = self.graph.edges[pair]
        if pair[1] not in self.graph.tasks:
            return
        edge.on, edge.condition = wanted.on, wanted.condition
        self._run_on_edge(
            'UPDATE long_task.task_dependency SET "on" = %s, condition = %s',
            pair,
            edge.on,
            edge.condition,
        )

    def set_policy(self, task_id: int, wanted: Task) -> None:
        task = self.graph.tasks[task_id]
        task.needs, task.unmet = wanted.needs, wanted.unmet
        self.sql.change(task_id, needs=task.needs, unmet=task.unmet)

    def cancel(self, task_id: int) -> None:
        """Whatever it is doing; what has ended stays as it is."""
        task = self.graph.tasks[task_id]
        if task.state in (*WAITING, "AE"):
            task.state = "AC" if task.state == "AE" else "CC"
            self.sql.change(task_id, state_id="AC")

    def queue(self, task_id: int) -> None:
        """A draft for the first time, or what has ended once more."""
        task = self.graph.tasks[task_id]
        if task.state in (*ENDED, "DR"):
            task.state, task.result, task.base_attempt = "AB", None, task.attempt
            self.sql.change(task_id, state_id="AW", worker_id=None)

    def shelve(self, task_id: int) -> None:
        """What has ended becomes a draft."""
        task = self.graph.tasks[task_id]
        if task.state in ENDED:
            task.state = "DR"
            self.sql.change(task_id, state_id="DR")

    def end_itself(self, task_id: int, state: str) -> None:
        """By its process, which works on for a while."""
        task = self.graph.tasks[task_id]
        if task.state == "AE":
            task.state = state
            self.sql.change(task_id, state_id=state)

    def delete(self, task_id: int) -> None:
        task = self.graph.tasks[task_id]
        if task.running_on is not None:
            self.dead[task_id] = (task.attempt, task.running_on)
        self.graph.delete(task_id)
        self.sql.run("DELETE FROM long_task.task WHERE id = %s", task_id)

    # Nodes

    def claim(self, node: Node, free: int) -> list[int]:
        """Takes what is ready: nothing that may not start, and as much as there is."""
        found = node.claim(free)
        for task_id in found:
            task = self.graph.tasks[task_id]
            assert (task.state, task.running_on) == ("AW", None), task_id
            assert self._may_start(task_id), f"task {task_id} was started too early"
            task.state, task.result, task.running_on = "AE", None, node.worker_id
            task.attempt += 1
        if len(found) < free:
            left = [
                t for t in self.graph.tasks.values() if t.state == "AW" and t.running_on is None
            ]
            assert left == []
        return found

    def end(self, task_id: int, exit_state: str, result: Any) -> None:
        """Its process is over; what becomes of the task is the rule of retries."""
        if task_id in self.dead:
            attempt, worker_id = self.dead.pop(task_id)
            self._report(worker_id, ended(task_id, attempt, **EXITS[exit_state]))
            self.graph.bury(task_id)
            return
        task = self.graph.tasks[task_id]
        assert task.running_on is not None
        if task.state == "AC":
            exit_state = "CC"
        used_up = task.attempt - task.base_attempt >= task.max_attempts
        again = task.state == "AE" and exit_state == "CF" and not used_up
        # A result that is there before the task has ended is no part of this.
        result = None if again or "CC" in (exit_state, task.state) else result
        self._report(
            task.running_on,
            ended(
                task_id, task.attempt, **EXITS[exit_state],
                result=None if result is None else json.dumps(result),
            ),
        )  # fmt: skip
        task.running_on = None
        if task.state in RUNNING:
            task.state = "AW" if again else exit_state
        if task.state in ENDED:
            task.result = result

    # Verdicts

    def running(self) -> list[int]:
        """Who has a process."""
        alive = [i for i, task in self.graph.tasks.items() if task.running_on is not None]
        return [*alive, *self.dead]

    def settle(self) -> None:
        """Nodes see to what was left; then rows and model say the same."""
        for _ in range(1000):
            if not self.sql.values("SELECT id FROM long_task.unsettled_task LIMIT 1"):
                break
            self.nodes[0].sync(free=0)
        else:
            raise AssertionError("what is unsettled stays so")
        self.graph.settle()
        tasks = self.sql.rows(
            "SELECT id, state_id, running_on, result, attempt FROM long_task.task"
        )
        expected = [
            (i, t.state, t.running_on, t.result, t.attempt) for i, t in self.graph.tasks.items()
        ]
        assert sorted(tasks, key=_id_of) == sorted(expected, key=_id_of)
        edges = self.sql.rows(
            "SELECT task_id, needs_task_id, enabled, met FROM long_task.task_dependency"
        )
        assert sorted(edges) == sorted(
            (*pair, e.enabled, e.met) for pair, e in self.graph.edges.items()
        )

    def run_out(self, random: Random) -> None:
        """Left alone with the nodes, everything comes to an end that may."""
        for _ in range(1000):
            if not self.running() and not any(self.claim(node, 1000) for node in self.nodes):
                break
            for task_id in self.running():
                self.end(task_id, random.choice(["CS", "CS", "CF"]), random.choice(RESULTS))
            self.settle()
        states = {task_id: task.state for task_id, task in self.graph.tasks.items()}
        assert set(states.values()) <= {*ENDED, "AB", "DR"}
        idle = [
            i
            for i, state in states.items()
            if state == "AB" and not self.graph.waits_for_good_reason(i)
        ]
        assert idle == [], "blocked for no reason"

    def _may_start(self, task_id: int) -> bool:
        """By nothing but the rows of those it needs; deleted ones stay as they were decided."""
        needs = [
            (pair[1], edge)
            for pair, edge in self.graph.edges.items()
            if pair[0] == task_id and edge.enabled
        ]
        rows = {
            found: Task(state, running_on=running_on, result=result)
            for found, state, running_on, result in self.sql.rows(
                "SELECT id, state_id, running_on, result FROM long_task.task WHERE id = ANY (%s)",
                [needed for needed, _ in needs],
            )
        }
        mets = [met_by(e, rows[needed]) if needed in rows else e.met for needed, e in needs]
        task = self.graph.tasks[task_id]
        return verdict(task.needs, task.unmet, mets) == "start"

    def _write_edges(self, edges: Mapping[Pair, Edge]) -> str | None:
        """What it was refused with; None: it was not."""
        values = [(*pair, e.on, e.condition, e.enabled) for pair, e in edges.items()]
        self.sql.run("SAVEPOINT edges")
        try:
            with self.sql.connection.cursor() as cursor:
                execute_values(cursor, _INSERT_EDGES, values, page_size=10_000)
        except psycopg2.Error as error:
            self.sql.run("ROLLBACK TO SAVEPOINT edges")
            return error.pgcode
        return None

    def _run_on_edge(self, statement: str, pair: Pair, *values: object) -> None:
        where = " WHERE task_id = %s AND needs_task_id = %s"
        assert self.sql.run(statement + where, *values, *pair) == 1

    def _report(self, worker_id: int, report: Report) -> None:
        assert not self.nodes[worker_id - 1].sync(report, free=0).again


def _id_of(row: tuple[Any, ...]) -> int:
    return int(row[0])
