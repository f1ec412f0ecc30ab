"""The one call of a working node: its lease, stop codes, lost answers, and when to call again."""

import pytest

from tests.procedures.acting import LEASE, Node, Sql, ended
from tests.servers import Clock


def _refusal(node: Node) -> tuple[str, str]:
    statement, values = node.sync_call()
    refusal = node.sql.refusal(statement, *values)
    return refusal.code, refusal.message


def test_a_call_without_a_lease_is_refused(sql: Sql) -> None:
    node = Node(sql, lock=False)
    node.epoch = 1
    assert _refusal(node) == ("LT001", "epoch 1 of worker 1 is over")


def test_a_call_under_an_old_epoch_is_refused_and_does_nothing(sql: Sql, node: Node) -> None:
    assert node.leave()
    assert node.lock().epoch == 2
    task_id = sql.insert()
    node.epoch = 1
    assert _refusal(node) == ("LT001", "epoch 1 of worker 1 is over")
    assert sql.look(task_id) == "AW"


@pytest.mark.parametrize("epoch", [0, 2, 9223372036854775807, None])
def test_a_call_under_an_epoch_that_never_was_is_refused(
    sql: Sql, node: Node, epoch: int | None
) -> None:
    node.epoch = epoch
    assert _refusal(node)[0] == "LT001"


def test_a_lease_ends_to_the_instant(sql: Sql, stopped: Clock, node: Node) -> None:
    stopped.advance(LEASE - 0.001)
    node.sync()
    stopped.advance(0.001)
    assert _refusal(node) == ("LT001", "epoch 1 of worker 1 is over")


def test_an_ended_lease_cannot_be_renewed(sql: Sql, stopped: Clock, node: Node) -> None:
    stopped.advance(LEASE)
    statement, values = node.sync_call(lease=LEASE)
    assert sql.refusal(statement, *values).code == "LT001"


def test_a_call_renews_the_lease_only_if_it_asks_to(sql: Sql, stopped: Clock, node: Node) -> None:
    lease = "SELECT extract(epoch FROM locked_until - long_task.clock()) FROM long_task.worker"
    stopped.advance(20)
    node.sync()
    assert sql.value(lease) == 10
    node.sync(lease=40)
    assert sql.value(lease) == 40


def test_a_call_without_renewal_writes_no_version_of_the_lease(sql: Sql, node: Node) -> None:
    version = sql.value("SELECT ctid FROM long_task.worker_lease")
    node.sync()
    assert sql.value("SELECT ctid FROM long_task.worker_lease") == version


def test_one_call_reports_and_claims_into_the_slot_that_became_free(sql: Sql, node: Node) -> None:
    first, second = sql.insert(), sql.insert()
    assert node.claim(free=1) == [first]
    starts = node.sync(ended(first), free=1).start
    assert [order.task_id for order in starts] == [second]


@pytest.mark.parametrize("code", [1, 2, 3])
def test_a_stop_code_is_told_and_nothing_is_started(sql: Sql, node: Node, code: int) -> None:
    sql.run("INSERT INTO long_task.worker_stop VALUES (1, %s)", code)
    task_id = sql.insert()
    answer = node.sync()
    assert (answer.stop, answer.start, answer.wake_in) == (code, [], None)
    assert sql.look(task_id) == "AW"
    sql.run("UPDATE long_task.worker SET stop = 0")
    answer = node.sync()
    assert (answer.stop, [order.task_id for order in answer.start]) == (0, [task_id])


@pytest.mark.parametrize(("code", "told"), [(1, []), (2, []), (3, ["kill", "kill"])])
def test_what_runs_is_cancelled_by_stop_code_3_alone(
    sql: Sql, node: Node, code: int, told: list[str]
) -> None:
    tasks = [sql.insert(), sql.insert()]
    node.claim()
    sql.run("INSERT INTO long_task.worker (id, stop) VALUES (1, %s)", code)
    assert [what for _, _, what in node.attend()] == told
    assert [sql.look(task_id) for task_id in tasks] == ["AC" if told else "AE"] * 2


