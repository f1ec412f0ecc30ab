"""The words that the node and its guardian exchange, and how they travel over their socket.

A frame is a length (4 bytes, big endian) and that many bytes of JSON: an array of messages, each
``[kind, [field, …]]``. One frame carries everything that one turn of a loop had to say, so that
the cost of a frame is shared by a burst. Nothing here does I/O.

Times are seconds. ``task_id`` and ``attempt`` together name one execution, and are the
key of every message.
"""

import json
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from pg_tasks.errors import ProtocolError

FRAME_LIMIT = 1 << 30
"""Bytes: more than PostgreSQL can put into one value, so a longer frame is a broken one.

The longest there is holds the starts of one claim: 36 MiB at most (procedure claim_tasks), of which
no byte becomes more than six.
"""


LEASE_LOST = "Lease lost"
"""``Ended.reason`` of what was killed because the lease was over, whoever saw that first."""

UNSTARTED = "ended before it was started"
"""What is said of an attempt that never was a process, whoever withdrew it."""


class Start(NamedTuple):
    """Start one process, as soon as a slot is free.

    To ``env`` the guardian adds PG_TASKS_RESULT, and below it its own.
    """

    task_id: int
    attempt: int
    argv: list[str]
    cwd: str | None
    """None: the guardian's root; a relative path is taken from that root."""
    env: dict[str, str]
    stdin: str | None
    """None: the process reads an empty input."""
    timeout: float | None
    kill_grace: float
    priority: int = 0
    """Of those that wait for a slot, the smallest is started first."""


class Stop(NamedTuple):
    """Ask the process to end by itself: SIGTERM to its tree, and no more than that."""

    task_id: int
    attempt: int


class Kill(NamedTuple):
    """End the whole process tree: SIGTERM, after the grace SIGKILL, until nothing is left.

    Repeating a Kill changes nothing, unless the repeated one ends the process earlier.
    """

    task_id: int
    attempt: int
    reason: str
    """What ``Ended.reason`` will say if this is what ended the process."""
    delay: float = 0.0
    """Seconds in which the process may still end by itself before the SIGTERM. What waits for a
    slot is withdrawn at once, and no reason is given for it."""
    grace: float | None = None
    """Seconds between SIGTERM and SIGKILL; None: the ``kill_grace`` of the attempt's Start."""


class KillAll(NamedTuple):
    """Kill, for every process there is; what waits for a slot is given back."""

    reason: str
    grace: float | None = None


class GiveBack(NamedTuple):
    """Start nothing of what waits for a slot, and give it back."""


class Fence(NamedTuple):
    """Kill everything at ``deadline`` unless a later Fence arrives before it."""

    deadline: float
    """Seconds of CLOCK_BOOTTIME, which goes on while the machine is suspended."""


class Ping(NamedTuple):
    """Answer with Pong of the same number, when all that came before is known."""

    number: int


class Started(NamedTuple):
    """The process exists. Left out for one that has ended within some milliseconds."""

    task_id: int
    attempt: int
    pid: int


class Ended(NamedTuple):
    """The process and everything it had started are gone, or it could not be started at all."""

    task_id: int
    attempt: int
    pid: int | None
    """None: it could not be started, and ``error`` says why."""
    exit_code: int | None
    signal: int | None
    core_dumped: bool
    reason: str | None
    """Why the guardian ended it; None: it ended by itself."""
    timeout: float | None
    """The limit under which it ran, whatever its row has come to say since."""
    error: str | None
    """Why it could not be started, or what was wrong with its result file."""
    started: float
    """Seconds of CLOCK_BOOTTIME."""
    ended: float
    """Seconds of CLOCK_BOOTTIME, when the main process was reaped."""
    user_seconds: float
    system_seconds: float
    peak_memory: int
    """Bytes: largest resident set of a process of the tree that was waited for (ru_maxrss)."""
    output: str | None
    """Tail of stdout and stderr; what is no UTF-8, and NUL, as U+FFFD. None: no output."""
    result: str | None
    """What the process wrote to PG_TASKS_RESULT: JSON text, checked. None: nothing was written."""
    left_behind: int
    """Processes that were still alive after the main one had ended, and were killed."""
    given_back: bool = False
    """It was not started, for no fault of its own: somebody may start it yet."""


class Fenced(NamedTuple):
    """The deadline passed: everything was killed, and nothing is started until the next Fence."""

    killed: int


class Pong(NamedTuple):
    """The answer to a Ping."""

    number: int


Request: TypeAlias = Start | Stop | Kill | KillAll | GiveBack | Fence | Ping
News: TypeAlias = Started | Ended | Fenced | Pong
Message: TypeAlias = Request | News

_KINDS: dict[str, type[Message]] = {
    kind.__name__: kind
    for kind in (Start, Stop, Kill, KillAll, GiveBack, Fence, Ping, Started, Ended, Fenced, Pong)
}
_LENGTH = struct.Struct("!I")


def encode(messages: Iterable[Message]) -> bytes:
    """One frame with all of ``messages``, in order."""
    body = json.dumps(
        [(type(message).__name__, message) for message in messages], separators=(",", ":")
    ).encode()
    return _LENGTH.pack(len(body)) + body


class Decoder:
    """Puts the frames of a byte stream together again."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yields the messages of every frame that ``data`` completes.

        Raises ProtocolError when the stream is no stream of frames; it cannot be used after that.
        """
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > FRAME_LIMIT:
                raise ProtocolError(f"a frame of {length} bytes was announced")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield from _decode(body)


def _decode(body: bytes) -> Iterator[Message]:
    try:
        for kind, fields in json.loads(body):
            yield _KINDS[kind](*fields)
    except (ValueError, KeyError, TypeError) as error:
        raise ProtocolError(f"not a message: {error}") from error
