"""How much is claimed ahead: as much as short tasks have ended a moment ago, and else nothing."""

from pg_tasks.messages import Ended
from pg_tasks.node.prefetch import Prefetch
from pg_tasks.node.roster import Key, without_process

SHORT = 0.002


def ended(at: float, took: float = SHORT, pid: int | None = 42) -> Ended:
    return without_process(Key(1, 1), "", at)._replace(pid=pid, started=at - took)


def test_nothing_is_claimed_ahead_before_anything_has_ended() -> None:
    assert Prefetch().ahead(100.0) == 0


def test_as_many_are_claimed_ahead_as_have_just_ended() -> None:
    prefetch = Prefetch()
    for at in (100.0, 100.001, 100.002):
        prefetch.ended(ended(at))
    assert prefetch.ahead(100.003) == 3


def test_ends_that_are_long_ago_do_not_count() -> None:
    prefetch = Prefetch()
    prefetch.ended(ended(100.0))
    prefetch.ended(ended(100.9))
    assert prefetch.ahead(100.901) == 1
    assert prefetch.ahead(102.0) == 0


def test_a_long_task_does_not_count() -> None:
    prefetch = Prefetch()
    prefetch.ended(ended(100.0, took=1.0))
    assert prefetch.ahead(100.0) == 0


def test_what_was_no_process_does_not_count() -> None:
    prefetch = Prefetch()
    prefetch.ended(ended(100.0, pid=None))
    assert prefetch.ahead(100.0) == 0


def test_there_is_a_limit() -> None:
    prefetch = Prefetch()
    for _ in range(5000):
        prefetch.ended(ended(100.0))
    assert prefetch.ahead(100.0) == 200


def test_as_many_end_in_a_time_as_did_just_now() -> None:
    prefetch = Prefetch()
    for _ in range(50):
        prefetch.ended(ended(100.0))
    assert prefetch.within(0.02, 100.0) == 20
    assert prefetch.within(0.02, 200.0) == 0
