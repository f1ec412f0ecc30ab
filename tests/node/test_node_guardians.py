"""A node with several guardians: each has a part of the slots, and dies alone."""

import os
from collections import Counter
from pathlib import Path

import pytest

from pg_tasks.node.guardians import share
from tests.node.conftest import StartNode
from tests.node.tasks import Tasks, shell
from tests.waiting import wait_until

CORES = len(os.sched_getaffinity(0))


@pytest.mark.parametrize("slots", [0, 1, 3, 4, 7, 8, 9, 16, 50, 1001])
def test_slots_are_shared_out_evenly_and_none_is_lost(slots: int) -> None:
    shares = share(slots)
    assert sum(shares) == slots
    assert max(shares) - min(shares) <= 1
    assert len(shares) == max(1, min(slots // 4, CORES, 4))


@pytest.mark.skipif(CORES < 2, reason="one core has one guardian")
def test_a_guardian_that_dies_takes_only_its_own_tasks_with_it(
    start_node: StartNode, tasks: Tasks
) -> None:
    node = start_node(1, 0, 8)
    wait = "touch up-$PG_TASKS_TASK_ID; while [ ! -e go ]; do sleep 0.02; done"
    script = f"{wait}; echo '{{\"kept\": true}}' > $PG_TASKS_RESULT"
    ids = tasks.add_many([shell(script)] * 8)
    wait_until(lambda: len(list(node.root.glob("up-*"))) == 8, describe="all to run")
    first, second = node.guardians()
    first.kill()
    node.says("event=guardian_died")
    (node.root / "go").touch()
    rows = [tasks.ended(task_id) for task_id in ids]
    ends = Counter((row.state_id, row.error) for row in rows)
    assert ends == {("CS", None): 4, ("CF", "Guardian died"): 4}
    assert all(row.result == {"kept": True} for row in rows if row.state_id == "CS")
    assert second in node.guardians()
    assert first not in node.guardians()
    assert tasks.ended(tasks.add(["true"])).state_id == "CS"


def test_slots_of_several_guardians_are_never_exceeded(
    start_node: StartNode, tasks: Tasks, tmp_path: Path
) -> None:
    start_node(1, 0, 9)
    log = tmp_path / "log"
    log.touch(mode=0o666)
    tasks.add_many([shell(f"echo + >> {log}; sleep 0.01; echo - >> {log}")] * 300)
    ended = tasks.all_ended()
    assert Counter(row.state_id for row in ended) == {"CS": 300}
    running = most = 0
    for sign in log.read_text().split():
        running += 1 if sign == "+" else -1
        most = max(most, running)
    assert 2 <= most <= 9
    assert log.read_text().count("+") == 300