def test_stop_code_3_leaves_alone_what_waits_and_what_others_run(sql: Sql, node: Node) -> None:
    other = Node(sql, worker_id=2)
    theirs = sql.insert(worker_id=2)
    other.claim()
    waiting = sql.insert(worker_id=1)
    sql.run("INSERT INTO long_task.worker (id, stop) VALUES (1, 3)")
    node.sync()
    assert (sql.look(theirs), sql.look(waiting)) == ("AE", "AW")


def test_claims_whose_answer_was_lost_are_delivered_again(sql: Sql, node: Node) -> None:
    lost = [sql.insert(priority=2), sql.insert(priority=1)]
    first = node.sync()
    again = node.sync(known=[])
    assert again.start == first.start
    assert [order.task_id for order in again.start] == lost[::-1]
    # The slots that are left are known to the node only now.
    assert again.wake_in == 0
    assert [sql.look(task_id, "attempt") for task_id in lost] == [1, 1]


def test_only_what_the_node_has_never_heard_of_is_delivered_again(sql: Sql, node: Node) -> None:
    known, lost = sql.insert(), sql.insert()
    node.sync()
    other = Node(sql, worker_id=2)
    sql.insert(worker_id=2)
    other.claim()
    assert [order.task_id for order in node.sync(known=[known]).start] == [lost]
    assert node.sync(known=[known, lost]).start == []


def test_a_node_that_knows_everything_claims_as_ever(sql: Sql, node: Node) -> None:
    known = sql.insert()
    node.claim(free=1)
    waiting = sql.insert()
    assert [order.task_id for order in node.sync(known=[known]).start] == [waiting]


def test_a_retry_that_was_claimed_by_the_lost_call_is_delivered_though_the_task_is_known(
    sql: Sql, node: Node
) -> None:
    task_id = sql.insert(max_attempts=2, retry_delay="0")
    node.claim()
    report = ended(task_id, exit_code=1)
    lost = node.sync(report)
    assert [(order.task_id, order.attempt) for order in lost.start] == [(task_id, 2)]
    # The node still has the report of attempt 1, and so it knows the task.
    again = node.sync(report, known=[task_id])
    assert again.start == lost.start
    assert sql.runs(task_id, "attempt") == [(1,)]


def test_a_report_that_is_repeated_with_the_comparison_is_not_delivered_as_lost(
    sql: Sql, node: Node
) -> None:
    task_id = sql.insert()
    node.claim()
    answer = node.sync(ended(task_id), known=[task_id])
    assert answer.start == []
    assert sql.look(task_id) == "CS"


def test_a_lost_claim_that_was_cancelled_since_is_told_as_such(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.sync()
    sql.change(task_id, state_id="AC")
    answer = node.sync(known=[])
    assert [order.task_id for order in answer.start] == [task_id]
    assert [tuple(item) for item in answer.attend] == [(task_id, 1, "kill")]


def test_a_busy_node_is_told_of_schedules_and_not_of_what_it_has_no_room_for(
    stopped: Clock, sql: Sql, node: Node
) -> None:
    sql.insert()
    sql.insert(start_after="2030-05-06 07:08:19+00:00")
    assert node.sync(free=1).wake_in is None
    sql.insert(next_start="2030-05-06 07:08:49+00:00", state_id="DR")
    assert node.sync(free=0).wake_in == 40
    assert node.sync(free=1).wake_in == 10


def test_an_empty_database_gives_nothing_to_do(sql: Sql, node: Node) -> None:
    answer = node.sync(free=1000, lease=30, known=[])
    assert (answer.start, answer.attend, answer.again, answer.stop, answer.wake_in) == (
        [], [], frozenset(), 0, None,
    )  # fmt: skip
