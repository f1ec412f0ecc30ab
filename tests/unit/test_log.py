"""The log: one line for each event."""

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_tasks import log


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged from ``info`` on; logging is afterwards what it was."""
    root, ours = logging.getLogger(), logging.getLogger("pg_tasks")
    before = (root.handlers[:], root.level, ours.level)
    root.handlers[:] = []
    stream = io.StringIO()
    log.set_up("info", stream)
    yield stream
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


LOGGER = logging.getLogger("pg_tasks.test")


def test_an_event_is_time_level_and_pairs_in_the_order_given(lines: io.StringIO) -> None:
    log.event(LOGGER, logging.INFO, "task_started", task_id=7, attempt=1)
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    expected = time + r" info event=task_started task_id=7 attempt=1\n"
    assert re.fullmatch(expected, lines.getvalue())


def test_values_are_written_so_that_a_machine_can_read_them_back(lines: io.StringIO) -> None:
    log.event(
        LOGGER,
        logging.WARNING,
        "x",
        a="two words",
        b='"',
        c=None,
        d="",
        e=True,
        f=1.5,
        g="é",
        h=2.0,
    )
    text = lines.getvalue().partition("event=x ")[2].rstrip("\n")
    assert text == r'a="two words" b="\"" c= d="" e=true f=1.5 g=é h=2'


@given(value=st.text())
def test_a_value_never_breaks_the_line_and_can_be_read_back(value: str) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log.LineFormatter())
    logger = logging.Logger("pg_tasks.lines")
    logger.addHandler(handler)
    log.event(logger, logging.INFO, "x", value=value, last=1)
    (line,) = stream.getvalue().splitlines()
    assert line.isprintable()
    written = line.partition("event=x value=")[2].removesuffix(" last=1")
    if written.startswith('"') and "\\x" not in written and "\\U" not in written:
        assert json.loads(written) == value


def test_what_is_below_the_level_is_left_out(lines: io.StringIO) -> None:
    log.event(LOGGER, logging.DEBUG, "detail")
    assert lines.getvalue() == ""


def test_an_error_with_its_trace_stays_on_one_line(lines: io.StringIO) -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError as error:
        log.event(LOGGER, logging.ERROR, "failed", exc_info=error)
    (line,) = lines.getvalue().splitlines()
    assert r'event=failed error="ValueError: first\nsecond" trace="Traceback' in line


def test_what_other_packages_say_has_the_same_form(lines: io.StringIO) -> None:
    logging.getLogger("other").warning("event=%s\nis odd", "forged")
    logging.getLogger("other").info("chatter")
    (line,) = lines.getvalue().splitlines()
    assert line.endswith(r'warning event=log logger=other text="event=forged\nis odd"')


def test_a_percent_sign_in_a_value_is_no_format(lines: io.StringIO) -> None:
    log.event(LOGGER, logging.INFO, "x", value="100%s")
    assert lines.getvalue().endswith("value=100%s\n")


def test_a_program_that_embeds_a_node_gets_the_pairs_as_the_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "pg_tasks"):
        log.event(LOGGER, logging.INFO, "task_started", task_id=7)
    assert caplog.messages == ["event=task_started task_id=7"]
    assert caplog.records[0].funcName.startswith("test_a_program")
