"""What a failed node had goes on without a standby: on any node, or on its own machine at once."""

import signal

from tests.chaos.proxy import Proxy
from tests.chaos.witnesses import Witnesses
from tests.node.conftest import StartNode
from tests.node.running_node import SHORT_LEASE, RunningNode
from tests.waiting import wait_until

HOUR: dict[str, object] = {"lease_duration": 3600, "lease_renewal": 0.5, "recovery_delay": 0.3}
"""A lease that will not end while a test runs."""


def add_many(witnesses: Witnesses, count: int = 4) -> list[int]:
    """Tasks whose first attempt outlasts the test, unless it is lost."""
    ids = [
        witnesses.add(600, 0, helper=True, max_attempts=2, retry_delay="0", kill_grace="1 hour")
        for _ in range(count)
    ]
    for task in ids:
        witnesses.begins(task)
    return ids


def check_that_each_was_lost_once(witnesses: Witnesses, ids: list[int], worker_id: int) -> None:
    witnesses.judge()
    for task in ids:
        runs = witnesses.tasks.runs(task)
        assert [run.error for run in runs] == ["Worker failed", None]
        assert runs[1].worker_id == worker_id


def kill_both(node: RunningNode) -> None:
    """Node and guardian, so that neither can do anything for the other."""
    guardian = node.guardian()
    node.signal(signal.SIGSTOP)
    guardian.suspend()
    guardian.kill()
    node.signal(signal.SIGKILL)
    node.ended()


def test_what_a_killed_node_had_runs_again_on_a_node_of_another_worker(
    start_node: StartNode, witnesses: Witnesses
) -> None:
    node = start_node(1, **SHORT_LEASE)
    ids = add_many(witnesses)
    start_node(2, **HOUR)
    node.signal(signal.SIGKILL)
    check_that_each_was_lost_once(witnesses, ids, worker_id=2)


def test_of_many_nodes_that_see_a_worker_fail_one_recovers_it(
    start_node: StartNode, witnesses: Witnesses
) -> None:
    node = start_node(1, **SHORT_LEASE)
    ids = add_many(witnesses)
    for worker_id in (2, 3, 4):
        start_node(worker_id, **HOUR)
    node.signal(signal.SIGKILL)
    witnesses.judge()
    assert {row.attempt for row in witnesses.tasks.all_ended()} == {2}
    recovered = witnesses.tasks.sql(
        "SELECT worker_id FROM long_task.worker_event WHERE kind = 'recovered'"
    )
    assert [row.worker_id for row in recovered] == [1]
    assert len(ids) == 4


def test_what_a_frozen_node_had_is_dead_before_a_node_of_another_worker_has_it(
    start_node: StartNode, witnesses: Witnesses
) -> None:
    frozen = start_node(1, **SHORT_LEASE)
    ids = add_many(witnesses)
    start_node(2, **HOUR)
    frozen.signal(signal.SIGSTOP)
    for task in ids:
        witnesses.begins(task, 2)
    assert frozen.tasks() == []
    frozen.signal(signal.SIGCONT)
    frozen.says("event=lease_lost")
    check_that_each_was_lost_once(witnesses, ids, worker_id=2)


def test_what_a_node_without_network_had_is_dead_before_a_node_of_another_worker_has_it(
    start_node: StartNode, witnesses: Witnesses, proxy: Proxy
) -> None:
    cut = start_node(1, dsn=proxy.dsn, call_timeout=1, connect_timeout=1, **SHORT_LEASE)
    ids = add_many(witnesses)
    start_node(2, **HOUR)
    proxy.hold()
    for task in ids:
        witnesses.begins(task, 2)
    assert cut.tasks() == []
    proxy.release()
    check_that_each_was_lost_once(witnesses, ids, worker_id=2)
    wait_until(lambda: cut.log().count("event=serving") == 2, describe="the node to be back")


def test_a_node_that_starts_where_its_predecessor_was_killed_does_not_wait_for_the_lease(
    start_node: StartNode, witnesses: Witnesses
) -> None:
    node = start_node(1, **HOUR)
    ids = add_many(witnesses)
    node.signal(signal.SIGKILL)
    node.ended()
    start_node(1, **HOUR)
    check_that_each_was_lost_once(witnesses, ids, worker_id=1)


def test_what_node_and_guardian_left_when_both_were_killed_is_killed_by_the_next_node_there(
    start_node: StartNode, witnesses: Witnesses
) -> None:
    node = start_node(1, **HOUR)
    ids = add_many(witnesses)
    wait_until(lambda: len(node.tasks()) == 8, describe="the daemons of all tasks")
    kill_both(node)
    assert node.tasks(), "nobody was left to kill them"
    start_node(1, **HOUR)
    check_that_each_was_lost_once(witnesses, ids, worker_id=1)


def test_a_node_of_another_worker_that_starts_there_kills_what_both_left_too(
    start_node: StartNode, witnesses: Witnesses
) -> None:
    node = start_node(1, **SHORT_LEASE)
    ids = add_many(witnesses)
    wait_until(lambda: len(node.tasks()) == 8, describe="the daemons of all tasks")
    kill_both(node)
    start_node(2, **HOUR)
    check_that_each_was_lost_once(witnesses, ids, worker_id=2)
