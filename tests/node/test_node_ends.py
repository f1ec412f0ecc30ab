"""The truth about ends: what the kernel says of a process is what its row says."""

import signal
from pathlib import Path

from tests.node.conftest import StartNode
from tests.node.running_node import RunningNode
from tests.node.tasks import Tasks, shell

NOT_DEADLY = {
    signal.SIGCHLD,
    signal.SIGCONT,
    signal.SIGURG,
    signal.SIGWINCH,
    signal.SIGSTOP,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
}
DEADLY = sorted(number for number in map(int, signal.valid_signals()) if number not in NOT_DEADLY)


def test_every_exit_code_is_written_down(start_node: StartNode, tasks: Tasks) -> None:
    start_node(1, 0, 16)
    tasks.add_many([shell(f"exit {code}") for code in range(256)])
    rows = tasks.all_ended()
    assert [row.exit_code for row in rows] == list(range(256))
    assert {row.signal for row in rows} == {None}
    assert (rows[0].state_id, rows[0].error) == ("CS", None)
    assert [(row.state_id, row.error) for row in rows[1:]] == [
        ("CF", f"exit code {code}") for code in range(1, 256)
    ]


def test_every_signal_that_ends_a_process_is_written_down(
    start_node: StartNode, tasks: Tasks
) -> None:
    start_node(1, 0, 16)
    tasks.add_many([shell(f"ulimit -c 0; kill -{number} $$; sleep 1000") for number in DEADLY])
    rows = tasks.all_ended()
    assert [row.signal for row in rows] == DEADLY
    assert {(row.state_id, row.exit_code) for row in rows} == {("CF", None)}
    said = dict(zip(DEADLY, (row.error for row in rows), strict=True))
    assert said[signal.SIGSEGV] == "signal 11 (SIGSEGV)"
    assert said[signal.SIGKILL] == "signal 9 (SIGKILL)"
    assert said[signal.SIGRTMAX] == f"signal {int(signal.SIGRTMAX)}"


def test_a_core_dump_is_told(node: RunningNode, tasks: Tasks) -> None:
    row = tasks.ended(tasks.add(shell("ulimit -c unlimited; kill -ABRT $$")))
    assert (row.signal, row.error) == (6, "signal 6 (SIGABRT), core dumped")


def test_of_ten_thousand_quick_failures_none_is_taken_for_a_success(
    start_node: StartNode, tasks: Tasks
) -> None:
    start_node(1, 0, 16, log_level="warning")
    tasks.sql(
        "INSERT INTO long_task.task (state_id, command)"
        " SELECT 'AW', '{/bin/sh,-c,exit 3}' FROM generate_series(1, 10000)"
    )
    tasks.all_ended()
    counted = tasks.sql(
        "SELECT t.state_id, t.exit_code, t.error, r.exit_code AS ran, count(*)"
        " FROM long_task.task AS t JOIN long_task.task_run AS r ON r.task_id = t.id"
        " GROUP BY 1, 2, 3, 4"
    )
    assert [tuple(row) for row in counted] == [("CF", 3, "exit code 3", 3, 10_000)]


NOT_TO_BE_STARTED: list[tuple[list[str], dict[str, object], str]] = [
    (["no-such-program"], {}, "command not found: no-such-program"),
    (["./no-such-file"], {}, "command not found: ./no-such-file"),
    (["./dangling"], {}, "command not found: ./dangling"),
    (["./plain"], {}, "not executable: ./plain"),
    (["./nonsense"], {}, "not executable: ./nonsense"),
    (["./empty"], {}, "not executable: ./empty"),
    (["./"], {}, "not executable: ./"),
    (["./orphan"], {}, "'/no/such/interpreter', which does not exist"),
    (["./crlf"], {}, "'/bin/sh"),
    (["true"], {"cwd": "missing"}, "working directory does not exist: missing"),
    (["true"], {"cwd": "plain"}, "working directory is not a directory: plain"),
    (["true", "x" * 200_000], {}, "too long"),
    (["true"], {"env": {"LONG": "x" * 200_000}}, "too long"),
    (["true"], {"env": {"PATH": "/nowhere"}}, "command not found: true"),
]


def make_files(place: Path) -> None:
    """Files that cannot be executed, each for its own reason."""
    (place / "plain").write_text("#!/bin/sh\n")
    (place / "nonsense").write_text("\x00\x01 no program")
    (place / "orphan").write_text("#!/no/such/interpreter\n")
    (place / "crlf").write_text("#!/bin/sh\r\necho x\n")
    (place / "empty").touch()
    (place / "dangling").symlink_to("nowhere")
    for name in ("nonsense", "orphan", "crlf", "empty"):
        (place / name).chmod(0o755)


def test_what_cannot_be_started_fails_with_a_reason_and_disturbs_nobody(
    node: RunningNode, tasks: Tasks
) -> None:
    make_files(node.root)
    ids = []
    for command, columns, _ in NOT_TO_BE_STARTED:
        ids += [tasks.add(command, **columns), tasks.add(["true"])]
    for task, (_, _, said) in zip(ids[::2], NOT_TO_BE_STARTED, strict=True):
        row = tasks.ended(task)
        assert (row.state_id, row.exit_code, row.signal) == ("CF", None, None)
        assert said in row.error
        (run,) = tasks.runs(task)
        assert (run.pid, run.error) == (None, row.error)
    assert {tasks.ended(task).state_id for task in ids[1::2]} == {"CS"}


def test_what_cannot_be_started_is_retried_like_any_failure(
    node: RunningNode, tasks: Tasks
) -> None:
    late = node.root / "late"
    task = tasks.add(["./late"], max_attempts=1000, retry_delay="0.02 seconds")
    tasks.in_state(task, "AD")
    late.write_text("#!/bin/sh\necho at last\n")
    late.chmod(0o755)
    row = tasks.ended(task)
    assert (row.state_id, row.output) == ("CS", "at last\n")
    assert row.attempt > 1


def test_too_few_descriptors_fail_some_tasks_and_not_the_node(
    start_node: StartNode, tasks: Tasks
) -> None:
    start_node(1, 0, 200, prefix=("/bin/sh", "-c", 'ulimit -n 64; exec "$@"', "sh"))
    tasks.add_many([["sleep", "0.5"]] * 200)
    rows = tasks.all_ended()
    assert {(row.state_id, row.error) for row in rows} == {
        ("CS", None),
        ("CF", "too many open files to start another process"),
    }
    assert tasks.ended(tasks.add(["true"])).state_id == "CS"
