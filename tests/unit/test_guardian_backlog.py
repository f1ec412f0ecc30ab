"""What waits for a slot: in which order, and since when."""

from math import inf

from pg_tasks.guardian.backlog import Backlog
from pg_tasks.messages import Start


def start(task_id: int, priority: int = 0) -> Start:
    return Start(task_id, 1, ["true"], None, {}, None, None, 10.0, priority)


def filled(*task_ids: int) -> Backlog:
    backlog = Backlog()
    for index, task_id in enumerate(task_ids):
        backlog.put(start(task_id), 10.0 + index)
    return backlog


def test_the_best_leaves_first_and_equals_in_the_order_in_which_they_came() -> None:
    backlog = filled(4, 3)
    for task_id, priority in ((1, 5), (2, -1), (5, 5), (6, -1)):
        backlog.put(start(task_id, priority), 20.0)
    backlog.remove((6, 1))
    assert [backlog.take().start.task_id for _ in range(5)] == [2, 4, 3, 1, 5]
    assert not backlog


def test_they_leave_in_the_order_in_which_they_came() -> None:
    backlog = filled(3, 1, 2)
    assert [backlog.take().start.task_id for _ in range(3)] == [3, 1, 2]
    assert not backlog


def test_one_that_comes_again_keeps_its_place() -> None:
    backlog = filled(1, 2)
    backlog.put(start(1), 99.0)
    assert len(backlog) == 2
    assert backlog.take() == (start(1), 10.0)


def test_the_oldest_is_known() -> None:
    backlog = filled(1, 2)
    assert backlog.oldest() == 10.0
    backlog.take()
    assert backlog.oldest() == 11.0
    backlog.take()
    assert backlog.oldest() == inf


def test_one_or_all_can_be_taken_out() -> None:
    backlog = filled(1, 2, 3)
    backlog.remove((2, 1))
    assert (2, 1) not in backlog
    assert list(backlog.clear()) == [(1, 1), (3, 1)]
    assert not backlog
