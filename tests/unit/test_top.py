"""The live view, on a terminal that the test holds the other end of."""

import fcntl
import io
import os
import pty
import select
import signal
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

import psycopg2
import pytest

from pg_tasks.console.screen import Table
from pg_tasks.console.terminal import Terminal, is_terminal
from pg_tasks.console.top import Source, print_once, watch
from pg_tasks.errors import DatabaseAway

PATIENCE = 30.0


class Views(Source):
    """Views whose one number says how often they were read."""

    def __init__(self, fail_from: int = 1_000_000) -> None:
        super().__init__(lambda: pytest.fail("nothing connects here"))
        self.reads = 0
        self.fail_from = fail_from

    def read(self) -> list[Table]:
        self.reads += 1
        if self.reads >= self.fail_from:
            raise DatabaseAway("gone \x1b[31m")
        return [Table("RUNNING", ["task_id", "command"], [(self.reads, "c" * 300)])]


class Person:
    """Sits at the terminal: sees what is written and presses keys."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        self.keys: TextIO = os.fdopen(slave, "r", encoding="utf-8", closefd=True)
        self.screen: TextIO = os.fdopen(os.dup(slave), "w", encoding="utf-8")
        self.seen = ""

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def sees(self, text: str) -> None:
        """Wait until ``text`` was written since the last look."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            if time.monotonic() > deadline:
                raise AssertionError(f"{text!r} is not in {self.seen!r}")
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 65536).decode()
        self.seen = self.seen.partition(text)[2]

    def close(self) -> None:
        self.keys.close()
        self.screen.close()
        os.close(self.master)


@pytest.fixture
def person() -> Iterator[Person]:
    person = Person()
    person.resize(80, 24)
    yield person
    person.close()


def act(person: Person, source: Source, does: Callable[[], None], interval: float = 60) -> None:
    """Watch here, for signals reach the main thread, while ``does`` happens at the other end."""
    failures: list[BaseException] = []

    def acting() -> None:
        try:
            does()
        except BaseException as error:  # noqa: BLE001 - given to the test below
            failures.append(error)
            person.press("q")

    thread = threading.Thread(target=acting)
    thread.start()
    try:
        watch(source, "db", interval, Terminal(person.keys, person.screen))
    finally:
        thread.join(PATIENCE)
    if failures:
        raise failures[0]


def test_q_leaves_the_terminal_as_it_was(person: Person) -> None:
    before = termios.tcgetattr(person.keys)
    handler = signal.getsignal(signal.SIGTERM)

    def does() -> None:
        person.sees("\x1b[?1049h")
        person.sees("RUNNING")
        person.press("q")

    act(person, Views(), does)
    person.sees("\x1b[?25h\x1b[?1049l")
    assert termios.tcgetattr(person.keys) == before
    assert signal.getsignal(signal.SIGTERM) is handler


def test_the_view_is_read_again_after_each_interval(person: Person) -> None:
    def does() -> None:
        for number in range(1, 5):
            person.sees(f"{number}  ccc")
        person.press("q")

    act(person, Views(), does, interval=0.05)


def test_a_key_reads_the_view_at_once(person: Person) -> None:
    def does() -> None:
        person.sees("1  ccc")
        person.press(" ")
        person.sees("2  ccc")
        person.press("Q")

    act(person, Views(), does)


def test_the_screen_follows_a_new_size(person: Person) -> None:
    def does() -> None:
        person.sees("c" * 60)
        person.resize(30, 10)
        os.kill(os.getpid(), signal.SIGWINCH)
        person.sees("2  ccc")
        person.sees("…")
        assert "c" * 30 not in person.seen
        person.resize(200, 10)
        os.kill(os.getpid(), signal.SIGWINCH)
        person.sees("c" * 150)
        person.press("q")

    act(person, Views(), does)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_leaves_the_terminal_as_it_was(person: Person, number: int) -> None:
    def does() -> None:
        person.sees("RUNNING")
        os.kill(os.getpid(), number)

    act(person, Views(), does)
    person.sees("\x1b[?1049l")


def test_a_database_that_goes_away_is_said_and_waited_for(person: Person) -> None:
    source = Views(fail_from=2)

    def does() -> None:
        person.sees("1  ccc")
        person.press(" ")
        person.sees("NOT CURRENT")
        person.sees("gone  [31m")
        person.sees("1  ccc")
        source.fail_from = 1_000_000
        person.press(" ")
        person.sees("every 60 s")
        person.press("q")

    act(person, source, does)


def test_an_error_at_the_first_look_leaves_the_terminal_alone(person: Person) -> None:
    with pytest.raises(DatabaseAway):
        watch(Views(fail_from=1), "db", 1, Terminal(person.keys, person.screen))
    assert not select.select([person.master], [], [], 0)[0]


def test_a_file_and_a_dumb_terminal_get_no_full_screen(person: Person) -> None:
    assert is_terminal(person.keys, person.screen, "xterm")
    assert not is_terminal(person.keys, person.screen, "dumb")
    assert not is_terminal(io.StringIO(), person.screen, "xterm")
    assert not is_terminal(person.keys, io.StringIO(), "xterm")


def test_one_screen_is_plain_text() -> None:
    out = io.StringIO()
    print_once(Views(), "host=h", out)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("pg_tasks  host=h  ")
    assert lines[2:4] == ["RUNNING", "  task id  command"]
    assert out.getvalue().replace("\n", "").isprintable()


def test_a_connection_that_could_not_be_made_is_tried_again_at_the_next_look() -> None:
    made: list[int] = []

    def connect() -> psycopg2.extensions.connection:
        made.append(1)
        raise DatabaseAway("no")

    source = Source(connect)
    for _ in range(2):
        with pytest.raises(DatabaseAway):
            source.read()
    assert len(made) == 2
