"""A terminal that one full screen of text is shown on, and that is left as it was found.

Only sequences that every terminal in use understands (ECMA-48, and xterm's alternate screen); no
terminfo, so that an unknown TERM does not matter.
"""

import contextlib
import os
import select
import signal
import socket
import termios
import tty
from collections.abc import Sequence
from enum import Enum, auto
from types import FrameType, TracebackType
from typing import TextIO

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"
"""Alternate screen, no cursor, no wrapping at the right edge."""
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_SIGNALS = (signal.SIGWINCH, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SIZE = (80, 24)


class Wish(Enum):
    """What ended a wait."""

    SHOW = auto()
    """The time is over, the size changed, or a key was pressed."""
    QUIT = auto()
    """The key q, the end of the input, or a signal to end."""


class Terminal:
    """The full screen, from ``with`` to its end. It handles signals: main thread only."""

    def __init__(self, keys: TextIO, screen: TextIO) -> None:
        self._keys = keys.fileno()
        self._screen = screen
        self._woken: socket.socket | None = None
        self._before = contextlib.ExitStack()

    def __enter__(self) -> "Terminal":
        with contextlib.ExitStack() as undo:
            self._woken, waker = socket.socketpair()
            undo.callback(self._woken.close)
            undo.callback(waker.close)
            waker.setblocking(False)
            undo.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(waker.fileno()))
            for number in _SIGNALS:
                undo.callback(signal.signal, number, signal.signal(number, _only_wake))
            mode = termios.tcgetattr(self._keys)
            undo.callback(termios.tcsetattr, self._keys, termios.TCSADRAIN, mode)
            tty.setcbreak(self._keys, termios.TCSANOW)
            undo.callback(self._write, _LEAVE)
            self._write(_ENTER)
            self._before = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError, termios.error):  # a terminal that was closed meanwhile
            self._before.close()

    def size(self) -> tuple[int, int]:
        """Columns and lines; 80 and 24 where the terminal does not know."""
        try:
            columns, lines = os.get_terminal_size(self._screen.fileno())
        except OSError:
            return _SIZE
        return columns or _SIZE[0], lines or _SIZE[1]

    def show(self, lines: Sequence[str]) -> None:
        """Replace what is shown, with no flicker: each line is overwritten, its rest erased."""
        self._write("\x1b[H" + "\x1b[K\r\n".join(lines) + "\x1b[K\x1b[J")

    def wait(self, seconds: float) -> Wish:
        """Wait for a key, a signal or the time."""
        assert self._woken is not None, "only between enter and exit"
        woken = self._woken.fileno()
        ready, _, _ = select.select([self._keys, woken], [], [], seconds)
        if woken in ready and set(self._woken.recv(64)) != {signal.SIGWINCH}:
            return Wish.QUIT
        if self._keys in ready:
            try:
                keys = os.read(self._keys, 64)
            except OSError:
                return Wish.QUIT
            if not keys or b"q" in keys.lower():
                return Wish.QUIT
        return Wish.SHOW

    def _write(self, text: str) -> None:
        encoding = self._screen.encoding or "utf-8"
        self._screen.write(text.encode(encoding, "replace").decode(encoding))
        self._screen.flush()


def is_terminal(keys: TextIO, screen: TextIO, kind: str) -> bool:
    """Whether a full screen can be shown; ``kind`` is the value of TERM."""
    return keys.isatty() and screen.isatty() and kind != "dumb"


def _only_wake(number: int, frame: FrameType | None) -> None:
    """The wake-up socket says which signal it was."""
