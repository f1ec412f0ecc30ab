"""Whatever graph it is and whatever is done to it: tasks start when they may, and all end.

``PG_TASKS_GRAPH_EXAMPLES`` is the number of sequences on each server version.
"""

import os
from random import Random
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, given, settings
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

from tests.procedures.acting import Sql
from tests.procedures.graph_world import World, some_edge, some_edges, some_task
from tests.procedures.modelled_graph import RESULTS, Edge, Pair, Task
from tests.servers import Clock

EXAMPLES = int(os.environ.get("PG_TASKS_GRAPH_EXAMPLES", "20"))
START = "2030-01-01 00:00:00+00:00"
ANY = st.integers(min_value=0, max_value=1000)
SEEDS = st.integers(min_value=0, max_value=2**32)


class Machine(RuleBasedStateMachine):
    """One graph, in a transaction that is rolled back."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        connection.rollback()
        Clock(connection).set(START)
        self.sql = Sql(connection)
        self.world = World(self.sql)

    @initialize(seed=SEEDS, tasks=st.integers(2, 40), density=st.sampled_from([0.5, 1, 2, 4]))
    def begin(self, seed: int, tasks: int, density: float) -> None:
        random = Random(seed)
        ids = self.world.insert([some_task(random) for _ in range(tasks)])
        self.world.link(some_edges(random, ids, int(tasks * density)))

    # People

    @precondition(lambda self: len(self.world.graph.tasks) < 40)
    @rule(seed=SEEDS)
    def insert(self, seed: int) -> None:
        random = Random(seed)
        needed = (
            [self._task(random.randrange(1000)) for _ in range(2)] if self.world.graph.tasks else []
        )
        (task_id,) = self.world.insert([some_task(random)])
        self.world.link({(task_id, other): some_edge(random) for other in needed})

    @precondition(lambda self: len(self.world.graph.tasks) > 1)
    @rule(seed=SEEDS, count=st.integers(1, 3))
    def link_anything(self, seed: int, count: int) -> None:
        random, ids = Random(seed), list(self.world.graph.tasks)
        pairs = [tuple(random.sample(ids, 2)) for _ in range(count)]
        self.world.link({(waiting, needed): some_edge(random) for waiting, needed in pairs})

    @precondition(lambda self: self.world.graph.edges)
    @rule(number=ANY, what=st.sampled_from(["switch", "switch", "rewrite", "unlink"]), seed=SEEDS)
    def change_edge(self, number: int, what: str, seed: int) -> None:
        pair = self._edge(number)
        if what == "rewrite":
            self.world.rewrite(pair, some_edge(Random(seed)))
        else:
            getattr(self.world, what)(pair)

    @precondition(lambda self: self.world.graph.tasks)
    @rule(
        number=ANY,
        what=st.sampled_from(["cancel", "queue", "queue", "queue", "shelve", "delete"]),
    )
    def change_task(self, number: int, what: str) -> None:
        getattr(self.world, what)(self._task(number))

    @precondition(lambda self: self.world.graph.tasks)
    @rule(number=ANY, seed=SEEDS)
    def set_policy(self, number: int, seed: int) -> None:
        self.world.set_policy(self._task(number), some_task(Random(seed)))

    @precondition(lambda self: self.world.running())
    @rule(number=ANY, what=st.sampled_from(["cancel", "CS", "CF", "delete"]), again=st.booleans())
    def change_running_task(self, number: int, what: str, again: bool) -> None:
        task_id = self._running(number)
        if task_id in self.world.dead:
            return
        if what in ("CS", "CF"):
            self.world.end_itself(task_id, what)
        else:
            getattr(self.world, what)(task_id)
        if again and what != "delete":
            self.world.queue(task_id)

    # Nodes

    @rule(number=st.integers(0, 1), free=st.integers(1, 6))
    def claim(self, number: int, free: int) -> None:
        self.world.claim(self.world.nodes[number], free)

    @precondition(lambda self: self.world.running())
    @rule(number=ANY, how=st.sampled_from(["CS", "CS", "CF"]), result=st.sampled_from(RESULTS))
    def end(self, number: int, how: str, result: Any) -> None:
        self.world.end(self._running(number), how, result)

    @rule(seed=SEEDS)
    def work(self, seed: int) -> None:
        """What happens most, in one step, so that the rest is met in the middle of it."""
        random = Random(seed)
        self.world.claim(self.world.nodes[seed % 2], 5)
        for task_id in self.world.running():
            self.world.end(task_id, random.choice(["CS", "CS", "CF"]), random.choice(RESULTS))
            self.world.settle()

    @invariant()
    def rows_and_model_say_the_same(self) -> None:
        self.world.settle()

    def teardown(self) -> None:
        if self.sql.connection.get_transaction_status() != TRANSACTION_STATUS_INERROR:
            self.world.run_out(Random(0))
        self.sql.connection.rollback()

    def _task(self, number: int) -> int:
        ids = list(self.world.graph.tasks)
        return ids[number % len(ids)]

    def _running(self, number: int) -> int:
        ids = self.world.running()
        return ids[number % len(ids)]

    def _edge(self, number: int) -> Pair:
        pairs = list(self.world.graph.edges)
        return pairs[number % len(pairs)]


def test_any_sequence_of_events_leaves_each_task_where_the_model_has_it(
    connection: Connection,
) -> None:
    class MachineHere(Machine):
        def __init__(self) -> None:
            super().__init__(connection)

    run_state_machine_as_test(
        MachineHere,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=50,
            # Making a failure small would take longer than a test may.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_five_hundred_tasks_come_to_an_end_through_all_that_is_done_to_them(
    sql: Sql, stopped: Clock, seed: int
) -> None:
    random, world = Random(seed), World(sql)
    ids = world.insert([some_task(random) for _ in range(500)])
    world.link(some_edges(random, ids, 400 * seed))
    world.settle()
    for _ in range(30):
        world.claim(random.choice(world.nodes), 20)
        for task_id in random.sample(world.running(), len(world.running()) // 2):
            world.end(task_id, random.choice(["CS", "CS", "CF"]), random.choice(RESULTS))
        some, pairs = random.sample(list(world.graph.tasks), 3), list(world.graph.edges)
        world.settle()
        world.cancel(some[0])
        world.settle()
        world.queue(some[1])
        world.settle()
        world.switch(random.choice(pairs))
        world.settle()
        world.link({(some[1], some[2]): some_edge(random)})
        world.settle()
        if random.random() < 0.2:
            world.delete(some[2])
            world.settle()
    world.run_out(random)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=SEEDS, count=st.integers(2, 12), most=st.integers(1, 4))
def test_edges_are_refused_exactly_when_a_task_would_wait_for_itself(
    connection: Connection, seed: int, count: int, most: int
) -> None:
    connection.rollback()
    random, world = Random(seed), World(Sql(connection))
    ids = world.insert([Task("DR")] * count)
    for _ in range(40):
        pairs = [(random.choice(ids), random.choice(ids)) for _ in range(random.randint(1, most))]
        world.link(dict.fromkeys(pairs, Edge()))
        if world.graph.edges and random.random() < 0.3:
            world.unlink(random.choice(list(world.graph.edges)))
    world.settle()
