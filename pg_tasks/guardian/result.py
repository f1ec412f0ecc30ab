"""The result file: read when the attempt is over, checked to be what PostgreSQL's jsonb takes."""

import json
import os
import stat
from typing import NamedTuple, NoReturn

_DEPTH_LIMIT = 500
"""Far below where max_stack_depth stops PostgreSQL's own JSON parser."""
_NUMBER_LIMIT = 10_000
"""Digits and decimal exponent: numeric takes 16383 digits after the point, 131072 before it."""


class Result(NamedTuple):
    """At most one of the two is there."""

    text: str | None
    error: str | None


def take(path: str, limit: int) -> Result:
    """Read and remove the file; nothing there is no error. ``limit`` in bytes."""
    try:
        # A task can put anything there: a symbolic link, or a pipe that blocks whoever opens it.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return Result(None, None)
    except OSError as error:
        _remove(path)
        return Result(None, f"the result file cannot be read: {error.strerror}")
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return Result(None, "the result file is not a regular file")
        data = _read(fd, limit + 1)
    except OSError as error:
        return Result(None, f"the result file cannot be read: {error.strerror}")
    finally:
        os.close(fd)
        _remove(path)
    if len(data) > limit:
        return Result(None, f"the result file is longer than {limit} bytes")
    return check(data) if data else Result(None, None)


def check(data: bytes) -> Result:
    """Whether jsonb takes ``data``: JSON of RFC 8259, in UTF-8, no \\u0000, no half surrogates."""
    try:
        text = data.decode()
        value = json.loads(
            text, parse_int=_number, parse_float=_number, parse_constant=_no_json_number
        )
        _walk(value)
    except RecursionError:
        return Result(None, "the result file is nested too deeply")
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        return Result(None, f"the result file is not JSON: {error}")
    except ValueError as error:
        return Result(None, f"the result file is not JSON that PostgreSQL takes: {error}")
    return Result(text, None)


def _walk(value: object) -> None:
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > _DEPTH_LIMIT:
            raise RecursionError
        if isinstance(item, str):
            _check_text(item)
        elif isinstance(item, dict):
            for key in item:
                _check_text(key)
            waiting.extend((below, depth + 1) for below in item.values())
        elif isinstance(item, list):
            waiting.extend((below, depth + 1) for below in item)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("it contains \\u0000")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("it contains half of a surrogate pair")


def _number(literal: str) -> int:
    """Stays unconverted: Python limits the digits of int, and turns 1e999 into infinity."""
    digits, _, exponent = literal.lower().partition("e")
    if len(digits) > _NUMBER_LIMIT or len(exponent) > 6 or abs(int(exponent or 0)) > _NUMBER_LIMIT:
        raise ValueError("a number in it is out of range")
    return 0


def _no_json_number(literal: str) -> NoReturn:
    raise ValueError(f"{literal} is no JSON")


def _read(fd: int, limit: int) -> bytes:
    data = b""
    while len(data) < limit and (chunk := os.read(fd, limit - len(data))):
        data += chunk
    return data


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except IsADirectoryError:
        return
    except OSError:
        return
