"""One end of the socket never waits for the other."""

import os
import socket

import pytest

from pg_tasks.errors import ProtocolError
from pg_tasks.guardian.channel import Channel
from pg_tasks.messages import Message, Start, Stop


def _pair() -> tuple[Channel, Channel]:
    ours, theirs = socket.socketpair()
    return Channel(ours), Channel(theirs)


def test_what_is_sent_is_received() -> None:
    ours, theirs = _pair()
    ours.send([Stop(1, 1), Stop(2, 1)])
    assert theirs.receive() == [Stop(1, 1), Stop(2, 1)]
    assert theirs.receive() == []
    ours.close()
    theirs.close()


def test_what_the_other_end_does_not_take_is_kept_and_sent_later() -> None:
    ours, theirs = _pair()
    message = Start(1, 1, ["x" * 5_000_000], None, {}, None, None, 1.0)
    ours.send([message])
    ours.send([Stop(1, 1)])
    assert ours.wants_write
    heard: list[Message] = []
    while len(heard) < 2:
        heard += theirs.receive()
        ours.flush()
    assert heard == [message, Stop(1, 1)]
    assert not ours.wants_write
    ours.close()
    theirs.close()


def test_all_that_was_said_is_heard_before_the_end() -> None:
    ours, theirs = _pair()
    ours.send([Stop(1, 1)])
    ours.close()
    assert theirs.receive() == [Stop(1, 1)]
    with pytest.raises(ConnectionError):
        theirs.receive()
    with pytest.raises(ConnectionError):
        theirs.send([Stop(1, 1)])
    theirs.close()


def test_nonsense_is_a_protocol_error() -> None:
    ours, theirs = _pair()
    os.write(ours.fileno(), b"\xff\xff\xff\xff")
    with pytest.raises(ProtocolError):
        theirs.receive()
    ours.close()
    theirs.close()
