"""A node is stopped past its lease, and woken when others have its tasks."""

import signal

from tests.chaos.proxy import Proxy
from tests.chaos.witnesses import Witnesses
from tests.node.conftest import StartNode
from tests.node.running_node import SHORT_LEASE
from tests.waiting import wait_until


def test_the_tasks_of_a_frozen_node_are_dead_before_they_run_elsewhere(
    start_node: StartNode, launch: StartNode, witnesses: Witnesses
) -> None:
    frozen = start_node(**SHORT_LEASE)
    ids = [
        witnesses.add(600, 0, helper=True, max_attempts=2, retry_delay="0", kill_grace="1 hour")
        for _ in range(4)
    ]
    for task in ids:
        witnesses.begins(task)
    standby = launch(recovery_delay=0.3)
    standby.says("event=standby")
    frozen.signal(signal.SIGSTOP)
    standby.serves()
    assert frozen.tasks() == []
    frozen.signal(signal.SIGCONT)
    frozen.says("event=lease_lost")
    witnesses.judge()
    for task in ids:
        assert [run.error for run in witnesses.tasks.runs(task)] == ["Worker failed", None]


def test_a_woken_node_whose_attempts_were_written_off_has_nothing_left_to_report(
    start_node: StartNode, launch: StartNode, witnesses: Witnesses
) -> None:
    frozen = start_node(**SHORT_LEASE)
    task = witnesses.add(600, 0, max_attempts=2, retry_delay="0")
    witnesses.begins(task)
    standby = launch(recovery_delay=0.3)
    standby.says("event=standby")
    frozen.signal(signal.SIGSTOP)
    standby.serves()
    frozen.signal(signal.SIGCONT)
    frozen.says("event=standby")
    assert frozen.stop() == 0
    witnesses.judge()


def test_a_node_that_was_frozen_for_less_than_its_lease_goes_on_as_if_nothing_had_been(
    start_node: StartNode, witnesses: Witnesses
) -> None:
    node = start_node(lease_duration=600, lease_renewal=0.1)
    (task,) = witnesses.add_many(1, 1)
    witnesses.begins(task)
    node.signal(signal.SIGSTOP)
    wait_until(lambda: [line for line in witnesses.lines() if type(line).__name__ == "End"])
    node.signal(signal.SIGCONT)
    witnesses.judge()
    assert witnesses.tasks.row(task).state_id == "CS"
    assert "event=lease_lost" not in node.log()


def test_a_call_of_a_frozen_node_that_arrives_after_its_lease_changes_nothing(
    start_node: StartNode, launch: StartNode, witnesses: Witnesses, proxy: Proxy
) -> None:
    """It is on its way when the network stops and then the node, and arrives much later."""
    late = start_node(1, 0, 4, dsn=proxy.dsn, call_timeout=60, **SHORT_LEASE)
    task = witnesses.add(600, 600, max_attempts=2, retry_delay="0")
    begun = witnesses.begins(task)
    standby = launch(recovery_delay=0.3)
    standby.says("event=standby")
    proxy.hold()
    process = next(one for one in late.tasks() if one.pid == begun.pid)
    process.kill()
    late.says(f"event=task_ended task_id={task}")
    late.signal(signal.SIGSTOP)
    standby.serves()
    witnesses.begins(task, 2)
    proxy.release()
    late.signal(signal.SIGCONT)
    late.says("event=standby")
    row = witnesses.tasks.row(task)
    assert (row.state_id, row.attempt, row.running_on) == ("AE", 2, 1)
    witnesses.tasks.set(task, state_id="AC")
    witnesses.judge()
    assert [run.error for run in witnesses.tasks.runs(task)] == ["Worker failed", "cancelled"]
