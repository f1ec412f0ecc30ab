"""How long a node waits before it tries again."""

import pytest

from pg_tasks.node.backoff import Backoff


def test_waits_double_up_to_the_limit() -> None:
    backoff = Backoff(0.1, 1.0, lambda: 0.0)
    assert [backoff.wait() for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


@pytest.mark.parametrize(("chance", "wait"), [(0.0, 8.0), (0.5, 6.0), (1.0, 4.0)])
def test_each_wait_is_shortened_at_random_by_up_to_half(chance: float, wait: float) -> None:
    assert Backoff(8.0, 8.0, lambda: chance).wait() == wait


def test_after_a_success_the_shortest_wait_comes_first_again() -> None:
    backoff = Backoff(0.1, 1.0, lambda: 0.0)
    backoff.wait()
    backoff.wait()
    backoff.reset()
    assert backoff.wait() == 0.1
