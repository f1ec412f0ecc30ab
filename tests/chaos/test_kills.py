"""Node, guardian or both are killed with -9: nothing lives on, and the tasks go on elsewhere."""

import os
import signal

from tests.chaos.witnesses import Witnesses
from tests.node.conftest import StartNode
from tests.node.running_node import SHORT_LEASE
from tests.waiting import wait_until


def test_what_a_killed_node_had_runs_again_on_its_standby_after_the_last_process_is_gone(
    start_node: StartNode, launch: StartNode, witnesses: Witnesses
) -> None:
    node = start_node(**SHORT_LEASE)
    ids = [
        witnesses.add(600, 0, helper=True, max_attempts=2, retry_delay="0", kill_grace="1 hour")
        for _ in range(4)
    ]
    for task in ids:
        witnesses.begins(task)
    standby = launch(recovery_delay=0.3)
    standby.says("event=standby")
    node.signal(signal.SIGKILL)
    wait_until(node.alive, lambda found: not found, describe="nothing of the node to be alive")
    standby.serves()
    witnesses.judge()
    for task in ids:
        assert [run.error for run in witnesses.tasks.runs(task)] == ["Worker failed", None]


def test_a_worker_that_loses_node_after_node_loses_no_task(
    launch: StartNode, witnesses: Witnesses
) -> None:
    task = witnesses.add(600, 600, 600, 0, max_attempts=4, retry_delay="0")
    for attempt in range(1, 4):
        node = launch(**SHORT_LEASE)
        witnesses.begins(task, attempt)
        node.signal(signal.SIGKILL)
        node.ended()
    launch(**SHORT_LEASE)
    assert witnesses.tasks.ended(task).attempt == 4
    witnesses.judge()


def test_a_killed_guardian_costs_an_attempt_and_not_the_lease(
    start_node: StartNode, witnesses: Witnesses
) -> None:
    node = start_node(**SHORT_LEASE)
    ids = [witnesses.add(600, 0, helper=True, max_attempts=2, retry_delay="0") for _ in range(4)]
    for task in ids:
        witnesses.begins(task)
    node.guardian().kill()
    witnesses.judge()
    for task in ids:
        assert [run.error for run in witnesses.tasks.runs(task)] == ["Guardian died", None]
    assert "event=guardian_died" in node.log()


def test_a_guardian_that_is_killed_while_its_node_is_frozen_leaves_its_tasks_to_the_woken_node(
    start_node: StartNode, witnesses: Witnesses
) -> None:
    node = start_node()
    task = witnesses.add(600, 0, helper=True, max_attempts=2, retry_delay="0")
    begun = witnesses.begins(task)
    guardian = node.guardian()
    node.signal(signal.SIGSTOP)
    guardian.kill()
    node.signal(signal.SIGCONT)
    witnesses.judge()
    assert witnesses.tasks.runs(task)[0].error == "Guardian died"
    assert not os.path.exists(f"/proc/{begun.pid}")  # noqa: PTH110
