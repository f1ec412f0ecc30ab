"""A thousand processes at once, and memory that does not grow."""

import resource
from collections import Counter

from tests.node.conftest import StartNode
from tests.node.tasks import Tasks, shell
from tests.waiting import wait_until

MIB = 1024 * 1024
MANY = 1000


def test_a_thousand_processes_run_at_once_and_cost_little(
    start_node: StartNode, tasks: Tasks
) -> None:
    # A soft limit as it is usual: three descriptors a task would not fit into it.
    node = start_node(
        1, 0, MANY, prefix=("/bin/sh", "-c", 'ulimit -Sn 512; exec "$@"', "sh"), log_level="info"
    )
    assert tasks.ended(tasks.add(shell("ulimit -Sn"))).output == "512\n"
    before = node.memory()
    assert before < 80 * MIB
    tasks.add_many([["sleep", "1000"]] * (MANY + 50))
    wait_until(node.tasks, lambda found: len(found) >= MANY, describe="a thousand sleepers")
    assert len(node.tasks()) == MANY
    assert (node.memory() - before) / MANY < 50_000
    tasks.sql("UPDATE long_task.task SET state_id = 'AC' WHERE state_id LIKE 'A%'")
    states = Counter((row.state_id, row.attempt) for row in tasks.all_ended())
    assert states["CS", 1] == 1
    # The first was a short one: one more may have been claimed ahead, and was not started.
    assert states["CC", 1] - MANY in (0, 1)
    assert states["CC", 1] + states["CC", 0] == MANY + 50
    assert node.tasks() == []


def test_a_limit_of_descriptors_is_not_changed_for_the_tasks(
    start_node: StartNode, tasks: Tasks
) -> None:
    start_node()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    output = tasks.ended(tasks.add(shell("ulimit -Sn; ulimit -Hn"))).output
    assert output == f"{soft}\n{hard}\n"


def test_memory_does_not_grow_with_the_number_of_tasks_that_were_run(
    start_node: StartNode, tasks: Tasks
) -> None:
    node = start_node(1, 0, 16, log_level="info")

    def run(count: int) -> int:
        tasks.sql(
            "INSERT INTO long_task.task (state_id, command, params)"
            " SELECT 'AW', '{echo,some output}', '{\"a\": 1}' FROM generate_series(1, %s)",
            count,
        )
        tasks.all_ended()
        return node.memory()

    warm = run(1000)
    assert run(2500) - warm < 2 * MIB
