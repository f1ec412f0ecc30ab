"""The verdict finds what it is there for; each violation is made up, and the first by processes."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from psycopg2.extensions import connection as Connection

from tests.chaos.verdict import (
    Begin,
    End,
    Line,
    Overlap,
    Run,
    Task,
    judge,
    parse_line,
    read_lines,
    violations,
)
from tests.waiting import wait_until

WITNESS = Path(__file__).with_name("witness.py")

BEGUN = Begin(1, 1, 100, 10.0)
FAILED = End(1, 1, 100, 11.0, 3)
AGAIN = Begin(1, 2, 200, 12.0)
DONE = End(1, 2, 200, 13.0, 0)
LINES: list[Line] = [BEGUN, FAILED, AGAIN, DONE]
FIRST = Run(1, 1, "CF", 100, 3, None, "exit code 3")
SECOND = Run(1, 2, "CS", 200, 0, None, None)
TASK = Task(1, "CS", 2, 0, 3, None)
LOST = Run(1, 1, "CF", None, None, None, "Worker failed")
KILLED = Run(1, 1, "CF", 100, None, 9, "signal 9 (SIGKILL)")


@pytest.mark.parametrize(
    ("lines", "runs", "task"),
    [
        (LINES, [FIRST, SECOND], TASK),
        ([BEGUN, AGAIN, DONE], [LOST, SECOND], TASK),
        ([BEGUN, FAILED, AGAIN, DONE], [LOST, SECOND], TASK),
        ([AGAIN, DONE], [LOST, SECOND], TASK),
        ([AGAIN, DONE], [KILLED, SECOND], TASK),
        ([BEGUN, AGAIN, DONE], [KILLED, SECOND], TASK),
        ([BEGUN], [KILLED], TASK._replace(state_id="CF", attempt=1, max_attempts=1)),
        ([], [], TASK._replace(state_id="CC", attempt=0)),
    ],
)
def test_what_may_happen_is_no_violation(
    lines: Sequence[Line], runs: Sequence[Run], task: Task
) -> None:
    assert violations(lines, runs, [task]) == []


@pytest.mark.parametrize(
    ("lines", "runs", "task", "complaint"),
    [
        ([*LINES, Overlap(1, 2, 9, 12.5)], [FIRST, SECOND], TASK, "while another one was alive"),
        ([BEGUN, FAILED._replace(at=12.5), AGAIN, DONE], [FIRST, SECOND], TASK, "before attempt 1"),
        ([*LINES, BEGUN._replace(at=10.5)], [FIRST, SECOND], TASK, "was started twice"),
        ([BEGUN._replace(at=15), AGAIN, DONE], [LOST, SECOND], TASK, "began after attempt 2"),
        (LINES, [SECOND], TASK._replace(base_attempt=1), "attempt 1 ran and has no row"),
        ([AGAIN, DONE], [FIRST, SECOND], TASK, "attempt 1 has a row and no witness"),
        ([AGAIN, DONE], [LOST._replace(error=None), SECOND], TASK, "a row and no witness"),
        (LINES, [FIRST._replace(pid=7), SECOND], TASK, "was process 100, its row says 7"),
        (LINES, [FIRST._replace(exit_code=4), SECOND], TASK, "exited with 3, its row says 4"),
        ([BEGUN, AGAIN, DONE], [FIRST, SECOND], TASK, "exited with None, its row says 3"),
        (LINES, [KILLED._replace(signal=None, error=None), SECOND], TASK, "how it ended"),
        (LINES, [FIRST._replace(state_id="CS"), SECOND], TASK, "counts as completed"),
        (LINES, [FIRST, SECOND], TASK._replace(state_id="AE"), "is not over"),
        (LINES, [FIRST, SECOND], TASK._replace(running_on=1), "is not over"),
        (LINES, [FIRST, SECOND], TASK._replace(max_attempts=1), "had 2 attempts of 1"),
        ([BEGUN, FAILED], [FIRST], TASK._replace(state_id="CF", attempt=1), "after 1 of 3"),
        (LINES, [FIRST, SECOND], TASK._replace(state_id="CF", max_attempts=2), "last attempt CS"),
        ([], [], TASK._replace(attempt=0), "without any attempt"),
        (LINES, [FIRST, SECOND], TASK._replace(attempt=3), "rows for [1, 2]"),
        ([AGAIN, DONE], [SECOND], TASK._replace(attempt=2), "rows for [2]"),
        ([*LINES, Begin(2, 1, 9, 9.0)], [FIRST, SECOND], TASK, "task 2: attempt 1 ran"),
        (LINES, [FIRST, SECOND, Run(2, 1, "CS", 9, 0, None, None)], TASK, "task 2: has no row"),
    ],
)
def test_what_must_not_happen_is_named(
    lines: Sequence[Line], runs: Sequence[Run], task: Task, complaint: str
) -> None:
    assert complaint in "\n".join(violations(lines, runs, [task]))


def run_witness(directory: Path, attempt: int, *words: str) -> "subprocess.Popen[bytes]":
    environment = {"PG_TASKS_TASK_ID": "1", "PG_TASKS_ATTEMPT": str(attempt)}
    argv = [sys.executable, "-I", "-S", str(WITNESS), str(directory), *words]
    return subprocess.Popen(argv, env=environment)


def test_a_witness_that_finds_another_one_alive_says_so(tmp_path: Path) -> None:
    first = run_witness(tmp_path, 1, "600")
    try:
        wait_until(lambda: [type(line) for line in read_lines(tmp_path)] == [Begin])
        assert run_witness(tmp_path, 2, "0").wait() == 99
    finally:
        first.kill()
        first.wait()
    assert [type(line) for line in read_lines(tmp_path)] == [Begin, Overlap]
    assert run_witness(tmp_path, 3, "0", "5").wait() == 5
    assert parse_line((tmp_path / "1").read_text().splitlines()[-1])[-1] == 5


def test_a_daemon_that_a_witness_left_behind_counts_as_the_attempt(tmp_path: Path) -> None:
    first = run_witness(tmp_path, 1, "600", "0", "helper")
    (daemon,) = wait_until(lambda: children(first.pid))
    try:
        first.kill()
        first.wait()
        assert run_witness(tmp_path, 2, "0").wait() == 99
    finally:
        subprocess.run(["kill", "-9", daemon], check=True)


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_the_verdict_on_a_database_raises_what_it_found(
    tmp_path: Path, connection: Connection
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO long_task.task (state_id, command) VALUES ('AW', '{true}')")
    with pytest.raises(AssertionError, match="1 violations, the first of them:\ntask .* not over"):
        judge(tmp_path, connection)
    connection.rollback()
    judge(tmp_path, connection)
