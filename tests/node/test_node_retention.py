"""Nodes tidy up by themselves."""

from tests.node.conftest import StartNode
from tests.node.running_node import SHORT_LEASE
from tests.node.tasks import Tasks
from tests.waiting import wait_until

COUNT = 450


def _left(tasks: Tasks) -> int:
    return int(tasks.sql("SELECT count(*) FROM long_task.task")[0].count)


def test_what_has_ended_goes_when_a_policy_says_so_and_its_history_stays(
    start_node: StartNode, tasks: Tasks
) -> None:
    start_node(**SHORT_LEASE)
    failed = tasks.add(["false"])
    scheduled = tasks.add(["true"], next_start="2100-01-01")
    tasks.add_many([["true"]] * 20)
    wait_until(
        lambda: tasks.sql("SELECT count(*) FROM long_task.task_run")[0].count == 22,
        describe="all ran",
    )
    assert _left(tasks) == 22
    tasks.sql("INSERT INTO long_task.retention (keep_succeeded) VALUES ('0')")
    wait_until(lambda: _left(tasks) == 2, describe="what completed is gone")
    assert [row.id for row in tasks.sql("SELECT id FROM long_task.task ORDER BY id")] == [
        failed, scheduled,
    ]  # fmt: skip
    assert tasks.sql("SELECT count(*) FROM long_task.task_run")[0].count == 22


def test_a_node_that_is_busy_tidies_up_as_well_and_goes_on_running_tasks(
    start_node: StartNode, tasks: Tasks
) -> None:
    tasks.sql("INSERT INTO long_task.retention (keep_succeeded) VALUES ('0')")
    start_node(slots=2, **SHORT_LEASE)
    start_node(worker_id=2, slots=2, **SHORT_LEASE)
    tasks.add_many([["true"]] * COUNT)
    wait_until(lambda: _left(tasks) == 0, describe="all ran and are gone")
    ran = tasks.sql("SELECT count(*), count(DISTINCT task_id) AS tasks FROM long_task.task_run")[0]
    assert (ran.count, ran.tasks) == (COUNT, COUNT)


def test_a_step_that_is_refused_costs_the_node_nothing_but_a_connection(
    start_node: StartNode, tasks: Tasks
) -> None:
    tasks.sql("REVOKE EXECUTE ON FUNCTION long_task.maintain_step(bigint) FROM long_task_node")
    tasks.sql("INSERT INTO long_task.retention (keep_succeeded) VALUES ('0')")
    node = start_node(**SHORT_LEASE)
    wait_until(lambda: "event=call_refused" in node.log(), describe="it was refused")
    ids = tasks.add_many([["true"]] * 5)
    wait_until(
        lambda: (
            tasks.sql("SELECT count(*) FROM long_task.task WHERE state_id = 'CS'")[0].count
            == len(ids)
        ),
        describe="all ran",
    )
    assert node.log().count("event=call_refused") == 1
    assert "event=lease_lost" not in node.log()
