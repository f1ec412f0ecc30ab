"""Tables of rows as lines of text that fit a screen. Pure: what comes in decides what comes out."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

_GAP = 2
_NARROWEST = 6
"""Columns: below this a cell says nothing, and the line is cut at its end instead."""
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


class Table(NamedTuple):
    """The rows of one view."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


def render(heading: str, tables: Sequence[Table], width: int, height: int | None) -> list[str]:
    """At most ``height`` lines (None: as many as needed) of at most ``width`` columns.

    Where the rows are too many, each table shows a fair share of its first ones and says so.
    """
    shares = _shares([len(table.rows) for table in tables], height)
    lines = [heading]
    for table, share in zip(tables, shares, strict=True):
        lines += ["", *_table(table, share, width)]
    return [cut(text_of(line), width) for line in lines][:height]


def text_of(value: object) -> str:
    """A value as a cell shows it: on one line, nothing in it that a terminal would obey."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case timedelta():
            return _duration(value.total_seconds())
        case datetime():
            return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        case float() | Decimal():
            return f"{value:.2f}"
        case list() | tuple():
            return " ".join(text_of(element) for element in value)
    return "".join(char if char.isprintable() else " " for char in str(value))


def width_of(text: str) -> int:
    """Columns of a terminal that ``text`` takes: two for wide characters, none for accents."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def cut(text: str, width: int) -> str:
    """``text``, or as much of it as goes into ``width`` columns, with a mark at its end."""
    if width_of(text) <= width:
        return text
    kept = ""
    for char in text:
        if width_of(kept + char) > width - 1:
            break
        kept += char
    return kept + "…" if width > 0 else ""


def _shares(counts: list[int], height: int | None) -> list[int]:
    """How many rows of each table are shown: the small ones whole, the rest divided evenly."""
    if height is None:
        return counts
    # Besides its rows a table takes three lines: a blank one, its title, its column names.
    left = max(0, height - 1 - 3 * len(counts))
    shares = [0] * len(counts)
    for place, index in enumerate(sorted(range(len(counts)), key=lambda index: counts[index])):
        shares[index] = min(counts[index], left // (len(counts) - place))
        left -= shares[index]
    return shares


def _table(table: Table, share: int, width: int) -> list[str]:
    if not table.rows:
        return [table.title, "  none"]
    shown = [[text_of(value) for value in row] for row in table.rows[:share]]
    whole = len(shown) == len(table.rows)
    title = table.title if whole else f"{table.title} (the first {len(shown)})"
    names = [text_of(column).replace("_", " ") for column in table.columns]
    right = [
        all(isinstance(row[index], int | float | Decimal | timedelta | None) for row in table.rows)
        for index in range(len(names))
    ]
    widths = _widths([names, *shown], width - _GAP)
    return [title, *(_row(cells, widths, right) for cells in [names, *shown])]


def _widths(rows: list[list[str]], room: int) -> list[int]:
    """The natural width of each column; the widest give way until the row fits into ``room``."""
    room -= _GAP * (len(rows[0]) - 1)
    natural = (max(width_of(row[index]) for row in rows) for index in range(len(rows[0])))
    widths = [min(width, max(room, _NARROWEST)) for width in natural]
    while sum(widths) > room and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _row(cells: list[str], widths: list[int], right: list[bool]) -> str:
    parts: list[str] = []
    for cell, width, to_the_right in zip(cells, widths, right, strict=True):
        text = cut(cell, width)
        blank = " " * (width - width_of(text))
        parts.append(blank + text if to_the_right else text + blank)
    return (" " * _GAP + (" " * _GAP).join(parts)).rstrip()


def _duration(seconds: float) -> str:
    """The two largest units: ``3d4h``, ``12m5s``; below ten seconds with one decimal."""
    sign = "-" if seconds < 0 else ""
    seconds = abs(seconds)
    if seconds < 10:
        return f"{sign}{seconds:.1f}s"
    rest = int(seconds)
    parts: list[str] = []
    for size, unit in _UNITS:
        if rest >= size or parts:
            parts.append(f"{rest // size}{unit}")
            rest %= size
    return sign + "".join(parts[:2])
