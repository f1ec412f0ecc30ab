"""Tables that fit a screen."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_tasks.console.screen import Table, render, text_of, width_of

RUNNING = Table("RUNNING", ["task_id", "age"], [(7, timedelta(seconds=75)), (12, timedelta())])


def test_a_table_has_a_title_the_names_of_its_columns_and_its_rows() -> None:
    assert render("top", [RUNNING], 80, None) == [
        "top",
        "",
        "RUNNING",
        "  task id    age",
        "        7  1m15s",
        "       12   0.0s",
    ]


def test_an_empty_table_says_so() -> None:
    assert render("top", [Table("FAILED", ["id"], [])], 80, None)[2:] == ["FAILED", "  none"]


def test_text_stands_left_and_numbers_right() -> None:
    lines = render("top", [Table("T", ["name", "n"], [("a", 1), ("long", 100)])], 80, None)
    assert lines[-2:] == ["  a       1", "  long  100"]


def test_the_widest_column_gives_way_when_the_row_is_too_long() -> None:
    table = Table("T", ["id", "command", "error"], [(1, "c" * 60, "short")])
    line = render("top", [table], 40, None)[-1]
    assert width_of(line) <= 40
    assert line.startswith("   1  ccc")
    assert line.endswith("…  short")


def test_a_table_with_too_many_rows_shows_the_first_and_says_so() -> None:
    many = Table("WAITING", ["id"], [(number,) for number in range(100)])
    lines = render("top", [RUNNING, many], 80, 20)
    assert len(lines) <= 20
    assert "RUNNING" in lines
    assert any(line.startswith("WAITING (the first ") for line in lines)
    assert lines[-1].strip().isdigit()


@given(
    counts=st.lists(st.integers(0, 40), max_size=6),
    width=st.integers(1, 120),
    height=st.integers(1, 60),
    cell=st.text(max_size=30),
)
def test_nothing_is_ever_larger_than_the_screen(
    counts: list[int], width: int, height: int, cell: str
) -> None:
    tables = [Table(cell, [cell, "b"], [(cell, 1)] * count) for count in counts]
    lines = render(cell, tables, width, height)
    assert len(lines) <= height
    assert all(width_of(line) <= width for line in lines)


@given(text=st.text())
def test_nothing_reaches_the_terminal_that_it_would_obey(text: str) -> None:
    assert text_of(text).isprintable()
    table = Table(text, [text], [(text,), ([text],)])
    assert all(line.isprintable() for line in render(text, [table], 80, 24))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0s"),
        (9.94, "9.9s"),
        (10, "10s"),
        (3600, "1h0m"),
        (3 * 86400 + 4 * 3600 + 59, "3d4h"),
        (-75, "-1m15s"),
    ],
)
def test_a_duration_is_its_two_largest_units(seconds: float, text: str) -> None:
    assert text_of(timedelta(seconds=seconds)) == text


def test_wide_characters_are_counted_as_two_columns() -> None:
    assert width_of("日本") == 4
    assert width_of("e\u0301") == 1
