"""The kinds of values that settings have: how each is read, and what is said of a wrong one."""

import math
import re
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar

from pg_tasks.dsn import read_dsn

INT4_MAX = 2**31 - 1
INT8_MAX = 2**63 - 1
KIB = 1024
MIB = 1024 * KIB

LEVELS = ("debug", "info", "warning", "error")

_INTEGER = re.compile(r"[+-]?[0-9]+")
_SIZE = re.compile(r"([0-9]+)\s*(KiB|MiB|GiB)?")
_UNITS = {"KiB": KIB, "MiB": MIB, "GiB": 1024 * MIB}
_SHOWN = 60
"""Characters of a wrong value that a message repeats."""

Value: TypeAlias = int | float | str | Path
Number = TypeVar("Number", int, float)


class Kind(Enum):
    """What a value is; the text ends the sentence "… is not"."""

    INTEGER = "a whole number"
    SECONDS = "a number of seconds"
    SIZE = "a number of bytes (a unit KiB, MiB or GiB may follow)"
    TEXT = "a line of text"
    PATH = "a path"
    DSN = "a connection string"
    LEVEL = "one of " + ", ".join(LEVELS)


class Range(NamedTuple):
    """The smallest and the largest value allowed; None: no limit."""

    low: float | None = None
    high: float | None = None


def parse(kind: Kind, allowed: Range, value: object) -> Value:
    """``value``, from YAML, Python or a string, as what ``kind`` says.

    Raises ValueError, whose text goes on after the name of the source: the value, what is allowed.
    """
    match kind:
        case Kind.INTEGER:
            return parse_integer(allowed, value)
        case Kind.SECONDS:
            return parse_seconds(allowed, value)
        case Kind.SIZE:
            return _within(allowed, _size(value))
        case Kind.TEXT:
            return _text(kind, value)
        case Kind.PATH:
            return Path(_text(kind, str(value) if isinstance(value, Path) else value)).expanduser()
        case Kind.DSN:
            return _dsn(value)
        case Kind.LEVEL:
            return _level(value)


def parse_integer(allowed: Range, value: object) -> int:
    """``parse`` for a whole number."""
    return _within(allowed, _integer(value))


def parse_seconds(allowed: Range, value: object) -> float:
    """``parse`` for a number of seconds."""
    return _within(allowed, _seconds(value))


def written(kind: Kind, value: object) -> str:
    """``value`` as a person would write it: ``parse`` reads it back."""
    if kind is Kind.SIZE and isinstance(value, int):
        for unit, size in reversed(_UNITS.items()):
            if value and value % size == 0:
                return f"{value // size} {unit}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def shown(value: object) -> str:
    """``value`` as a message repeats it: on one line, and not without end."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def near_miss(word: str, words: list[str], likeness: float = 0.6) -> str | None:
    """The one of ``words`` that was probably meant, if any."""
    close = get_close_matches(word.lower().replace("-", "_"), words, n=1, cutoff=likeness)
    return close[0] if close else None


def _integer(value: object) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _is_not(Kind.INTEGER, value)


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _is_not(Kind.SECONDS, value)
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise _is_not(Kind.SECONDS, value) from None
    if not math.isfinite(number):
        raise _is_not(Kind.SECONDS, value)
    return number


def _size(value: object) -> int:
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        return int(match[1]) * _UNITS.get(match[2], 1)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _is_not(Kind.SIZE, value)


def _text(kind: Kind, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise _is_not(kind, value)
    return value


def _level(value: object) -> str:
    if isinstance(value, str) and value.lower() in LEVELS:
        return value.lower()
    raise _is_not(Kind.LEVEL, value)


def _dsn(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is no connection string (key=value … or postgresql://…)")
    read_dsn(value)
    return value


def _within(allowed: Range, value: Number) -> Number:
    low, high = allowed
    if (low is None or value >= low) and (high is None or value <= high):
        return value
    if high is None:
        raise ValueError(f"is {value!r}, allowed is {low:.15g} or more")
    raise ValueError(f"is {value!r}, allowed is {low:.15g} to {_number(high)}")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _is_not(kind: Kind, value: object) -> ValueError:
    return ValueError(f"is {shown(value)}, which is not {kind.value}")
