"""Tasks that wait for a time: AW becomes AD where needed, and AW again when the time has come."""

import pytest

from tests.procedures.acting import Node, Sql, ended
from tests.servers import Clock

LATER = "2030-05-06 07:08:19+00:00"
BEFORE = "2030-05-06 07:08:09+00:00"


@pytest.fixture(autouse=True)
def _clock_is_stopped(stopped: Clock) -> None:
    """Ten seconds before LATER."""


@pytest.mark.parametrize(
    ("start_after", "state"),
    [(LATER, "AD"), (BEFORE, "AW"), ("-infinity", "AW"), ("infinity", "AD"), (None, "AW")],
)
def test_a_task_is_delayed_if_its_start_is_later_and_ready_if_not(
    sql: Sql, start_after: str | None, state: str
) -> None:
    assert sql.look(sql.insert(start_after=start_after)) == state
    draft = sql.insert(start_after=start_after, state_id="DR")
    assert sql.look(draft) == "DR"
    sql.change(draft, state_id="AW")
    assert sql.look(draft) == state


def test_a_delayed_task_is_started_when_its_time_has_come_and_not_before(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    task_id = sql.insert(start_after=LATER)
    stopped.advance(9.999)
    assert node.claim() == []
    stopped.advance(0.001)
    assert node.claim() == [task_id]


def test_a_released_task_takes_its_place_at_its_release(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    delayed = sql.insert(start_after=LATER)
    waiting = sql.insert()
    stopped.advance(10)
    assert node.claim() == [waiting, delayed]


def test_several_are_released_in_the_order_of_their_times(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    second = sql.insert(start_after=LATER)
    first = sql.insert(start_after="2030-05-06 07:08:18+00:00")
    stopped.advance(10)
    assert node.claim() == [first, second]


@pytest.mark.parametrize("start_after", [None, BEFORE])
def test_taking_the_delay_away_makes_the_task_ready(
    sql: Sql, node: Node, start_after: str | None
) -> None:
    task_id = sql.insert(start_after=LATER)
    sql.change(task_id, start_after=start_after)
    assert sql.look(task_id) == "AW"
    assert node.claim() == [task_id]


def test_giving_a_waiting_task_a_delay_takes_it_out_of_the_queue(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    task_id = sql.insert()
    sql.change(task_id, start_after=LATER)
    assert sql.look(task_id, "state_id, last_state_change") == ("AD", stopped.now())
    assert node.claim() == []


def test_only_the_group_of_a_task_releases_it(sql: Sql, node: Node, stopped: Clock) -> None:
    task_id = sql.insert(start_after=LATER, group_id=5)
    stopped.advance(10)
    node.sync()
    assert sql.look(task_id) == "AD"
    assert Node(sql, worker_id=2, group_id=5).claim() == [task_id]


def test_a_pinned_task_is_released_by_its_worker_whatever_its_group(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    task_id = sql.insert(start_after=LATER, group_id=99, worker_id=1)
    assert node.sync().wake_in == 10
    stopped.advance(10)
    assert node.claim() == [task_id]


def test_a_node_without_a_free_slot_releases_all_the_same(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    task_id = sql.insert(start_after=LATER)
    stopped.advance(10)
    assert node.claim(free=0) == []
    assert sql.look(task_id) == "AW"


def test_the_node_is_told_when_to_call_again(sql: Sql, node: Node, stopped: Clock) -> None:
    assert node.sync().wake_in is None
    sql.insert(start_after=LATER)
    sql.insert(start_after="infinity")
    sql.insert(start_after="2030-05-06 07:08:10+00:00", group_id=99)
    assert node.sync().wake_in == 10
    stopped.advance(4)
    assert node.sync().wake_in == 6
    # Without a slot there is nothing to wake up for.
    assert node.sync(free=0).wake_in is None


def test_what_is_due_in_more_than_a_day_wakes_nobody(sql: Sql, node: Node) -> None:
    sql.insert(start_after="2030-05-08 00:00+00:00")
    assert node.sync().wake_in is None


def test_more_than_one_batch_of_due_tasks_is_released_by_calling_at_once(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    sql.run(
        "INSERT INTO long_task.task (state_id, command, start_after)"
        " SELECT 'AW', '{true}', %s FROM generate_series(1, 1500)",
        LATER,
    )
    stopped.advance(10)
    waiting = "SELECT count(*) FROM long_task.task WHERE state_id = 'AW'"
    assert node.sync(free=0).wake_in == 0
    assert sql.value(waiting) == 1000
    assert node.sync(free=0).wake_in is None
    assert sql.value(waiting) == 1500


def test_a_delayed_task_whose_process_is_alive_is_not_released_before_it_is_gone(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, state_id="CS")
    sql.change(task_id, state_id="AW", start_after=LATER)
    stopped.advance(10)
    assert node.claim() == []
    assert node.sync(ended(task_id)).start[0].attempt == 2
