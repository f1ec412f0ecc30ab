"""The end of a match that leaves nothing out; the standard library has it from Python 3.11 on."""

from typing import NoReturn


def assert_never(value: NoReturn) -> NoReturn:
    """A type checker complains if this can be reached; if it is reached all the same, so do we."""
    raise AssertionError(f"not foreseen: {value!r}")
