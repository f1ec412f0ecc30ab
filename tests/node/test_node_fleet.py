"""Many nodes of one group: few are woken, none is forgotten. Real sessions, no processes."""

import random
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from benchmarks.crowd import Crowd, Member
from pg_tasks.node.lease import Terms
from tests.servers import Database

RARELY = Terms(3600.0, 1200.0, 1.0)
"""No renewal comes to the help of whoever was not told."""
LIMIT = 60.0
ONE = "INSERT INTO long_task.task (state_id, command) VALUES ('AW', '{a}')"
MANY = (
    "INSERT INTO long_task.task (state_id, command)"
    " SELECT 'AW', '{{a}}' FROM generate_series(1, {})"
)


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    made = Crowd()
    yield made
    made.close()


def join(
    crowd: Crowd, database: Database, count: int, slots: int = 1, *, endless: bool = False
) -> None:
    """So many nodes that are idle."""
    first = len(crowd.members) + 1
    crowd.add(
        Member(database.dsn, number, 0, slots, terms=RARELY, endless=endless)
        for number in range(first, first + count)
    )
    settle(crowd)


def settle(crowd: Crowd) -> None:
    """Until nobody asks anything any more."""
    while crowd.run(0.3, lambda before=crowd.syncs: crowd.syncs > before) < 0.3:  # type: ignore[misc]
        pass


def insert(database: Database, statement: str = ONE) -> None:
    with database.connect().cursor() as cursor:
        cursor.execute(statement)


def run_until(crowd: Crowd, condition: Callable[[], bool]) -> None:
    crowd.run(LIMIT, condition)
    assert condition()


@pytest.mark.parametrize("slots", [1, 4])
def test_one_insert_wakes_few_of_many(crowd: Crowd, database: Database, slots: int) -> None:
    join(crowd, database, 20, slots)
    for number in range(1, 6):
        before = crowd.syncs
        insert(database)
        run_until(crowd, lambda number=number: crowd.started == number)  # type: ignore[misc]
        settle(crowd)
        # Two are told; one of them runs it and reports its end, and may call another in its place.
        assert crowd.syncs - before <= 5
    assert crowd.started == 5


@pytest.mark.both_versions
def test_whoever_is_full_calls_another_until_all_are(crowd: Crowd, database: Database) -> None:
    join(crowd, database, 12, endless=True)
    for number in range(1, 13):
        insert(database)
        run_until(crowd, lambda number=number: crowd.started == number)  # type: ignore[misc]
    assert [member.started for member in crowd.members] == [1] * 12


@pytest.mark.both_versions
def test_many_at_once_are_run_by_all(crowd: Crowd, database: Database) -> None:
    join(crowd, database, 12, endless=True)
    insert(database, MANY.format(10))
    run_until(crowd, lambda: crowd.started == 10)
    insert(database, MANY.format(30))
    run_until(crowd, lambda: crowd.started == 12)


def test_a_node_that_is_gone_keeps_nobody_from_being_told(crowd: Crowd, database: Database) -> None:
    join(crowd, database, 6)
    for gone in range(4):
        settle(crowd)
        crowd.members[gone].link.close()
        before = crowd.started
        insert(database)
        run_until(crowd, lambda before=before: crowd.started > before)  # type: ignore[misc]


class Person(threading.Thread):
    """Inserts a task, waits until it was started, and inserts the next, when nodes go to sleep."""

    def __init__(self, database: Database, number: int, rounds: int, *, autocommit: bool) -> None:
        super().__init__()
        self._connection = database.connect(autocommit=autocommit)
        self._chance = random.Random(number)
        self._rounds = rounds
        self.done = 0

    def run(self) -> None:
        with self._connection.cursor() as cursor:
            while self.done < self._rounds and self._is_started(self._insert(cursor), cursor):
                self.done += 1
                self._pause()

    def _insert(self, cursor: Cursor) -> int:
        cursor.execute(f"{ONE} RETURNING id")
        ((task_id,),) = cursor.fetchall()
        if not self._connection.autocommit:
            self._pause()
            self._connection.commit()
        return int(task_id)

    def _is_started(self, task_id: int, cursor: Cursor) -> bool:
        ends = time.monotonic() + LIMIT
        while time.monotonic() < ends:
            cursor.execute("SELECT attempt FROM long_task.task WHERE id = %s", (task_id,))
            ((attempt,),) = cursor.fetchall()
            self._connection.rollback()
            if attempt:
                return True
            time.sleep(0.0003)
        return False

    def _pause(self) -> None:
        """About as long as a call takes: somewhere between claim and sleep."""
        time.sleep(self._chance.random() / 500)


@pytest.mark.both_versions
@pytest.mark.parametrize("autocommit", [True, False])
def test_no_wake_up_is_lost_between_claim_and_sleep(
    crowd: Crowd, database: Database, autocommit: bool
) -> None:
    join(crowd, database, 3)
    rounds = 150
    people = [Person(database, number, rounds, autocommit=autocommit) for number in range(3)]
    for person in people:
        person.start()
    crowd.run(3 * LIMIT, lambda: not any(person.is_alive() for person in people))
    for person in people:
        person.join()
    assert [person.done for person in people] == [rounds] * 3
    run_until(crowd, lambda: crowd.started == rounds * 3)
