"""Tasks that are claimed ahead: short ones come faster, and no other promise is worth less."""

import signal
from collections import Counter

from tests.node.conftest import StartNode
from tests.node.tasks import Tasks, shell
from tests.waiting import wait_until

SHORT = 400


def test_long_tasks_behind_short_ones_are_not_kept_from_other_nodes(
    start_node: StartNode, tasks: Tasks
) -> None:
    """Whatever the first node has claimed ahead, another with room for all of it starts it."""
    start_node(1, 0, 4)
    tasks.add_many([["true"]] * SHORT + [["sleep", "1000"]] * 60)
    start_node(2, 0, 80)
    sleepers = "SELECT count(*) AS n FROM long_task.task WHERE state_id = 'AE'"
    wait_until(lambda: tasks.sql(sleepers)[0].n == 60, describe="all sleepers to run")
    by_worker = (
        "SELECT worker_id, count(*) AS n FROM long_task.task WHERE state_id = 'AE' GROUP BY 1"
    )
    wait_until(
        lambda: {row.worker_id: row.n for row in tasks.sql(by_worker)},
        lambda found: found.get(1, 0) <= 4,
        describe="no more than four at the first",
    )
    tasks.sql("UPDATE long_task.task SET state_id = 'AC' WHERE state_id LIKE 'A%'")
    assert Counter(row.state_id for row in tasks.all_ended()) == {"CS": SHORT, "CC": 60}


def test_a_node_that_is_stopped_leaves_what_it_has_not_started(
    start_node: StartNode, tasks: Tasks
) -> None:
    node = start_node(1, 0, 4)
    tasks.add_many([["true"]] * SHORT)
    wait_until(lambda: tasks.sql("SELECT count(*) AS n FROM long_task.task_run")[0].n > SHORT / 4)
    tasks.add_many([["true"]] * SHORT)
    node.signal(signal.SIGTERM)
    assert node.ended() == 0
    rows = tasks.sql(
        "SELECT state_id, running_on, attempt AS tries,"
        " (SELECT count(*) FROM long_task.task_run AS r WHERE r.task_id = t.id) AS runs"
        " FROM long_task.task AS t"
    )
    assert len(rows) == 2 * SHORT
    for row in rows:
        assert row.running_on is None
        assert (row.state_id, row.tries, row.runs) in {("AW", 0, 0), ("CS", 1, 1)}
    start_node(1, 0, 4)
    assert Counter(row.state_id for row in tasks.all_ended()) == {"CS": 2 * SHORT}
    once = "SELECT count(*) AS n FROM long_task.task_run GROUP BY task_id"
    assert Counter(row.n for row in tasks.sql(once)) == {1: 2 * SHORT}


def test_a_paused_worker_gives_back_what_it_has_not_started(
    start_node: StartNode, tasks: Tasks
) -> None:
    node = start_node(1, 0, 2)
    tasks.add_many([["true"]] * SHORT + [["sleep", "1000"]] * 30)
    tasks.sql("UPDATE long_task.worker SET stop = 1 WHERE id = 1")
    wait_until(
        lambda: tasks.sql("SELECT count(*) AS n FROM long_task.task WHERE running_on = 1")[0].n,
        lambda found: found <= 2,
        describe="nothing but what has a slot",
    )
    assert len(node.tasks()) <= 2


def test_a_better_priority_waits_for_one_batch_at_most(start_node: StartNode, tasks: Tasks) -> None:
    start_node(1, 0, 4)
    tasks.add_many([["true"]] * 2000, priority=5)
    wait_until(lambda: tasks.sql("SELECT count(*) AS n FROM long_task.task_run")[0].n > 100)
    urgent = tasks.add(shell("exit 0"), priority=0)
    tasks.all_ended()
    behind = tasks.sql(
        "SELECT count(*) AS n FROM long_task.task AS t, long_task.task AS u"
        " WHERE u.id = %s AND t.started > u.started AND t.started > u.created",
        urgent,
    )[0].n
    left = tasks.sql(
        "SELECT count(*) AS n FROM long_task.task AS t, long_task.task AS u"
        " WHERE u.id = %s AND t.started > u.created",
        urgent,
    )[0].n
    assert left - behind <= 250  # what was claimed before the next call, and the urgent one
