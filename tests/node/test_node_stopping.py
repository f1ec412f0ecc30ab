"""Workers and nodes that are asked to stop, by a row or by a signal."""

import signal
from pathlib import Path

from tests.node.conftest import StartNode
from tests.node.running_node import RunningNode
from tests.node.tasks import Tasks, shell
from tests.waiting import wait_until


def order_stop(tasks: Tasks, code: int, worker_id: int = 1) -> None:
    tasks.sql("UPDATE long_task.worker SET stop = %s WHERE id = %s", code, worker_id)


def let_calls_pass(tasks: Tasks, decoy: int) -> None:
    """Returns when every call that the node had under way is over, by the end of a task of its own.

    A call that was sent before the node or its worker were told to stop may still claim a task.
    """
    tasks.set(decoy, state_id="AC")
    tasks.ended(decoy)


def ready(path: Path, script: str) -> list[str]:
    """A command that leaves a file once its traps are set."""
    return shell(f"{script}; touch {path}; while :; do sleep 0.02; done")


def test_a_worker_with_stop_1_starts_nothing_and_stays(node: RunningNode, tasks: Tasks) -> None:
    running = tasks.add(shell("while [ ! -e go ]; do sleep 0.02; done"))
    decoy = tasks.add(["sleep", "1000"])
    wait_until(lambda: len(node.tasks()) == 2, describe="both to be processes")
    order_stop(tasks, 1)
    let_calls_pass(tasks, decoy)
    waiting = tasks.add(["true"])
    assert "stop = 1" in tasks.why(waiting)
    (node.root / "go").touch()
    assert tasks.ended(running).state_id == "CS"
    assert tasks.row(waiting).state_id == "AW"
    order_stop(tasks, 0)
    assert tasks.ended(waiting).state_id == "CS"


def test_a_worker_with_stop_2_starts_nothing_and_leaves_when_it_is_idle(
    node: RunningNode, tasks: Tasks
) -> None:
    running = tasks.add(shell("while [ ! -e go ]; do sleep 0.02; done"))
    decoy = tasks.add(["sleep", "1000"])
    wait_until(lambda: len(node.tasks()) == 2, describe="both to be processes")
    order_stop(tasks, 2)
    let_calls_pass(tasks, decoy)
    waiting = tasks.add(["true"])
    assert node.process.poll() is None
    (node.root / "go").touch()
    assert node.ended() == 0
    assert (tasks.row(running).state_id, tasks.row(waiting).state_id) == ("CS", "AW")


def test_an_idle_worker_with_stop_2_leaves_at_once(node: RunningNode, tasks: Tasks) -> None:
    order_stop(tasks, 2)
    assert node.ended() == 0


def test_a_worker_with_stop_3_cancels_all_and_leaves(node: RunningNode, tasks: Tasks) -> None:
    ids = tasks.add_many([["sleep", "1000"]] * 3, max_attempts=5)
    for task in ids:
        tasks.in_state(task, "AE")
    order_stop(tasks, 3)
    assert node.ended() == 0
    assert {(tasks.row(task).state_id, tasks.row(task).attempt) for task in ids} == {("CC", 1)}


def test_a_worker_that_left_by_its_stop_code_can_be_served_again(
    node: RunningNode, start_node: StartNode, tasks: Tasks
) -> None:
    order_stop(tasks, 2)
    assert node.ended() == 0
    start_node()
    assert tasks.ended(tasks.add(["true"])).state_id == "CS"


def test_a_stop_code_is_for_one_worker_only(start_node: StartNode, tasks: Tasks) -> None:
    first, second = start_node(1), start_node(2)
    order_stop(tasks, 2, 1)
    assert first.ended() == 0
    assert tasks.ended(tasks.add(["true"])).worker_id == 2
    assert second.process.poll() is None


def test_a_node_that_is_told_to_stop_gives_its_worker_back(node: RunningNode, tasks: Tasks) -> None:
    assert node.stop() == 0
    (worker,) = tasks.sql(
        "SELECT active, locked_until <= long_task.clock() AS free FROM long_task.worker"
    )
    assert (worker.active, worker.free) == (False, True)


