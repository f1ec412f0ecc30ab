"""A guardian that hangs, stopped by somebody, while its node is well."""

import os
import time
from pathlib import Path
from signal import SIGSTOP

import pytest

from pg_tasks.guardian.config import Config
from pg_tasks.messages import Start
from pg_tasks.node.guardians import Guardians
from pg_tasks.node.roster import Key, Roster
from tests.node.conftest import StartNode
from tests.node.running_node import SHORT_LEASE
from tests.node.tasks import Tasks
from tests.waiting import wait_until

CORES = len(os.sched_getaffinity(0))
AT_ONCE = 10.0
"""Seconds: far less than a node waits for a guardian that may still be at work."""


@pytest.mark.skipif(CORES < 2, reason="one core has one guardian")
def test_its_tasks_end_with_the_lease_of_a_node_that_knows(
    start_node: StartNode, tasks: Tasks
) -> None:
    node = start_node(1, 0, 8, **SHORT_LEASE)
    ids = tasks.add_many([["sleep", "1000"]] * 8)
    wait_until(lambda: len(node.tasks()) == 8)
    before = node.guardians()
    before[0].suspend()
    tasks.sql("UPDATE long_task.worker_lease SET active = false WHERE worker_id = 1")
    node.says("event=lease_lost")
    wait_until(node.tasks, lambda found: not found, describe="its tasks to be dead", limit=AT_ONCE)
    node.says("event=guardian_hangs")
    assert [tasks.ended(task_id).state_id for task_id in ids] == ["CF"] * 8
    # It serves again, with another guardian; the one that was well was let live.
    assert tasks.ended(tasks.add(["true"])).state_id == "CS"
    # One that was stopped before it had said a word is not replaced at once.
    after = wait_until(node.guardians, lambda found: len(found) == 2, describe="another guardian")
    assert before[0] not in after
    assert before[1] in after


@pytest.mark.skipif(CORES < 2, reason="one core has one guardian")
def test_tasks_are_started_where_somebody_answers(start_node: StartNode, tasks: Tasks) -> None:
    """What was given to the other before anybody knew is lost when nobody goes on waiting."""
    node = start_node(1, 0, 8)
    stopped = node.guardian()
    stopped.suspend()
    first = tasks.add_many([["true"]] * 8, max_attempts=2, retry_delay="0")
    node.says("event=guardian_silent")
    then = [tasks.add(["true"]) for _ in range(20)]
    assert [tasks.ended(task_id).state_id for task_id in then] == ["CS"] * 20
    assert [tasks.ended(task_id).state_id for task_id in first] == ["CS"] * 8
    lost = {run.error for task_id in first for run in tasks.runs(task_id)}
    assert lost == {None, "Guardian died"}
    assert stopped not in node.guardians()


@pytest.mark.skipif(CORES < 2, reason="one core has one guardian")
def test_one_that_goes_on_has_lost_nothing(start_node: StartNode, tasks: Tasks) -> None:
    node = start_node(1, 0, 8)
    stopped = node.guardian()
    stopped.suspend()
    first = tasks.add_many([["true"]] * 8)
    node.says("event=guardian_silent")
    stopped.resume()
    sleepers = tasks.add_many([["sleep", "1000"]] * 8)
    wait_until(lambda: len(node.tasks()) == 8, describe="all slots to be used")
    assert [tasks.ended(task_id).state_id for task_id in first] == ["CS"] * 8
    assert stopped in node.guardians()
    tasks.sql("UPDATE long_task.task SET state_id = 'AC' WHERE id = ANY(%s)", sleepers)


def test_stopped_guardians_are_not_waited_for(tmp_path: Path) -> None:
    roster = Roster([4, 4])
    for number in range(8):
        roster.order(Key(number, 1), 0.0)
    guardians = Guardians(Config(str(tmp_path / "run"), str(tmp_path)), roster)
    ready = [tmp_path / str(number) for number in range(8)]
    guardians.send(
        Start(
            number, 1, ["/bin/sh", "-c", f"touch {file}; exec sleep 1000"], None, {}, None, None, 1
        )
        for number, file in enumerate(ready)
    )
    wait_until(lambda: all(file.exists() for file in ready))
    for link in guardians.links:
        os.kill(link.pid, SIGSTOP)
        wait_until(lambda link=link: link.is_stopped)  # type: ignore[misc]
    began = time.monotonic()
    guardians.close()
    assert time.monotonic() - began < AT_ONCE
