"""The instants at which attempts are looked at again."""

from math import inf

from pg_tasks.guardian.attempt import Attempt, Escalation
from pg_tasks.guardian.capture import Capture
from pg_tasks.guardian.deadlines import Deadlines


def _attempt(task_id: int, timeout: float | None) -> Attempt:
    return Attempt(task_id, 1, 1, 0.0, Escalation(1.0, timeout, 0.0), Capture(-1, 10), "")


def test_those_that_are_due_come_up_and_others_do_not() -> None:
    deadlines = Deadlines()
    attempts = [_attempt(number, float(number)) for number in (3, 1, 2)]
    for attempt in attempts:
        deadlines.put(attempt)
    assert deadlines.next() == 1.0
    assert [attempt.task_id for attempt in deadlines.take(2.0)] == [1, 2]
    assert deadlines.next() == 3.0


def test_one_without_a_deadline_is_never_due() -> None:
    deadlines = Deadlines()
    deadlines.put(_attempt(1, None))
    assert deadlines.next() == inf
    assert deadlines.take(1e12) == []


def test_a_deadline_that_was_moved_comes_up_once_and_at_its_new_time() -> None:
    deadlines = Deadlines()
    attempt = _attempt(1, 100.0)
    deadlines.put(attempt)
    attempt.escalation.kill("cancelled", 10.0, None, 0.0)
    deadlines.put(attempt)
    deadlines.put(attempt)
    assert deadlines.take(10.0) == [attempt]
    attempt.escalation.kill("again", 0.0, None, 0.0)
    assert deadlines.take(1e12) == []


def test_what_is_over_does_not_stay_in_memory_until_its_timeout() -> None:
    deadlines = Deadlines()
    alive = _attempt(0, 50.0)
    deadlines.put(alive)
    for number in range(1, 10_000):
        deadlines.put(_attempt(number, 3600.0))
        deadlines.forget_all_but({alive.key: alive})
        assert len(deadlines._heap) < 200
    assert deadlines.next() == 50.0
