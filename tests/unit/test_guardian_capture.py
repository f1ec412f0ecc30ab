"""The tail of a stream, however it is cut into pieces."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_tasks.guardian.capture import Capture, OutputFile


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    yield reading, writing
    os.close(writing)


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(1, 60))
def test_the_tail_is_the_end_of_what_was_written(pieces: list[bytes], limit: int) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    capture = Capture(reading, limit)
    for piece in pieces:
        os.write(writing, piece)
        capture.read()
    os.close(writing)
    capture.finish()
    whole = b"".join(pieces)
    text = capture.text()
    if not whole:
        assert text is None
        return
    assert text is not None
    expected = whole[-limit:]
    if len(whole) > limit:
        cut = next((at for at, byte in enumerate(expected[:4]) if byte & 0xC0 != 0x80), 0)
        expected = expected[cut:]
    assert text == expected.decode(errors="replace").replace("\0", "\ufffd")


@given(st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"])), st.integers(4, 60))
def test_a_tail_of_text_is_the_end_of_that_text(text: str, limit: int) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    capture = Capture(reading, limit)
    os.write(writing, text.encode())
    os.close(writing)
    capture.finish()
    tail = capture.text() or ""
    assert text.endswith(tail)
    assert "\ufffd" not in tail or "\ufffd" in text


def test_a_read_takes_at_most_64_kilobytes(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.write(writing, b"x" * 65536)
    capture = Capture(reading, 100_000)
    assert capture.read()
    assert not capture.read()
    assert capture.fd == reading
    capture.finish()
    assert capture.text() == "x" * 65536


def test_finishing_lets_go_of_a_pipe_that_others_still_hold(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    capture = Capture(reading, 10)
    os.write(writing, b"end")
    capture.finish()
    assert (capture.text(), capture.fd) == ("end", -1)
    with pytest.raises(BrokenPipeError):
        os.write(writing, b"more")


def test_no_tail_is_kept_when_none_is_wanted(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    capture = Capture(reading, 0)
    os.write(writing, b"text")
    capture.finish()
    assert capture.text() is None


def test_memory_is_bounded_by_twice_the_tail(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    capture = Capture(reading, 1000)
    for _ in range(500):
        os.write(writing, b"x" * 700)
        capture.read()
        assert len(capture._tail) <= 2700
    capture.finish()


def test_an_output_file_holds_the_beginning_up_to_its_limit(tmp_path: Path) -> None:
    file = OutputFile(str(tmp_path), (1, 2), 10)
    for piece in (b"1234", b"5678", b"9abc", b"def"):
        file.write(piece)
    file.close()
    assert (tmp_path / "1-2.log").read_bytes() == b"123456789a"


def test_an_output_file_that_cannot_be_written_is_logged_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = OutputFile(str(tmp_path / "missing"), (1, 2), 10)
    file.write(b"1234")
    file.write(b"5678")
    file.close()
    assert capfd.readouterr().err.count("event=output_file_failed") == 1


def test_a_full_disk_is_logged_once(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """/dev/full refuses every write with ENOSPC (full(4)); a hard link to it is not possible."""
    file = OutputFile(str(tmp_path), (1, 2), 10)
    file.write(b"1")
    os.dup2(os.open("/dev/full", os.O_WRONLY | os.O_CLOEXEC), file._fd)
    file.write(b"2")
    file.write(b"3")
    file.close()
    assert "No space left on device" in capfd.readouterr().err
