"""Dependencies when several write at once: nothing is lost, and nobody holds up a node."""

import pytest

from tests.procedures.acting import Node, Sql, ended
from tests.procedures.test_dependencies import link
from tests.servers import Database


@pytest.fixture
def nodes(database: Database, serving: Sql) -> tuple[Node, Node]:
    """Two; the transactions of the second are committed by ``second.sql.connection.commit()``."""
    first = Node(serving)
    second = Node(Sql(database.connect(autocommit=False)), worker_id=2, lock=False)
    second.lock()
    second.sql.connection.commit()
    return first, second


def test_of_two_ends_at_the_same_moment_one_lets_the_task_go(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    sql = one.sql
    first, second, third = sql.insert(), sql.insert(), sql.insert(state_id="DR")
    link(sql, third, first, second)
    sql.change(third, state_id="AW")
    assert (one.claim(1), other.claim(1)) == ([first], [second])
    other.sql.connection.commit()
    other.sync(ended(second), free=0)
    assert one.report(first) == []
    assert sql.look(third) == "AB"
    other.sql.connection.commit()
    one.settle()
    answer = one.sync(free=0)
    assert sql.look(third) == "AW"
    assert answer.wake_in is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE long_task.task SET name = 'mine' WHERE id = %s",
        "UPDATE long_task.task_dependency SET name = 'mine' WHERE task_id = %s",
        "DELETE FROM long_task.task_dependency WHERE task_id = %s",
    ],
)
@pytest.mark.parametrize("kept", [True, False])
def test_who_holds_a_row_delays_that_task_alone(
    serving: Sql, person: Sql, statement: str, kept: bool
) -> None:
    node = Node(serving)
    first, second, third = serving.insert(), serving.insert(), serving.insert()
    link(serving, second, first)
    link(serving, third, first)
    node.claim(1)
    person.run(statement, second)
    assert node.report(first) == []
    assert (serving.look(second), serving.look(third)) == ("AB", "AW")
    assert 0 < (node.sync(free=0).wake_in or 0) <= 0.2
    if kept:
        person.connection.commit()
    else:
        person.connection.rollback()
    node.settle()
    assert serving.look(second) == "AW"
    assert node.sync(free=0).wake_in is None


def test_who_queues_a_task_while_what_it_needs_ends_does_not_leave_it_waiting(
    serving: Sql, person: Sql
) -> None:
    node = Node(serving)
    first, second = serving.insert(), serving.insert(state_id="DR")
    link(serving, second, first)
    node.claim(1)
    person.change(second, state_id="AW")
    assert person.look(second) == "AB"
    node.report(first)
    person.connection.commit()
    node.settle()
    assert serving.look(second) == "AW"


def test_who_writes_a_dependency_holds_up_the_end_that_it_needs_until_it_is_committed(
    serving: Sql, person: Sql
) -> None:
    node = Node(serving)
    first, second = serving.insert(), serving.insert(state_id="DR")
    node.claim(1)
    link(person, second, first)
    person.change(second, state_id="AW")
    assert node.report(first) == [first]
    person.connection.commit()
    assert node.report(first) == []
    assert serving.look(second) == "AW"


def test_two_cannot_close_a_cycle_together(serving: Sql, person: Sql) -> None:
    ids = [serving.insert(state_id="DR") for _ in range(4)]
    link(serving, ids[1], ids[0])
    link(person, ids[2], ids[1])
    link(person, ids[3], ids[2])
    values = (ids[0], ids[3])
    statement = "INSERT INTO long_task.task_dependency (task_id, needs_task_id) VALUES (%s, %s)"
    assert serving.refusal(statement, *values).code == "55P03"  # waits for the other
    person.connection.commit()
    assert serving.refusal(statement, *values).code == "LT012"


def test_those_who_write_new_tasks_do_not_wait_for_each_other(serving: Sql, person: Sql) -> None:
    for sql in (person, serving):
        first, second = sql.insert(), sql.insert()
        link(sql, second, first)


