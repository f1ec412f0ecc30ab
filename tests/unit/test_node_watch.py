"""Since when a node has seen that a lease is not renewed."""

import pytest

from pg_tasks.node.watch import Watch, Watched

HELD = Watched("2/5/1000", 30.0, 35.0)


@pytest.fixture
def watch() -> Watch:
    """One that saw a lease at 100."""
    made = Watch()
    made.see([HELD], 100.0)
    return made


def test_a_lease_is_over_when_its_time_has_passed_here(watch: Watch) -> None:
    assert watch.next_at() == 130.0
    assert watch.over(129.9) == []
    assert watch.over(130.0) == ["2/5/1000"]


def test_a_renewed_lease_is_another_one(watch: Watch) -> None:
    watch.see([Watched("2/5/1010", 34.0, 35.0)], 110.0)
    assert watch.over(143.9) == []
    assert watch.over(144.0) == ["2/5/1010"]


@pytest.mark.parametrize("over_in", [-1000.0, 0.0, 1000.0])
def test_a_step_of_the_databases_clock_changes_nothing(watch: Watch, over_in: float) -> None:
    watch.see([HELD._replace(over_in=over_in)], 110.0)
    assert watch.next_at() == 130.0


@pytest.mark.parametrize("over_in", [-1000.0, 0.0])
def test_one_that_is_over_when_it_is_first_seen_gets_a_whole_lease(over_in: float) -> None:
    watch = Watch()
    watch.see([HELD._replace(over_in=over_in)], 100.0)
    assert watch.next_at() == 135.0


def test_time_out_of_sight_does_not_count(watch: Watch) -> None:
    watch.forget()
    assert watch.next_at() is None
    watch.see([HELD._replace(over_in=-970.0)], 1100.0)
    assert watch.over(1134.9) == []


def test_what_is_not_there_any_more_is_not_watched(watch: Watch) -> None:
    watch.see([], 101.0)
    assert watch.next_at() is None
    assert watch.over(500.0) == []
