"""Whatever a process writes, memory stays bounded and nobody else waits."""

import sys
from pathlib import Path

import pytest

from tests.node.guardian_fixtures import guardian, status_field
from tests.waiting import wait_until


def test_stdout_and_stderr_arrive_in_the_order_they_were_written(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        end = rig.shell("echo one; echo two >&2; echo three")
    assert end.output == "one\ntwo\nthree\n"


def test_a_silent_process_has_no_output(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        assert rig.run("true").output is None


def test_the_tail_of_much_output_is_kept(tmp_path: Path) -> None:
    with guardian(tmp_path, output_tail=1000) as rig:
        end = rig.run("seq", "1000000")
    whole = "".join(f"{number}\n" for number in range(999_000, 1_000_001))
    assert end.output == whole[-1000:]


def test_a_gigabyte_of_output_leaves_the_memory_flat(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        rig.shell("head -c 10000000 /dev/zero")
        before = status_field(rig.link.pid, "VmHWM")
        end = rig.shell("head -c 1000000000 /dev/zero; echo; echo end")
        after = status_field(rig.link.pid, "VmHWM")
    assert (end.output or "").endswith("\ufffd\nend\n")
    assert len(end.output or "") == 8192
    assert after - before < 1024


@pytest.mark.parametrize(
    ("script", "output"),
    [
        ("printf 'a\\000b'", "a\ufffdb"),
        ("printf 'a\\377b'", "a\ufffdb"),
        ("printf '\\303\\251'", "é"),
        ("printf 'a\\303'", "a\ufffd"),
    ],
)
def test_what_is_no_text_is_replaced(tmp_path: Path, script: str, output: str) -> None:
    with guardian(tmp_path) as rig:
        assert rig.shell(script).output == output


def test_a_tail_begins_with_a_whole_character(tmp_path: Path) -> None:
    with guardian(tmp_path, output_tail=10) as rig:
        end = rig.shell("cat", stdin="€" * 1000)
    assert end.output == "€€€"


def test_a_process_that_closes_its_output_goes_on(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        end = rig.shell("echo said; exec >&- 2>&-; sleep 0.1; exit 6")
    assert (end.exit_code, end.output) == (6, "said\n")


def test_output_of_what_was_left_behind_is_in_the_tail(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        task = rig.start(
            "/bin/sh", "-c", f"(trap 'echo last; exit' TERM; touch {tmp_path}/set; "
            f"while :; do sleep 0.01; done) & until test -e {tmp_path}/set; do sleep 0.01; done"
        )  # fmt: skip
        end = rig.ended(task)
    assert end.exit_code == 0
    assert (end.output or "").endswith("last\n")
    assert end.left_behind >= 1


def test_endless_writers_keep_nobody_waiting(tmp_path: Path) -> None:
    """Their output is read in turns: starts, ends and kills of others come in between."""
    with guardian(tmp_path) as rig:
        writers = [rig.start("cat", "/dev/zero") for _ in range(8)]
        for _ in range(20):
            assert rig.shell("exit 3").exit_code == 3
        for task in writers:
            rig.kill(task)
        assert {rig.ended(task).reason for task in writers} == {"cancelled"}


def test_the_whole_output_goes_to_a_file_up_to_its_limit(tmp_path: Path) -> None:
    files = tmp_path / "files"
    with guardian(tmp_path, output_dir=str(files), output_limit=100_000, output_tail=10) as rig:
        ends = [rig.run("seq", "1000"), rig.run("seq", "100000"), rig.run("true")]
    whole = "".join(f"{number}\n" for number in range(1, 100_001))
    assert (files / "1-1.log").read_text() == whole[: whole.index("\n1001\n") + 1]
    assert (files / "2-1.log").read_text() == whole[:100_000]
    assert not (files / "3-1.log").exists()
    assert ends[1].output == whole[-10:]


def test_a_full_disk_changes_nothing_but_the_file(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "1-1.log").mkdir()
    with guardian(tmp_path, output_dir=str(files)) as rig:
        end = rig.shell("seq 100000; exit 2")
    assert (end.exit_code, end.error) == (2, None)
    assert (end.output or "").endswith("\n100000\n")


def test_somebody_else_who_holds_the_pipe_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """The other task writes into this one's output for as long as it lives."""
    program = (
        "import os, sys\nfd = os.open(sys.argv[1], os.O_WRONLY)\nopen('held', 'w').close()\n"
        "while True:\n    try: os.write(fd, b'x' * 4096)\n    except BrokenPipeError: break\n"
        "open('broken', 'w').close()"
    )
    with guardian(tmp_path) as rig:
        task = rig.start("/bin/sh", "-c", "until test -e held; do sleep 0.01; done")
        pid = rig.started(task).pid
        other = rig.start(sys.executable, "-S", "-c", program, f"/proc/{pid}/fd/1")
        assert rig.ended(task).exit_code == 0
        wait_until((tmp_path / "broken").exists, describe="the pipe to be closed")
        assert rig.ended(other).exit_code == 0