def test_one_that_has_ended_may_be_deleted_while_its_dependency_is_held(
    serving: Sql, person: Sql
) -> None:
    node = Node(serving)
    first, second = serving.insert(), serving.insert()
    link(serving, second, first)
    node.claim(1)
    person.run("UPDATE long_task.task_dependency SET name = 'x' WHERE task_id = %s", second)
    node.report(first)
    person.run("DELETE FROM long_task.task WHERE id = %s", first)
    person.connection.commit()
    node.settle()
    assert serving.look(second) == "AW"


def test_what_is_left_is_not_settled_by_a_task_that_is_being_queued_again(
    database: Database, serving: Sql, person: Sql
) -> None:
    node = Node(serving)
    other = Sql(database.connect(autocommit=False))
    first, second = serving.insert(), serving.insert()
    link(serving, second, first)
    node.claim(1)
    other.run("UPDATE long_task.task_dependency SET name = 'x' WHERE task_id = %s", second)
    node.report(first)
    other.connection.commit()
    person.change(first, state_id="AW")
    node.sync(free=0)
    person.connection.commit()
    node.settle()
    assert (serving.look(first), serving.look(second)) == ("AW", "AB")


def test_a_held_dependency_lets_nothing_start_too_early(serving: Sql, person: Sql) -> None:
    node = Node(serving)
    first, second = serving.insert(), serving.insert()
    link(serving, second, first)
    node.claim(1)
    node.report(first)
    person.run("UPDATE long_task.task_dependency SET name = 'x' WHERE task_id = %s", second)
    serving.change(first, state_id="AW")
    assert node.claim(5) == [first]
    person.connection.commit()
    node.report(first, attempt=2)
    node.settle()
    assert node.claim(5) == [second]


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_dependencies_are_not_written_with_an_old_snapshot(
    serving: Sql, person: Sql, level: str
) -> None:
    first, second = serving.insert(), serving.insert()
    person.run(f"SET TRANSACTION ISOLATION LEVEL {level}")
    refusal = person.refusal(
        "INSERT INTO long_task.task_dependency (task_id, needs_task_id) VALUES (%s, %s)",
        second, first,
    )  # fmt: skip
    assert (refusal.code, level.lower() in refusal.message) == ("LT004", True)


def test_who_ends_a_task_with_an_old_snapshot_leaves_the_rest_to_a_node(
    serving: Sql, person: Sql
) -> None:
    first, between, last = (serving.insert() for _ in range(3))
    link(serving, between, first)
    link(serving, last, between)
    serving.run("DELETE FROM long_task.task_dependency WHERE task_id = %s", last)
    person.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    person.rows("SELECT 1 FROM long_task.task")
    link(serving, last, first)
    person.change(first, state_id="AC")
    person.connection.commit()
    Node(serving).settle()
    assert serving.look(last) == "CC"


def test_who_queues_a_task_with_an_old_snapshot_does_not_leave_it_waiting(
    serving: Sql, person: Sql
) -> None:
    first, second = serving.insert(), serving.insert(state_id="DR")
    link(serving, second, first)
    node = Node(serving)
    node.claim(1)
    person.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    person.rows("SELECT 1 FROM long_task.task")
    node.report(first)
    person.change(second, state_id="AW")
    person.connection.commit()
    node.settle()
    assert serving.look(second) == "AW"


@pytest.mark.parametrize("keyed", [False, True])
def test_who_holds_a_row_wakes_nobody_again_and_again(
    serving: Sql, person: Sql, keyed: bool
) -> None:
    node = Node(serving)
    key = "k" if keyed else None
    first, second = serving.insert(concurrency_key=key), serving.insert(concurrency_key=key)
    if not keyed:
        link(serving, second, first)
    assert node.claim() == [first]
    person.change(second, name="mine")
    node.report(first)
    serving.run("LISTEN long_task_schedule")
    serving.connection.notifies.clear()
    waits = [node.sync(free=0).wake_in for _ in range(20)]
    assert all(wait is not None and wait <= 0.2 for wait in waits)
    assert waits.count(0) <= 2
    assert serving.connection.notifies == []
