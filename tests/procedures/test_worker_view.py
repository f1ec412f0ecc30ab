"""The view long_task.worker: what people can write into it, and what not."""

import pytest

from tests.procedures.acting import LEASE, Node, Sql
from tests.servers import Clock


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_the_stop_code_of_a_worker_can_be_written(sql: Sql, node: Node, code: int) -> None:
    assert sql.run("UPDATE long_task.worker SET stop = %s WHERE id = 1", code) == 1
    assert sql.value("SELECT stop FROM long_task.worker WHERE id = 1") == code


@pytest.mark.parametrize("code", ["-1", "4", "null"])
def test_a_stop_code_that_means_nothing_is_refused(sql: Sql, node: Node, code: str) -> None:
    refusal = sql.refusal(f"UPDATE long_task.worker SET stop = {code}")
    assert (refusal.code, refusal.message) == ("LT004", f"worker 1 cannot have stop = {code}")
    assert refusal.hint and refusal.hint.startswith("0 run; 1 start nothing new")
    assert sql.value("SELECT stop FROM long_task.worker") == 0


@pytest.mark.parametrize(
    "assignment",
    [
        "id = 2", "group_id = 5", "active = false", "locked_until = 'infinity'", "slots = 99",
        "epoch = 7", "task_count = 5", "node_name = 'x'", "host = null", "pid = 1", "version = 'x'",
        "since = now()",
    ],
)  # fmt: skip
def test_what_the_node_writes_cannot_be_written_by_others(
    sql: Sql, node: Node, assignment: str
) -> None:
    before = sql.rows("SELECT * FROM long_task.worker")
    refusal = sql.refusal(f"UPDATE long_task.worker SET stop = 1, {assignment}")
    assert refusal.code == "LT004"
    assert refusal.message.endswith("only stop can be written")
    assert sql.rows("SELECT * FROM long_task.worker") == before


def test_a_stop_code_can_be_written_before_the_worker_first_comes(sql: Sql) -> None:
    sql.run("INSERT INTO long_task.worker (id, stop) VALUES (1, 1)")
    assert sql.rows("SELECT id, stop, active, group_id, epoch FROM long_task.worker") == [
        (1, 1, False, None, 0)
    ]
    sql.insert()
    node = Node(sql)
    assert (node.sync().stop, node.claim()) == (1, [])


def test_a_worker_can_be_inserted_without_a_stop_code(sql: Sql) -> None:
    sql.run("INSERT INTO long_task.worker (id) VALUES (1)")
    assert sql.rows("SELECT id, stop FROM long_task.worker") == [(1, 0)]


@pytest.mark.parametrize(
    ("columns", "values", "message"),
    [
        ("id", "null", "worker null cannot have stop = null"),
        ("id, stop", "1, 9", "worker 1 cannot have stop = 9"),
        ("stop", "1", "worker null cannot have stop = 1"),
        ("id, group_id", "1, 5", "of worker 1 only stop can be written"),
        ("id, active", "1, true", "of worker 1 only stop can be written"),
    ],
)
def test_a_worker_that_cannot_be_is_refused(
    sql: Sql, columns: str, values: str, message: str
) -> None:
    refusal = sql.refusal(f"INSERT INTO long_task.worker ({columns}) VALUES ({values})")
    assert (refusal.code, refusal.message) == ("LT004", message)
    assert sql.rows("SELECT id FROM long_task.worker") == []


def test_a_worker_that_is_served_cannot_be_deleted(sql: Sql, node: Node) -> None:
    refusal = sql.refusal("DELETE FROM long_task.worker")
    assert (refusal.code, refusal.message) == (
        "LT001",
        "worker 1 is served by node node-1 (pid 4711 on host)",
    )
    assert refusal.hint and "stop = 3" in refusal.hint
    assert node.sync().stop == 0


def test_a_worker_that_was_left_can_be_deleted(sql: Sql, node: Node) -> None:
    sql.run("UPDATE long_task.worker SET stop = 1")
    node.leave()
    assert sql.run("DELETE FROM long_task.worker WHERE id = 1") == 1
    assert sql.rows("SELECT id FROM long_task.worker") == []
    assert sql.rows("SELECT worker_id FROM long_task.worker_stop") == []


def test_a_worker_that_never_came_can_be_deleted(sql: Sql) -> None:
    sql.run("INSERT INTO long_task.worker (id, stop) VALUES (1, 1)")
    sql.run("DELETE FROM long_task.worker")
    assert sql.rows("SELECT id FROM long_task.worker") == []


def test_a_worker_whose_lease_has_just_ended_cannot_be_deleted(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    task_id = sql.insert()
    node.claim()
    stopped.advance(LEASE)
    assert sql.refusal("DELETE FROM long_task.worker").code == "LT001"
    assert sql.look(task_id) == "AE"


def test_statements_on_the_view_return_its_rows(sql: Sql, node: Node) -> None:
    assert sql.rows("UPDATE long_task.worker SET stop = 2 RETURNING id, stop") == [(1, 2)]
    assert sql.rows("INSERT INTO long_task.worker (id, stop) VALUES (2, 1) RETURNING id, stop") == [
        (2, 1)
    ]


def test_a_row_without_a_stop_code_leaves_the_one_there_is(sql: Sql, node: Node) -> None:
    sql.run("UPDATE long_task.worker SET stop = 1")
    row = sql.row("INSERT INTO long_task.worker (id) VALUES (1) RETURNING id, stop")
    assert row == (1, 1)
    assert sql.value("SELECT stop FROM long_task.worker") == 1
