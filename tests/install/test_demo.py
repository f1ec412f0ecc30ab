"""The demo: shows what it promises, notices what goes wrong, and leaves nothing behind."""

import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.waiting import wait_until

_DEMO = Path(__file__).parents[2] / "examples" / "demo" / "demo.py"
_LIMIT = 150.0


@pytest.fixture
def place() -> Iterator[Path]:
    """Where the demo makes its own directory."""
    # Not pytest's directory: that is closed to the account which runs PostgreSQL for root.
    directory = Path(tempfile.mkdtemp(prefix="pg_tasks-test-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A few files to work on instead of the whole standard library."""
    for number in range(3):
        (tmp_path / f"file{number}.py").write_text(f"print({number})\n" * 1000)
    return tmp_path


def test_the_demo_runs_200_tasks_to_the_end_that_each_should_have(place: Path) -> None:
    done = _run(place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "INSERT INTO long_task.task" in done.stdout
    assert "205 of 205 tasks have ended" in done.stdout
    assert "\r" not in done.stdout
    assert "All as it should be" in done.stdout
    assert _left_in(place) == []


def test_the_demo_ends_with_1_and_says_so_when_a_task_fails_that_should_not(
    place: Path, files: Path
) -> None:
    (files / "broken.py").symlink_to("nowhere")
    done = _run(place, str(files))
    assert done.returncode == 1
    wrong = [line for line in done.stdout.splitlines() if line.startswith("WRONG: ")]
    assert [line for line in wrong if "hash broken.py" in line]
    assert [line for line in wrong if "compress broken.py" in line]
    assert all("broken.py" in line for line in wrong)
    assert "All as it should be" not in done.stdout
    assert _left_in(place) == []


def test_the_demo_shows_its_progress_in_one_line_on_a_terminal(place: Path, files: Path) -> None:
    ours, theirs = pty.openpty()
    process = _start(place, str(files), output=theirs)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # what Linux says when the other end of a terminal is closed
        while chunk := os.read(ours, 65536):
            shown += chunk
    os.close(ours)
    assert process.wait(_LIMIT) == 0, shown.decode()
    assert b"\r[##############################] 11 of 11 tasks have ended" in shown


def test_the_demo_tidies_up_when_it_is_terminated_in_the_middle(place: Path, files: Path) -> None:
    process = _start(place, str(files), output=subprocess.DEVNULL)
    wait_until(lambda: list(place.glob("*/node.log")), limit=_LIMIT)
    process.send_signal(signal.SIGTERM)
    assert process.wait(_LIMIT) == 143
    assert _left_in(place) == []


def _run(place: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(_DEMO), *words],
        env=os.environ | {"TMPDIR": str(place)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )


def _start(place: Path, *words: str, output: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, str(_DEMO), *words],
        env=os.environ | {"TMPDIR": str(place)},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
    )


def _left_in(place: Path) -> list[str]:
    """Files, and processes that work there, as the server and the node do."""
    left = [str(path) for path in place.iterdir()]
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(place):
                left.append(f"{process.pid} {process.name()}")
    return left
