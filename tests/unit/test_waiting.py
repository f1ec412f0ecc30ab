"""The wait helper of the tests itself."""

import pytest

from tests.waiting import wait_until


def test_what_is_acceptable_is_returned() -> None:
    seen = iter([0, 0, 3])
    assert wait_until(lambda: next(seen)) == 3
    counting = iter(range(10))
    assert wait_until(lambda: next(counting), lambda n: n > 4) == 5


def test_a_vain_wait_tells_what_was_waited_for_and_what_was_seen_last() -> None:
    with pytest.raises(AssertionError, match=r"waited 0 s for the end; saw last: \[\]"):
        wait_until(list, describe="the end", limit=0)
