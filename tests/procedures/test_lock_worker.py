"""Who holds a worker: taking it, waiting for it, giving it back, and what becomes of its tasks."""

from typing import Any

import pytest

from pg_tasks.node.calls import Locked
from tests.procedures.acting import LEASE, RECOVERY_DELAY, Node, Sql, ended
from tests.servers import Clock

FREE_AFTER = LEASE + RECOVERY_DELAY


def _worker(sql: Sql, columns: str) -> tuple[Any, ...]:
    return sql.row(f"SELECT {columns} FROM long_task.worker WHERE id = 1")


def test_the_first_node_gets_a_worker_that_nobody_has_heard_of(sql: Sql, stopped: Clock) -> None:
    node = Node(sql, group_id=7, slots=3, lock=False)
    assert node.lock() == Locked(1, None, None, None, None)
    assert _worker(
        sql, "group_id, active, task_count, stop, node_name, slots, host, pid, version, epoch"
    ) == (7, True, 0, 0, "node-1", 3, "host", 4711, "1", 1)
    assert _worker(sql, "since, extract(epoch FROM locked_until - since)") == (stopped.now(), LEASE)


def test_a_held_worker_is_refused_with_who_holds_it_and_for_how_long(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    standby = Node(sql, lock=False)
    stopped.advance(10)
    refused = standby.lock()
    assert refused[:4] == (
        None, "node node-1 (pid 4711 on host)", FREE_AFTER - 10, node.process,
    )  # fmt: skip
    assert refused.held_lease is not None
    assert refused.held_lease[1:] == (FREE_AFTER - 10, FREE_AFTER)
    assert _worker(sql, "epoch, group_id") == (1, 0)


def test_an_ended_lease_is_given_away_after_the_recovery_delay_and_not_before(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    standby = Node(sql, lock=False)
    stopped.advance(FREE_AFTER - 0.5)
    assert standby.lock().retry_in == 0.5
    stopped.advance(0.5)
    assert standby.lock().epoch == 2


def test_a_worker_that_was_left_is_given_away_at_once(sql: Sql, node: Node) -> None:
    assert node.leave()
    assert Node(sql, lock=False).lock().epoch == 2


def test_a_new_holder_may_serve_another_group_with_other_slots(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    stopped.advance(FREE_AFTER)
    Node(sql, group_id=5, slots=9)
    assert _worker(sql, "group_id, slots, epoch") == (5, 9, 2)


@pytest.mark.parametrize(
    ("slots", "lease", "delay"), [(-1, 30, 5), (1, 0, 5), (1, -1, 5), (1, 30, -1)]
)
def test_impossible_terms_are_refused(sql: Sql, slots: int, lease: float, delay: float) -> None:
    refusal = sql.refusal(
        "SELECT * FROM long_task.lock_worker(1, 0, %s, 'n', 'h', 1, 'p', 1, '1', %s, %s)",
        slots, lease, delay,
    )  # fmt: skip
    assert refusal.code == "LT004"
    assert refusal.message.startswith(f"worker 1 cannot be served with {slots} slots, a lease of ")
    assert sql.rows("SELECT id FROM long_task.worker") == []


def test_lost_attempts_count_as_failed(sql: Sql, stopped: Clock, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    started = stopped.now()
    stopped.advance(FREE_AFTER)
    node.lock()
    assert sql.look(task_id, "state_id, error, running_on, finished, exit_code") == (
        "CF", "Worker failed", None, stopped.now(), None,
    )  # fmt: skip
    assert sql.runs(task_id, "state_id, error, pid, started, finished, node_name") == [
        ("CF", "Worker failed", None, started, stopped.now(), "node-1")
    ]


def test_lost_attempts_are_retried_like_failed_ones(sql: Sql, stopped: Clock, node: Node) -> None:
    task_id = sql.insert(max_attempts=2, retry_delay="0")
    node.claim()
    stopped.advance(FREE_AFTER)
    node.lock()
    assert sql.look(task_id, "state_id, worker_id") == ("AW", None)
    assert [order.attempt for order in node.sync().start] == [2]


@pytest.mark.parametrize(
    ("before", "after"), [("AS", "CF"), ("AC", "CC"), ("CS", "CS"), ("CF", "CF")]
)
def test_lost_attempts_end_as_their_state_says(
    sql: Sql, stopped: Clock, node: Node, before: str, after: str
) -> None:
    task_id = sql.insert(max_attempts=9)
    node.claim()
    sql.change(task_id, state_id=before)
    stopped.advance(FREE_AFTER)
    node.lock()
    assert sql.look(task_id, "state_id, running_on") == (after, None)
    assert sql.runs(task_id, "state_id") == [(after,)]


def test_a_task_that_was_queued_again_is_ready_when_its_worker_is_recovered(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, state_id="CS")
    sql.change(task_id, state_id="AW", worker_id=None)
    stopped.advance(FREE_AFTER)
    node.lock()
    assert node.claim() == [task_id]


def test_what_the_old_holder_can_still_report_counts_before_the_rest_is_lost(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    reported, lost = sql.insert(), sql.insert()
    node.claim()
    stopped.advance(FREE_AFTER)
    assert node.lock(ended(reported, exit_code=3)).epoch == 2
    assert sql.look(reported, "state_id, error, exit_code") == ("CF", "exit code 3", 3)
    assert sql.look(lost, "state_id, error") == ("CF", "Worker failed")


def test_reports_of_a_node_that_does_not_get_the_worker_change_nothing(
    sql: Sql, node: Node
) -> None:
    task_id = sql.insert()
    node.claim()
    assert Node(sql, lock=False).lock(ended(task_id)).epoch is None
    assert sql.look(task_id) == "AE"


def test_tasks_of_other_workers_are_not_recovered(sql: Sql, stopped: Clock, node: Node) -> None:
    other = Node(sql, worker_id=2)
    task_id = sql.insert(worker_id=2)
    other.claim()
    stopped.advance(FREE_AFTER)
    node.lock()
    assert sql.look(task_id) == "AE"


def test_a_served_worker_is_not_recovered(sql: Sql, stopped: Clock, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    refusal = sql.refusal("SELECT long_task.recover_worker_tasks(1)")
    assert (refusal.code, refusal.message[:23]) == ("LT001", "worker 1 is served unti")
    assert sql.look(task_id) == "AE"


def test_recovery_tells_how_many_attempts_were_lost(sql: Sql, stopped: Clock, node: Node) -> None:
    for _ in range(3):
        sql.insert()
    gone = sql.insert(priority=-1)
    node.claim()
    sql.run("DELETE FROM long_task.task WHERE id = %s", gone)
    stopped.advance(FREE_AFTER)
    assert sql.value("SELECT long_task.recover_worker_tasks(1)") == 4
    assert sql.value("SELECT long_task.recover_worker_tasks(1)") == 0
    assert sql.value("SELECT long_task.recover_worker_tasks(99)") == 0


def test_a_node_that_leaves_gives_the_worker_back(sql: Sql, stopped: Clock, node: Node) -> None:
    assert node.leave()
    assert _worker(sql, "active, locked_until, task_count") == (False, stopped.now(), 0)
    assert sql.refusal(*_flat(node)).code == "LT001"


def _flat(node: Node) -> tuple[str, object]:
    statement, values = node.sync_call()
    return (statement, *values)  # type: ignore[return-value]


def test_a_node_that_has_lost_its_lease_has_nothing_to_give_back(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    stopped.advance(FREE_AFTER)
    other = Node(sql)
    assert not node.leave()
    assert _worker(sql, "active, epoch") == (True, 2)
    assert other.leave()
    assert not other.leave()


def test_what_a_leaving_node_did_not_report_is_lost(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    node.leave()
    assert sql.look(task_id, "state_id, error") == ("CF", "Worker failed")


@pytest.mark.parametrize(("code", "left"), [(0, 0), (1, 1), (2, 0), (3, 0)])
def test_leaving_fulfils_the_stop_codes_that_ask_for_it(
    sql: Sql, node: Node, code: int, left: int
) -> None:
    sql.run("INSERT INTO long_task.worker (id, stop) VALUES (1, %s)", code)
    node.leave()
    assert _worker(sql, "stop") == (left,)
