"""Who goes on when a node is gone, and how soon."""

import signal
from pathlib import Path

import psutil
import pytest

from tests.node.conftest import StartNode
from tests.node.running_node import SHORT_LEASE
from tests.node.tasks import Tasks, program, shell
from tests.servers import Database
from tests.waiting import wait_until

LONG_LEASE = {"lease_duration": 3600, "lease_renewal": 1000, "recovery_delay": 3600}
"""Nobody waits for the end of this one: who serves after all has a proof."""
SECOND_TIME = shell('test "$PG_TASKS_ATTEMPT" = 2 || exec sleep 1000')


def events(tasks: Tasks) -> list[tuple[str, int]]:
    rows = tasks.sql("SELECT kind, worker_id FROM long_task.worker_event ORDER BY id")
    return [(row.kind, row.worker_id) for row in rows]


def test_a_node_whose_predecessor_is_dead_on_the_same_machine_serves_at_once(
    start_node: StartNode, tasks: Tasks
) -> None:
    first = start_node(**LONG_LEASE)
    task = tasks.add(SECOND_TIME, max_attempts=2, retry_delay="0")
    wait_until(first.tasks)
    first.signal(signal.SIGKILL)
    second = start_node(**LONG_LEASE)
    assert "event=holder_is_dead" in second.log()
    assert tasks.ended(task).state_id == "CS"
    assert [run.error for run in tasks.runs(task)] == ["Worker failed", None]
    assert events(tasks) == [("taken", 1), ("taken over", 1)]


def test_the_next_node_on_a_machine_kills_what_a_dead_node_and_guardian_have_left(
    start_node: StartNode, tasks: Tasks, tmp_path: Path
) -> None:
    first = start_node(**LONG_LEASE)
    task = tasks.add(program("tree", "stubborn", tmp_path))
    wait_until(lambda: len(list(tmp_path.glob("[0-9]*"))) >= 5)
    node, guardian = psutil.Process(first.pid), first.guardian()
    # The guardian cannot see the end of the node while it is stopped.
    guardian.suspend()
    node.kill()
    guardian.kill()
    # Any node that starts on this machine does it, be it another test's.
    start_node(**LONG_LEASE)
    assert first.tasks() == []
    assert tasks.ended(task).error == "Worker failed"


def test_a_guardian_that_is_stopped_does_not_keep_the_tasks_of_a_dead_node_alive(
    start_node: StartNode, tasks: Tasks
) -> None:
    first = start_node(**LONG_LEASE)
    task = tasks.add(["sleep", "1000"])
    wait_until(first.tasks)
    first.guardian().suspend()
    first.signal(signal.SIGKILL)
    second = start_node(**LONG_LEASE)
    assert first.alive() == []
    assert tasks.ended(task).error == "Worker failed"
    assert "event=holder_is_dead" in second.log()


def test_tasks_of_a_killed_node_go_on_with_another_worker_of_the_group(
    start_node: StartNode, tasks: Tasks
) -> None:
    first, second = start_node(1, 0, 1, **SHORT_LEASE), start_node(2, 0, 1, **SHORT_LEASE)
    both = tasks.add_many([SECOND_TIME] * 2, max_attempts=2, retry_delay="0")
    wait_until(lambda: len(first.tasks()) == 1 and len(second.tasks()) == 1)
    (lost,) = (task for task in both if tasks.row(task).running_on == 1)
    (other,) = set(both) - {lost}
    first.signal(signal.SIGKILL)
    tasks.set(other, state_id="AC")
    assert (tasks.ended(lost).state_id, tasks.row(lost).worker_id) == ("CS", 2)
    assert [(run.worker_id, run.error) for run in tasks.runs(lost)] == [
        (1, "Worker failed"), (2, None),
    ]  # fmt: skip
    assert events(tasks) == [("taken", 1), ("taken", 2), ("recovered", 1)]


def test_a_node_that_stands_by_leaves_at_once(
    start_node: StartNode, launch: StartNode, tasks: Tasks
) -> None:
    start_node(**LONG_LEASE)
    second = launch(**LONG_LEASE, stop_grace=1000)
    second.says("event=standby")
    statuses = "SELECT status FROM long_task.worker_status"
    assert sorted(row.status for row in tasks.sql(statuses)) == ["live", "standby"]
    second.signal(signal.SIGTERM)
    assert second.ended() == 0
    assert "event=ended" in second.log()


def test_a_drained_worker_goes_on_with_the_node_that_stands_by(
    start_node: StartNode, launch: StartNode, tasks: Tasks
) -> None:
    first = start_node(**LONG_LEASE)
    second = launch(**LONG_LEASE)
    second.says("event=standby")
    tasks.sql("UPDATE long_task.worker SET stop = 2 WHERE id = 1")
    assert first.ended() == 0
    second.serves()
    assert tasks.ended(tasks.add(["true"])).state_id == "CS"


def test_a_node_ends_what_its_dead_neighbour_has_left_before_it_gives_the_tasks_back(
    start_node: StartNode, tasks: Tasks, tmp_path: Path
) -> None:
    first, second = start_node(1, 0, 1, **SHORT_LEASE), start_node(2, 1, 1, **SHORT_LEASE)
    task = tasks.add(program("tree", "stubborn", tmp_path))
    wait_until(lambda: len(list(tmp_path.glob("[0-9]*"))) >= 5)
    node, guardian = psutil.Process(first.pid), first.guardian()
    guardian.suspend()
    node.kill()
    guardian.kill()
    assert tasks.ended(task).error == "Worker failed"
    assert first.tasks() == []
    assert second.process.poll() is None


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        ((1, 5, 1), {}, "worker 1 serves group 0, held by node alpha (pid "),
        ((2, 0, 1), {"node_name": "alpha"}, "node name alpha is taken by worker 1, node alpha "),
    ],
)
def test_a_node_that_is_in_the_way_of_another_ends_with_the_reason(
    start_node: StartNode,
    launch: StartNode,
    arguments: tuple[int, int, int],
    settings: dict[str, str],
    message: str,
) -> None:
    start_node(1, 0, 1, node_name="alpha")
    intruder = launch(*arguments, **settings)
    assert intruder.ended() == 1
    assert message in intruder.log()
    assert "Traceback" not in intruder.log()


def test_a_second_signal_ends_a_node_that_cannot_report(
    start_node: StartNode, tasks: Tasks, database: Database
) -> None:
    node = start_node()
    task = tasks.add(shell("exit 7"), start_after="2020-01-01")
    tasks.ended(task)
    task = tasks.add(shell("while [ ! -e go ]; do sleep 0.02; done; exit 7"))
    tasks.in_state(task, "AE")
    with database.connect(autocommit=False) as person, person.cursor() as cursor:
        cursor.execute("SELECT FROM long_task.task WHERE id = %s FOR UPDATE", (task,))
        (node.root / "go").touch()
        wait_until(node.tasks, lambda found: not found)
        node.signal(signal.SIGTERM)
        node.says("event=stopping")
        node.signal(signal.SIGTERM)
        assert node.ended() == 1
        log = node.log()
        assert f"event=unreported task_id={task} attempt=1 exit_code=7" in log
        assert "event=left" not in log
