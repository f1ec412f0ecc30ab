"""PostgreSQL restarts, crashes, fails over or ends connections, all within the lease."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.postgres import Pair, restart
from tests.chaos.witnesses import Witnesses
from tests.node.conftest import StartNode
from tests.node.running_node import RunningNode
from tests.servers import Database, Server, StopMode
from tests.waiting import wait_until

LEASE: dict[str, object] = {"lease_duration": 600, "lease_renewal": 0.2}


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


def check_that_nothing_was_lost(
    database: Database, directory: Path, trouble: Callable[[], None], times: int
) -> None:
    """Tasks that end before, while and after the database is away, and some that outlast it."""
    witnesses = Witnesses(database, directory / "witnesses")
    node = RunningNode(
        database, directory, (1, 0, 12), lease_duration=600, lease_renewal=0.2
    ).serves()
    try:
        long = witnesses.add_many(4, 600)
        short = witnesses.add_many(60 * times, 0.05)
        failing = witnesses.add_many(10 * times, 0.05, code=3, max_attempts=2, retry_delay="0")
        for time in range(times):
            wait_until(lambda time=time: len(witnesses.lines()) > 4 + 60 * (time + 1))  # type: ignore[misc]
            trouble()
            witnesses.tasks.reconnect()
        rows = {task: witnesses.tasks.ended(task) for task in short + failing}
        assert {rows[task].attempt for task in short} == {1}
        assert {rows[task].attempt for task in failing} == {2}
        assert len(node.tasks()) == 4
        for task in long:
            witnesses.tasks.set(task, state_id="AC")
        witnesses.judge()
        assert {witnesses.tasks.row(task).attempt for task in long} == {1}
        assert {witnesses.tasks.row(task).state_id for task in long} == {"CC"}
        assert "event=lease_lost" not in node.log()
    finally:
        node.close()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_within_the_lease_kills_nothing_and_loses_nothing(
    own_server: Server, own_database: Database, tmp_path: Path, mode: StopMode
) -> None:
    check_that_nothing_was_lost(
        own_database, tmp_path, lambda: restart(own_server.embedded, mode), times=2
    )


def test_a_failover_to_the_synchronous_standby_kills_nothing_and_loses_nothing(
    pair: Pair, tmp_path: Path
) -> None:
    database = pair.database()
    try:
        check_that_nothing_was_lost(database, tmp_path, pair.fail_over, times=1)
    finally:
        database.close()


def test_a_call_that_is_ended_in_its_middle_is_made_again(
    start_node: StartNode, witnesses: Witnesses, database: Database
) -> None:
    """It waits for the lease row, so that each termination hits it before it is committed."""
    node = start_node(1, 0, 8, **LEASE)
    for times in range(1, 6):
        with database.connect(autocommit=False) as person, person.cursor() as cursor:
            cursor.execute("SELECT FROM long_task.worker_lease FOR UPDATE")
            witnesses.add_many(4, 0.05)
            ended = wait_until(
                lambda: witnesses.tasks.sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE wait_event_type = 'Lock' AND datname = current_database()"
                )
            )
            assert len(ended) == 1
            wait_until(lambda times=times: node.log().count("event=database_away") >= times)  # type: ignore[misc]
    witnesses.judge()
    assert {(row.state_id, row.attempt) for row in witnesses.tasks.all_ended()} == {("CS", 1)}


def test_calls_that_are_ended_at_any_moment_are_made_again_or_their_effect_is_found(
    start_node: StartNode, witnesses: Witnesses
) -> None:
    start_node(1, 0, 8, **LEASE)
    moments = random.Random(1)
    for _ in range(20):
        witnesses.add_many(3, 0, 0.02)
        witnesses.add_many(1, 0.02, code=1, max_attempts=2, retry_delay="0")
        witnesses.tasks.sql("SELECT pg_sleep(%s)", moments.uniform(0, 0.05))
        witnesses.tasks.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'pg_tasks worker%' AND datname = current_database()"
        )
    witnesses.judge()
    ends = [(row.state_id, row.attempt) for row in witnesses.tasks.all_ended()]
    assert sorted(ends) == [("CF", 2)] * 20 + [("CS", 1)] * 60
