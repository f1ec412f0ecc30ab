"""TRUNCATE: ids never come again while anything knows them."""

import pytest

from tests.procedures.acting import Node, Sql
from tests.procedures.keeping import ended, policy, tidy_by_steps

RESTART = "TRUNCATE long_task.task RESTART IDENTITY"


def test_ids_cannot_begin_again_while_there_is_history(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    node.report(task_id)
    refusal = sql.refusal(RESTART)
    assert (refusal.code, refusal.message) == (
        "LT004", "the next task would be 1, and later ones are in history or still have a process",
    )  # fmt: skip
    assert refusal.hint and refusal.hint.startswith("Leave out RESTART IDENTITY")
    assert sql.look(task_id) == "CS"


def test_ids_cannot_begin_again_while_there_is_a_process(sql: Sql, node: Node) -> None:
    sql.insert()
    node.claim()
    assert (
        sql.refusal("TRUNCATE long_task.task, long_task.task_run RESTART IDENTITY").code == "LT004"
    )


def test_ids_cannot_begin_again_while_there_is_an_archive(sql: Sql) -> None:
    policy(sql, keep_succeeded="1 day", archive=True)
    over = ended(sql)
    tidy_by_steps(sql)
    assert sql.values("SELECT task_id FROM long_task.task_archive") == [over]
    assert sql.refusal(RESTART).code == "LT004"


def test_ids_may_begin_again_together_with_history(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    node.report(task_id)
    sql.run("TRUNCATE long_task.task, long_task.task_run RESTART IDENTITY")
    assert sql.insert() == 1


def test_tasks_alone_may_be_truncated(sql: Sql, node: Node) -> None:
    last = 0
    for _ in range(2):
        task_id = sql.insert()
        assert task_id > last
        last = task_id
        node.claim()
        node.report(task_id)
        sql.run("TRUNCATE long_task.task")


@pytest.mark.parametrize("statement", [RESTART, "TRUNCATE long_task.task"])
def test_tasks_that_never_ran_may_be_truncated(sql: Sql, statement: str) -> None:
    sql.insert()
    sql.run(statement)
    assert sql.value("SELECT count(*) FROM long_task.task") == 0
