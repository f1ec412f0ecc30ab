"""Whether a guardian answers, and what is no silence."""

from math import inf

from pg_tasks.messages import Ping, Pong, Started
from pg_tasks.node.vigil import Vigil

SOMETHING = Started(1, 1, 42)


def test_who_was_told_nothing_owes_nothing() -> None:
    vigil = Vigil()
    assert vigil.look_at == inf
    assert vigil.look(1e9) is None


def test_who_was_told_something_is_asked_a_second_later_and_then_left_in_peace() -> None:
    vigil = Vigil()
    vigil.told(100.0)
    vigil.told(100.5)
    assert vigil.look_at == 101.0
    assert vigil.look(100.9) is None
    assert vigil.look(101.0) == Ping(1)
    vigil.heard([Pong(1)])
    assert vigil.look_at == inf


def test_what_it_was_told_after_it_was_asked_is_asked_for_too() -> None:
    vigil = Vigil()
    vigil.told(100.0)
    vigil.look(101.0)
    vigil.told(101.5)
    vigil.heard([Pong(1)])
    assert vigil.look(102.0) == Ping(2)


def test_silence_is_counted_in_looks_and_not_in_time() -> None:
    """The node was frozen, or the machine suspended, for a day."""
    vigil = Vigil()
    vigil.told(100.0)
    vigil.look(101.0)
    vigil.look(90_000.0)
    assert vigil.in_vain == 1
    vigil.look(90_000.5)
    assert vigil.in_vain == 1
    vigil.heard([Pong(1)])
    assert vigil.in_vain == 0


def test_who_does_not_answer_is_silent_and_a_while_later_lost() -> None:
    vigil = Vigil()
    vigil.told(100.0)
    for at in range(101, 103):
        vigil.look(float(at))
        assert not vigil.is_silent
    for at in range(103, 111):
        vigil.look(float(at))
        assert vigil.is_silent
        assert not vigil.is_lost
    vigil.look(111.0)
    assert vigil.is_lost
    vigil.heard([Pong(1)])
    assert not vigil.is_silent
    assert not vigil.is_lost


def test_any_word_ends_the_silence_and_only_the_answer_ends_the_question() -> None:
    vigil = Vigil()
    vigil.told(100.0)
    vigil.look(101.0)
    vigil.look(102.0)
    vigil.heard([SOMETHING])
    assert vigil.in_vain == 0
    vigil.look(103.0)
    assert vigil.in_vain == 1


def test_who_has_to_kill_everything_at_once_is_deaf_after_a_second() -> None:
    vigil = Vigil()
    assert vigil.hurry(100.0) == Ping(1)
    for at in (100.25, 100.5, 100.75):
        vigil.look(at)
        assert not vigil.is_deaf
    vigil.look(101.0)
    assert vigil.is_deaf
    vigil.end()
    assert vigil.look_at == inf
    vigil.told(102.0)
    assert vigil.look_at == inf


def test_who_says_that_it_has_heard_is_not_deaf_however_long_the_killing_takes() -> None:
    vigil = Vigil()
    vigil.hurry(100.0)
    vigil.look(100.25)
    vigil.heard([Pong(1)])
    vigil.look(200.0)
    assert not vigil.is_deaf
    assert vigil.look_at == inf


def test_an_answer_to_an_earlier_question_is_none_to_a_later_one() -> None:
    vigil = Vigil()
    vigil.told(100.0)
    vigil.look(101.0)
    vigil.hurry(101.5)
    vigil.heard([Pong(1)])
    for at in (101.75, 102.0, 102.25, 102.5):
        vigil.look(at)
    assert vigil.is_deaf


def test_who_is_only_slow_to_start_something_is_not_deaf() -> None:
    vigil = Vigil()
    vigil.told(100.0)
    for at in range(101, 200):
        vigil.look(float(at))
    assert not vigil.is_deaf


def test_who_is_doubted_is_silent_until_it_has_answered() -> None:
    vigil = Vigil()
    assert not vigil.has_spoken
    assert vigil.doubt(100.0) == Ping(1)
    assert vigil.is_silent
    vigil.heard([Pong(1)])
    assert vigil.has_spoken
    assert not vigil.is_silent
    assert vigil.look_at == inf
