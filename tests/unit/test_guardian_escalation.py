"""When TERM and KILL are due, and whose reason counts: histories with the times passed in."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from pg_tasks.guardian.attempt import Escalation, Step


def test_without_a_plan_nothing_is_ever_due() -> None:
    escalation = Escalation(10.0, None, now=100.0)
    assert escalation.due(1e12) is None
    assert escalation.next() == inf
    assert escalation.reason is None


def test_a_kill_is_term_now_and_kill_after_the_grace() -> None:
    escalation = Escalation(10.0, None, now=100.0)
    escalation.kill("cancelled", 0.0, None, now=200.0)
    assert escalation.due(200.0) is Step.TERM
    escalation.taken(Step.TERM, 200.0)
    assert (escalation.reason, escalation.next()) == ("cancelled", 210.0)
    assert escalation.due(209.9) is None
    assert escalation.due(210.0) is Step.KILL


def test_a_kill_without_grace_skips_term() -> None:
    escalation = Escalation(10.0, None, now=100.0)
    escalation.kill("fenced", 0.0, 0.0, now=200.0)
    assert escalation.due(200.0) is Step.KILL
    escalation.taken(Step.KILL, 200.0)
    assert escalation.reason == "fenced"


def test_kill_is_repeated_ever_more_slowly_until_nothing_is_left() -> None:
    escalation = Escalation(0.0, None, now=0.0)
    escalation.kill("cancelled", 0.0, None, now=0.0)
    now, pauses = 0.0, []
    for _ in range(20):
        assert escalation.due(now) is Step.KILL
        escalation.taken(Step.KILL, now)
        pauses.append(round(escalation.next() - now, 6))
        now = escalation.next()
    assert pauses == sorted(pauses)
    assert 0 < pauses[0] < pauses[-1] <= 0.5


def test_a_timeout_is_a_kill_with_a_delay() -> None:
    escalation = Escalation(10.0, 60.0, now=100.0)
    assert escalation.next() == 160.0
    assert escalation.due(159.9) is None
    assert escalation.due(160.0) is Step.TERM
    escalation.taken(Step.TERM, 160.0)
    assert (escalation.reason, escalation.next()) == ("timeout", 170.0)


def test_before_term_nothing_is_the_reason() -> None:
    escalation = Escalation(10.0, 60.0, now=100.0)
    escalation.kill("cancelled", 30.0, None, now=100.0)
    assert escalation.reason is None


def test_the_plan_that_is_first_to_signal_is_the_reason() -> None:
    escalation = Escalation(10.0, 60.0, now=100.0)
    escalation.kill("cancelled", 0.0, None, now=159.0)
    escalation.taken(Step.TERM, 159.0)
    assert escalation.reason == "cancelled"
    escalation.kill("node stopped", 0.0, 0.0, now=161.0)
    assert escalation.due(161.0) is Step.KILL
    escalation.taken(Step.KILL, 161.0)
    assert escalation.reason == "cancelled"


def test_a_later_kill_can_only_hasten_the_end() -> None:
    escalation = Escalation(10.0, None, now=0.0)
    escalation.kill("first", 5.0, 2.0, now=0.0)
    escalation.kill("second", 60.0, 60.0, now=1.0)
    assert (escalation.term_at, escalation.kill_at) == (5.0, 7.0)


def test_an_end_of_its_own_before_term_has_no_reason() -> None:
    escalation = Escalation(10.0, 60.0, now=100.0)
    escalation.kill("cancelled", 30.0, None, now=100.0)
    escalation.main_has_ended(now=110.0)
    assert escalation.due(110.0) is Step.TERM
    escalation.taken(Step.TERM, 110.0)
    assert (escalation.reason, escalation.next()) == (None, 120.0)


def test_a_kill_after_an_end_of_its_own_hastens_the_rest_and_is_no_reason() -> None:
    escalation = Escalation(10.0, None, now=100.0)
    escalation.main_has_ended(now=110.0)
    escalation.taken(Step.TERM, 110.0)
    escalation.kill("cancelled", 0.0, 1.0, now=112.0)
    assert escalation.next() == 113.0
    escalation.taken(Step.KILL, 113.0)
    assert escalation.reason is None


def test_what_is_left_of_a_killed_tree_has_the_rest_of_the_grace() -> None:
    escalation = Escalation(10.0, None, now=100.0)
    escalation.kill("cancelled", 0.0, None, now=100.0)
    escalation.taken(Step.TERM, 100.0)
    escalation.main_has_ended(now=104.0)
    assert (escalation.reason, escalation.next()) == ("cancelled", 110.0)


@given(
    st.floats(0, 100),
    st.none() | st.floats(0, 100),
    st.lists(st.tuples(st.floats(0, 100), st.none() | st.floats(0, 100), st.floats(0, 50))),
)
def test_whatever_is_asked_when_nothing_is_put_off(
    grace: float, timeout: float | None, kills: list[tuple[float, float | None, float]]
) -> None:
    escalation = Escalation(grace, timeout, now=0.0)
    now = 0.0
    for delay, own_grace, pause in kills:
        now += pause
        before = escalation.term_at, escalation.kill_at
        escalation.kill("reason", delay, own_grace, now)
        assert escalation.term_at <= before[0]
        assert escalation.kill_at <= before[1]
        assert escalation.term_at <= escalation.kill_at
        assert escalation.term_at <= now + delay
