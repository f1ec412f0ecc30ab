"""What is said at one end of the socket is what is heard at the other."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_tasks.errors import ProtocolError
from pg_tasks.messages import (
    FRAME_LIMIT,
    Decoder,
    Ended,
    Fence,
    Fenced,
    Kill,
    KillAll,
    Message,
    Start,
    Started,
    Stop,
    encode,
)

_ids = st.integers(1, 2**63 - 1)
_attempts = st.integers(1, 2**31 - 1)
_seconds = st.floats(0, 1e9, allow_nan=False)
_text = st.text(max_size=20)
_maybe_text = st.none() | _text
_messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        Start, _ids, _attempts, st.lists(_text, max_size=4), _maybe_text,
        st.dictionaries(_text, _text, max_size=4), _maybe_text, st.none() | _seconds, _seconds,
    ),
    st.builds(Stop, _ids, _attempts),
    st.builds(Kill, _ids, _attempts, _text, _seconds, st.none() | _seconds),
    st.builds(KillAll, _text, st.none() | _seconds),
    st.builds(Fence, _seconds),
    st.builds(Started, _ids, _attempts, _attempts),
    st.builds(
        Ended, _ids, _attempts, st.none() | _attempts, st.none() | st.integers(0, 255),
        st.none() | st.integers(1, 64), st.booleans(), _maybe_text, st.none() | _seconds,
        _maybe_text, _seconds, _seconds, _seconds, _seconds, st.integers(0, 2**40), _maybe_text,
        _maybe_text, st.integers(0, 1000),
    ),
    st.builds(Fenced, st.integers(0, 1000)),
)  # fmt: skip
_frames = st.lists(st.lists(_messages, max_size=3), max_size=4)


@given(_frames)
def test_messages_arrive_as_they_were_sent_and_in_order(frames: list[list[Message]]) -> None:
    heard = list(Decoder().feed(b"".join(encode(frame) for frame in frames)))
    assert heard == [message for frame in frames for message in frame]
    assert [type(message) for message in heard] == [
        type(message) for frame in frames for message in frame
    ]


@given(_frames, st.integers(1, 50))
def test_it_does_not_matter_where_the_stream_is_cut(
    frames: list[list[Message]], length: int
) -> None:
    stream = b"".join(encode(frame) for frame in frames)
    decoder = Decoder()
    heard: list[Message] = []
    for at in range(0, len(stream), length):
        heard += decoder.feed(stream[at : at + length])
    assert heard == [message for frame in frames for message in frame]


def test_an_unfinished_frame_says_nothing_yet() -> None:
    frame = encode([Stop(1, 2)])
    decoder = Decoder()
    assert list(decoder.feed(frame[:-1])) == []
    assert list(decoder.feed(frame[-1:])) == [Stop(1, 2)]


def test_a_frame_may_be_empty() -> None:
    assert list(Decoder().feed(encode([]) + encode([Stop(1, 1)]))) == [Stop(1, 1)]


@pytest.mark.parametrize("text", ["\x01", '"', "\\", "\x7f", "é", "☺", "😀"])
def test_the_longest_claim_fits_into_a_frame(text: str) -> None:
    """Whatever it is made of: 36 MiB are the most that procedure claim_tasks hands out."""
    few, more = ([Start(1, 1, [text * n], None, {}, text * n, None, 1.0)] for n in (10, 1010))
    growth = (len(encode(more)) - len(encode(few))) / (len((text * 2000).encode()))
    assert growth * 36 * 1024 * 1024 < FRAME_LIMIT / 2


def test_fields_with_a_default_may_be_left_out() -> None:
    frame = _frame(["Kill", [1, 2, "cancelled"]])
    assert list(Decoder().feed(frame)) == [Kill(1, 2, "cancelled", 0.0, None)]


@pytest.mark.parametrize(
    "stream",
    [
        struct.pack("!I", FRAME_LIMIT + 1),
        struct.pack("!I", 2) + b"[x",
        struct.pack("!I", 2) + b"\xff\xff",
        struct.pack("!I", 1) + b"1",
    ],
    ids=["too long", "no JSON", "no UTF-8", "no array"],
)
def test_a_stream_that_is_none_of_ours_is_refused(stream: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(Decoder().feed(stream))


@pytest.mark.parametrize(
    "message",
    [["Nonsense", []], ["Stop", [1]], ["Stop", [1, 2, 3]], ["Stop"], "Stop", [["Stop"], [1, 2]]],
)
def test_what_is_no_message_is_refused(message: object) -> None:
    with pytest.raises(ProtocolError):
        list(Decoder().feed(_frame(message)))


def _frame(*messages: object) -> bytes:
    body = json.dumps(messages).encode()
    return struct.pack("!I", len(body)) + body
