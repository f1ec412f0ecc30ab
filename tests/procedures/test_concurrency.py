"""Limits of concurrency by key and by group: never exceeded, never leaked, in nobody's way."""

import pytest

from tests.procedures.acting import Node, Sql, ended
from tests.servers import Clock, Database


def keyed(sql: Sql, count: int, key: str = "k", **columns: object) -> list[int]:
    return [sql.insert(concurrency_key=key, **columns) for _ in range(count)]


def limit(sql: Sql, most: int, key: str = "k") -> None:
    sql.run(
        "INSERT INTO long_task.concurrency_limit VALUES (%s, %s) ON CONFLICT (concurrency_key)"
        " DO UPDATE SET max_running = EXCLUDED.max_running",
        key, most,
    )  # fmt: skip


def test_one_at_a_time_unless_more_is_said(sql: Sql, node: Node) -> None:
    first, second, third = keyed(sql, 3)
    assert node.claim() == [first]
    assert node.claim() == []
    answer = node.sync(ended(first))
    assert [order.task_id for order in answer.start] == [second]
    node.report(second)
    assert node.claim() == [third]


def test_as_many_as_the_table_says(sql: Sql, node: Node) -> None:
    limit(sql, 2)
    ids = keyed(sql, 4)
    assert node.claim() == ids[:2]
    limit(sql, 3)
    assert node.claim() == [ids[2]]
    limit(sql, 1)
    node.report(ids[0])
    node.report(ids[1])
    assert node.claim() == []
    node.report(ids[2])
    assert node.claim() == [ids[3]]


def test_no_limit_is_no_start(sql: Sql, node: Node) -> None:
    limit(sql, 0)
    keyed(sql, 2)
    assert node.claim() == []
    sql.run("DELETE FROM long_task.concurrency_limit")
    assert len(node.claim()) == 1


def test_keys_do_not_hold_each_other_up_nor_those_without(sql: Sql, node: Node) -> None:
    first, *_ = keyed(sql, 50, priority=-1)
    other = keyed(sql, 2, "other")
    plain = [sql.insert(), sql.insert()]
    assert node.claim() == [first, other[0], *plain]


def test_a_waiting_one_is_passed_by_once_and_not_by_each_claim(sql: Sql, node: Node) -> None:
    first, *waiting = keyed(sql, 30)
    assert node.claim() == [first]
    assert sql.value("SELECT count(*) FROM long_task.task WHERE state_id = 'AB'") == len(waiting)
    assert sql.look(waiting[0], "state_id, wants_key") == ("AB", True)


def test_they_keep_their_order_and_priority_counts(sql: Sql, node: Node) -> None:
    ids = keyed(sql, 4)
    node.claim()
    urgent = sql.insert(concurrency_key="k", priority=-1)
    node.claim()
    order = []
    running = ids[0]
    for _ in range(4):
        (order_,) = node.sync(ended(running)).start
        running = order_.task_id
        order.append(running)
    assert order == [urgent, *ids[1:]]


@pytest.mark.parametrize("how", ["fails", "is retried", "is cancelled", "is deleted", "is lost"])
def test_the_key_is_free_when_its_task_is_over_however_it_ends(
    sql: Sql, stopped: Clock, node: Node, how: str
) -> None:
    first = sql.insert(concurrency_key="k", max_attempts=2 if how == "is retried" else 1)
    (second,) = keyed(sql, 1)
    assert node.claim() == [first]
    if how == "is cancelled":
        sql.change(first, state_id="AC")
    elif how == "is deleted":
        sql.run("DELETE FROM long_task.task WHERE id = %s", first)
    if how == "is lost":
        stopped.advance(60)
        node = Node(sql, worker_id=2)
        for _ in range(2):
            node.sync(free=0, lease=30)
        assert sql.look(first) == "CF"
    else:
        assert node.claim() == []
        node.report(first, exit_code=1)
    assert node.claim() == [second]


def test_while_the_process_lives_the_key_is_taken_whatever_the_row_says(
    sql: Sql, node: Node
) -> None:
    first, second = keyed(sql, 2)
    node.claim()
    sql.change(first, state_id="CS")
    assert node.claim() == []
    sql.change(first, state_id="AW")
    assert node.claim() == []
    node.report(first)
    assert node.claim() == [second]


def test_a_group_without_a_node_does_not_keep_the_key_from_others(sql: Sql, node: Node) -> None:
    (running,) = keyed(sql, 1)
    node.claim()
    keyed(sql, 2, group_id=7, priority=-5)
    keyed(sql, 1, worker_id=9, priority=-5)
    (mine,) = keyed(sql, 1)
    Node(sql, worker_id=3, group_id=7).claim()
    node.claim()
    assert node.report(running) == []
    assert node.claim() == [mine]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE long_task.task SET state_id = 'AC' WHERE id = %s",
        "DELETE FROM long_task.task WHERE id = %s",
        "UPDATE long_task.task SET start_after = long_task.clock() + '1 hour' WHERE id = %s",
        "UPDATE long_task.task SET concurrency_key = 'other' WHERE id = %s",
        "UPDATE long_task.task SET group_id = 5 WHERE id = %s",
        "UPDATE long_task.task SET worker_id = 5 WHERE id = %s",
    ],
)
def test_who_was_to_be_next_and_goes_away_lets_another_be_next(
    sql: Sql, node: Node, change: str
) -> None:
    first, second, third = keyed(sql, 3)
    node.claim()
    node.claim()
    node.sync(ended(first), free=0)
    assert (sql.look(second), sql.look(third)) == ("AW", "AB")
    sql.run(change, second)
    assert third in node.claim()


