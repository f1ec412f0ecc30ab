"""Transactions that go on seeing what was, and are not to decide about what is."""

import pytest

from tests.procedures.acting import Node, Sql

OLD_SNAPSHOTS = ["REPEATABLE READ", "SERIALIZABLE"]


@pytest.mark.parametrize("level", OLD_SNAPSHOTS)
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT long_task.recover_worker_tasks(1)",
        "DELETE FROM long_task.worker WHERE id = 1",
    ],
)
def test_nothing_is_given_back_by_who_may_not_see_that_it_was_claimed(
    serving: Sql, person: Sql, level: str, statement: str
) -> None:
    node = Node(serving)
    person.run(f"SET TRANSACTION ISOLATION LEVEL {level}")
    person.rows("SELECT id FROM long_task.worker")
    task_id = serving.insert()
    node.claim()
    node.leave()
    refusal = person.refusal(statement)
    assert (refusal.code, refusal.message) == (
        "LT004",
        f"worker 1 cannot be recovered in a transaction that is {level.lower()}",
    )
    assert refusal.hint == "BEGIN ISOLATION LEVEL READ COMMITTED"
    assert serving.look(task_id, "state_id, running_on") == ("CF", None)


@pytest.mark.parametrize("level", OLD_SNAPSHOTS)
def test_a_stop_code_can_be_written_in_any_transaction(
    serving: Sql, person: Sql, level: str
) -> None:
    Node(serving)
    person.run(f"SET TRANSACTION ISOLATION LEVEL {level}")
    assert person.run("UPDATE long_task.worker SET stop = 1 WHERE id = 1") == 1