def test_a_task_may_end_by_itself_while_its_node_stops(start_node: StartNode, tasks: Tasks) -> None:
    node = start_node(stop_grace=60)
    task = tasks.add(shell("while [ ! -e go ]; do sleep 0.02; done"))
    decoy = tasks.add(["sleep", "1000"])
    wait_until(node.tasks, lambda found: len(found) >= 2, describe="both processes")
    node.signal(signal.SIGTERM)
    node.says("event=stopping")
    let_calls_pass(tasks, decoy)
    waiting = tasks.add(["true"])
    (node.root / "go").touch()
    assert node.ended() == 0
    assert tasks.row(task).state_id == "CS"
    assert tasks.row(waiting).state_id == "AW"


def test_what_still_runs_when_the_grace_is_over_is_ended_and_fails(
    start_node: StartNode, tasks: Tasks, tmp_path: Path
) -> None:
    node = start_node(stop_grace=0.3)
    heard = tmp_path / "heard"
    task = tasks.add(ready(tmp_path / "ready", f"trap 'touch {heard}; exit 0' TERM"))
    wait_until((tmp_path / "ready").exists)
    assert node.stop() == 0
    row = tasks.row(task)
    assert (row.state_id, row.error, row.exit_code) == ("CF", "Node stopped", 0)
    assert heard.exists()


def test_a_task_whose_node_stopped_goes_on_elsewhere_by_its_rule_of_retries(
    start_node: StartNode, tasks: Tasks
) -> None:
    node = start_node(stop_grace=0)
    task = tasks.add(
        shell('test "$PG_TASKS_ATTEMPT" = 2 || exec sleep 1000'), max_attempts=2, retry_delay="0"
    )
    wait_until(node.tasks)
    assert node.stop() == 0
    start_node(2)
    row = tasks.ended(task)
    assert (row.state_id, row.worker_id) == ("CS", 2)
    assert [run.error for run in tasks.runs(task)] == ["Node stopped", None]


def test_a_second_signal_kills_whatever_runs(
    start_node: StartNode, tasks: Tasks, tmp_path: Path
) -> None:
    node = start_node(stop_grace=1000, kill_grace=1000)
    task = tasks.add(ready(tmp_path / "ready", "trap '' TERM"))
    wait_until((tmp_path / "ready").exists)
    node.signal(signal.SIGTERM)
    node.says("event=stopping signals=1")
    node.signal(signal.SIGTERM)
    assert node.ended() == 0
    row = tasks.row(task)
    assert (row.state_id, row.error, row.signal) == ("CF", "Node stopped", 9)


def test_the_signal_of_a_terminal_stops_a_node_like_any_other(
    node: RunningNode, tasks: Tasks
) -> None:
    task = tasks.add(["sleep", "1000"])
    wait_until(node.tasks)
    node.signal(signal.SIGINT)
    assert node.ended() == 0
    assert tasks.row(task).error == "Node stopped"


def test_two_signals_in_the_middle_of_a_burst_leave_nothing_running(
    start_node: StartNode, tasks: Tasks
) -> None:
    for burst in range(6):
        node = start_node(1, 0, 16, stop_grace=1000)
        ids = tasks.add_many([["sleep", "1000"]] * 40)
        wait_until(node.tasks)
        node.signal(signal.SIGTERM)
        node.says("event=stopping signals=1")
        node.signal(signal.SIGTERM)
        assert node.ended() == 0, burst
        states = {tasks.row(task).state_id for task in ids}
        assert states <= {"AW", "CF"}
        tasks.sql("DELETE FROM long_task.task")


def test_a_node_that_stands_by_stops_at_once(
    node: RunningNode, launch: StartNode, tasks: Tasks
) -> None:
    second = launch()
    second.says("event=standby")
    assert second.stop() == 0
    assert tasks.ended(tasks.add(["true"])).worker_id == node.worker_id


def test_a_node_that_stands_by_takes_over_when_the_first_one_stops(
    node: RunningNode, launch: StartNode, tasks: Tasks
) -> None:
    second = launch()
    second.says("event=standby")
    assert node.stop() == 0
    second.serves()
    assert tasks.ended(tasks.add(["true"])).state_id == "CS"


def test_a_stop_code_that_is_taken_back_lets_the_node_go_on(
    node: RunningNode, tasks: Tasks
) -> None:
    running = tasks.add(shell("while [ ! -e go ]; do sleep 0.02; done"))
    tasks.in_state(running, "AE")
    order_stop(tasks, 2)
    waiting = tasks.add(["true"])
    order_stop(tasks, 0)
    assert tasks.ended(waiting).state_id == "CS"
    (node.root / "go").touch()
    assert tasks.ended(running).state_id == "CS"
    assert tasks.ended(tasks.add(["true"])).state_id == "CS"