@pytest.mark.parametrize("column", ["concurrency_key = 'new'", "concurrency_key = NULL"])
def test_one_that_waits_for_a_key_may_be_given_another(sql: Sql, node: Node, column: str) -> None:
    _, second = keyed(sql, 2)
    node.claim()
    sql.run(f"UPDATE long_task.task SET {column} WHERE id = %s", second)
    assert node.claim() == [second]


def test_the_key_of_a_running_task_stays(sql: Sql, node: Node) -> None:
    (first,) = keyed(sql, 1)
    node.claim()
    refusal = sql.refusal("UPDATE long_task.task SET concurrency_key = 'new'")
    assert refusal.code == "LT004"
    assert "cannot be changed while it runs" in refusal.message
    assert sql.look(first, "concurrency_key") == "k"


def test_one_that_waits_for_a_key_can_be_cancelled(sql: Sql, node: Node) -> None:
    _, second = keyed(sql, 2)
    node.claim()
    sql.change(second, state_id="AC")
    assert sql.look(second, "state_id, wants_key") == ("CC", False)


def test_a_dependency_holds_one_that_waits_for_a_key(sql: Sql, node: Node) -> None:
    first, second = keyed(sql, 2)
    needed = sql.insert(state_id="DR")
    node.claim()
    sql.run(
        "INSERT INTO long_task.task_dependency (task_id, needs_task_id) VALUES (%s, %s)",
        second, needed,
    )  # fmt: skip
    assert sql.look(second, "state_id, wants_key") == ("AB", False)
    node.report(first)
    assert node.claim() == []
    sql.run("DELETE FROM long_task.task_dependency")
    assert node.claim() == [second]


def test_copies_of_a_template_have_its_key(sql: Sql, stopped: Clock, node: Node) -> None:
    sql.insert(
        state_id="DR", shed_clone=True, concurrency_key="k", shed_period_id="SEC",
        next_start="2030-05-06 07:08:10+00:00", missed="run each", overlap="clone",
    )  # fmt: skip
    stopped.advance(3)
    assert len(node.claim()) == 1
    assert sql.values("SELECT DISTINCT concurrency_key FROM long_task.task") == ["k"]


def test_a_group_runs_at_most_so_many(sql: Sql, node: Node) -> None:
    sql.run("INSERT INTO long_task.group_limit VALUES (0, 2)")
    other = Node(sql, worker_id=2)
    ids = [sql.insert() for _ in range(4)]
    pinned = sql.insert(worker_id=2, priority=-1)
    assert other.claim() == [pinned, ids[0]]
    assert node.claim() == []
    other.report(pinned)
    assert node.claim() == [ids[1]]
    sql.run("UPDATE long_task.group_limit SET max_running = 3")
    assert node.claim() == [ids[2]]


def test_the_limit_of_a_group_counts_for_workers_of_other_groups(sql: Sql, node: Node) -> None:
    sql.run("INSERT INTO long_task.group_limit VALUES (5, 1)")
    ids = [sql.insert(group_id=5, worker_id=1) for _ in range(2)]
    assert node.claim() == ids[:1]
    node.report(ids[0])
    assert node.claim() == ids[1:]


def test_two_claims_at_once_do_not_exceed_a_limit(
    database: Database, serving: Sql, person: Sql
) -> None:
    one, other = Node(serving), Node(person, worker_id=2, lock=False)
    other.lock()
    person.connection.commit()
    serving.run("INSERT INTO long_task.group_limit VALUES (5, 1)")
    first, second, third = keyed(serving, 3)
    assert other.claim(free=1) == [first]  # not committed
    answer = one.sync()
    assert answer.start == []
    assert 0 < (answer.wake_in or 0) <= 0.2
    assert serving.look(second) == "AW"
    person.connection.commit()
    assert one.claim() == []
    assert serving.look(second) == "AB"
    other.sync(ended(first), free=0)
    assert serving.look(second) == "AB"
    person.connection.commit()
    assert one.claim() == [second]
    assert serving.look(third) == "AB"


def test_an_end_while_another_looks_at_the_key_is_not_lost(
    database: Database, serving: Sql, person: Sql
) -> None:
    one, other = Node(serving), Node(person, worker_id=2, lock=False)
    other.lock()
    person.connection.commit()
    first, second = keyed(serving, 2)
    assert one.claim(free=1) == [first]
    assert other.claim() == []  # puts the second aside, and has not committed
    assert one.report(first) == []
    assert serving.look(second) == "AW"
    person.connection.commit()
    assert serving.look(second) == "AB"
    one.settle()
    assert one.claim() == [second]


def test_a_row_that_a_person_holds_comes_back_when_it_is_let_go(serving: Sql, person: Sql) -> None:
    node = Node(serving)
    first, second = keyed(serving, 2)
    node.claim()
    person.change(second, name="mine")
    assert node.report(first) == []
    assert node.claim() == []
    person.connection.commit()
    node.settle()
    assert node.claim() == [second]
    node.report(second)
    assert node.sync(free=0).wake_in is None


def test_who_is_delayed_while_it_waits_for_its_key_leaves_it_to_others(
    sql: Sql, node: Node
) -> None:
    first, second, third = keyed(sql, 3)
    node.claim()
    sql.run(
        "UPDATE long_task.task SET start_after = long_task.clock() + '1 day' WHERE id = %s", second
    )
    assert sql.look(second) == "AD"
    node.report(first)
    assert node.claim() == [third]
