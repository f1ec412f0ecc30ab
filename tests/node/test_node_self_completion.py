"""A task may end itself before its process has ended."""

import pytest

from tests.node.conftest import StartNode
from tests.node.running_node import RunningNode
from tests.node.tasks import Tasks, program, shell
from tests.servers import Database, Server
from tests.waiting import wait_until


@pytest.mark.parametrize("state", ["CS", "CF"])
def test_what_a_task_says_of_itself_stands(
    node: RunningNode, tasks: Tasks, database: Database, state: str
) -> None:
    task = tasks.add(program("hand_on", state, 0.3, node.root), env={"TEST_DSN": database.dsn})
    handed_on = tasks.in_state(task, state)
    row = tasks.ended(task)
    assert (row.state_id, row.exit_code) == (state, 0)
    assert row.finished == handed_on.finished
    assert (node.root / str(task)).read_text() == "handed on\nleft\n"
    assert tasks.runs(task)[0].state_id == state


def test_a_task_can_end_itself_with_psql(
    node: RunningNode, tasks: Tasks, database: Database, server: Server
) -> None:
    update = "UPDATE long_task.task SET state_id = 'CF', error = 'I say so' WHERE id = :id"
    task = tasks.add(
        shell('echo "$SQL" | "$PSQL" -X -q -v ON_ERROR_STOP=1 -v id="$PG_TASKS_TASK_ID" "$DSN"'),
        env={"SQL": update, "PSQL": str(server.embedded.psql), "DSN": database.dsn},
    )
    row = tasks.ended(task)
    assert (row.state_id, row.exit_code, row.error) == ("CF", 0, "I say so")


def test_a_process_that_stays_on_is_killed_and_its_task_keeps_its_end(
    start_node: StartNode, tasks: Tasks, database: Database
) -> None:
    node = start_node(completion_grace=0.3)
    task = tasks.add(
        program("hand_on", "CS", 1000, node.root),
        env={"TEST_DSN": database.dsn},
        max_attempts=3,
        retry_delay="0",
    )
    row = tasks.ended(task)
    assert (row.state_id, row.attempt, row.signal) == ("CS", 1, 15)
    assert node.tasks() == []
    (run,) = tasks.runs(task)
    assert (run.state_id, run.error) == (
        "CS",
        "still running 0.3 s after it had ended its own task",
    )


def test_a_task_that_is_queued_again_is_not_started_before_its_process_is_gone(
    start_node: StartNode, tasks: Tasks, database: Database
) -> None:
    node = start_node()
    start_node(2)
    task = tasks.add(program("hand_on", "CS", 0.5, node.root), env={"TEST_DSN": database.dsn})
    tasks.in_state(task, "CS")
    tasks.set(task, state_id="AW", worker_id=None)
    assert "has not exited yet" in tasks.why(task)
    row = tasks.ended(task)
    assert row.attempt == 2
    assert (node.root / str(task)).read_text() == "handed on\nleft\n" * 2


def test_a_task_that_queues_itself_again_runs_again_and_again(
    node: RunningNode, tasks: Tasks, database: Database, server: Server
) -> None:
    again = "UPDATE long_task.task SET state_id = 'CS' WHERE id = :id;\n" + (
        "UPDATE long_task.task SET state_id = 'AW', worker_id = NULL WHERE id = :id AND attempt < 5"
    )
    task = tasks.add(
        shell('echo "$SQL" | "$PSQL" -X -q -v ON_ERROR_STOP=1 -v id="$PG_TASKS_TASK_ID" "$DSN"'),
        env={"SQL": again, "PSQL": str(server.embedded.psql), "DSN": database.dsn},
    )
    wait_until(lambda: len(tasks.runs(task)) == 5, describe="five runs")
    assert tasks.ended(task).attempt == 5


def test_the_slot_is_taken_as_long_as_the_process_lives(
    start_node: StartNode, tasks: Tasks, database: Database
) -> None:
    node = start_node(1, 0, 1)
    first = tasks.add(program("hand_on", "CS", 0.4, node.root), env={"TEST_DSN": database.dsn})
    second = tasks.add(shell(f"cp {first} seen"))
    tasks.ended(second)
    assert (node.root / "seen").read_text() == "handed on\nleft\n"
