"""The one place where tests sleep."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_POLL_SECONDS = 0.01


def wait_until(
    look: Callable[[], T],
    accept: Callable[[T], object] = bool,
    *,
    describe: str | Callable[[], str] = "the condition",
    limit: float = 60.0,
) -> T:
    """Looks until what it sees is acceptable (by default: true), and returns that.

    ``limit`` is in seconds, and generous: it is how long a broken test takes, no statement about
    speed. Then AssertionError tells what was seen last; ``describe`` says what was waited for.
    """
    deadline = time.monotonic() + limit
    while not accept(seen := look()):
        if time.monotonic() > deadline:
            what = describe() if callable(describe) else describe
            raise AssertionError(f"waited {limit:g} s for {what}; saw last: {seen!r}")
        time.sleep(_POLL_SECONDS)
    return seen
