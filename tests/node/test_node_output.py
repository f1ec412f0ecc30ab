"""What processes write: the tail of it reaches the row, whatever it is and however much."""

from pathlib import Path
from typing import Any

import psutil

from tests.node.conftest import StartNode
from tests.node.running_node import RunningNode
from tests.node.tasks import Tasks, has_ended, shell
from tests.waiting import wait_until

KIB = 1024
MIB = 1024 * KIB


def test_stdout_and_stderr_arrive_in_the_order_of_writing(node: RunningNode, tasks: Tasks) -> None:
    row = tasks.ended(tasks.add(shell("echo 1; echo 2 >&2; echo 3; echo 4 >&2")))
    assert row.output == "1\n2\n3\n4\n"


def test_a_process_that_writes_nothing_has_no_output(node: RunningNode, tasks: Tasks) -> None:
    assert tasks.ended(tasks.add(["true"])).output is None


def test_of_long_output_the_row_has_the_end_in_whole_characters(
    start_node: StartNode, tasks: Tasks
) -> None:
    start_node(output_tail="1 KiB")
    # Three bytes a character: the limit falls into the middle of one.
    task = tasks.add(shell("for i in $(seq 5000); do printf €; done; printf .end"))
    output = tasks.ended(task).output
    assert output == "€" * ((KIB - 4) // 3) + ".end"
    assert tasks.runs(task)[0].output == output


def test_what_is_no_text_becomes_the_replacement_character(node: RunningNode, tasks: Tasks) -> None:
    task = tasks.add(shell(r"printf 'a\000b\377c\303'; printf '\355\240\200d\303\274'"))
    output = tasks.ended(task).output
    assert output.startswith("a\ufffdb\ufffdc\ufffd")
    assert output.endswith("d\u00fc")
    assert set(output) == {"a", "b", "c", "d", "ü", "\ufffd"}


def test_nobody_else_is_disturbed_by_output_that_is_no_text(
    node: RunningNode, tasks: Tasks
) -> None:
    tasks.add_many([shell("head -c 20000 /dev/urandom"), ["echo", "text"]] * 20)
    rows = tasks.all_ended()
    assert {row.state_id for row in rows} == {"CS"}
    assert {row.output for row in rows[1::2]} == {"text\n"}


def test_a_process_may_close_its_output_and_live_on(node: RunningNode, tasks: Tasks) -> None:
    task = tasks.add(shell("echo before; exec >&- 2>&-; sleep 0.2; exit 5"))
    row = tasks.ended(task)
    assert (row.output, row.exit_code, row.state_id) == ("before\n", 5, "CF")


def test_output_that_a_child_holds_open_keeps_no_task_from_ending(
    node: RunningNode, tasks: Tasks
) -> None:
    task = tasks.add(shell("echo mine; sleep 1000 & exit 0"), kill_grace="0.1 seconds")
    row = tasks.ended(task)
    assert (row.state_id, row.output) == ("CS", "mine\n")


def test_a_gigabyte_of_output_leaves_memory_flat_and_the_tail_right(
    node: RunningNode, tasks: Tasks
) -> None:
    tasks.ended(tasks.add(["echo", "warm"]))
    before = node.memory()
    task = tasks.add(shell("head -c 1073741824 /dev/zero; echo the end"))
    largest = before

    def look() -> Any:
        nonlocal largest
        largest = max(largest, node.memory())
        return tasks.row(task)

    row = wait_until(look, has_ended, describe="the gigabyte to be written")
    assert row.state_id == "CS"
    assert row.output == "\ufffd" * (8 * KIB - 8) + "the end\n"
    assert largest - before < 4 * MIB


def test_the_whole_output_of_each_attempt_can_be_kept_in_files(
    start_node: StartNode, tasks: Tasks, tmp_path: Path
) -> None:
    start_node(output_dir=tmp_path / "kept", output_limit="64 KiB", output_tail="16")
    task = tasks.add(shell("seq 2000; exit 1"), max_attempts=2, retry_delay="0", name="some output")
    loud = tasks.add(shell("head -c 100000 /dev/zero"))
    tasks.all_ended()
    whole = "".join(f"{number}\n" for number in range(1, 2001))
    assert tasks.row(task).output == whole[-16:]
    for attempt in (1, 2):
        assert (tmp_path / "kept" / f"{task}-{attempt}.log").read_text() == whole
    assert (tmp_path / "kept" / f"{loud}-1.log").stat().st_size == 64 * KIB


def test_a_process_that_writes_without_end_keeps_nobody_waiting(
    node: RunningNode, tasks: Tasks
) -> None:
    loud = tasks.add(["yes"])
    tasks.in_state(loud, "AE")
    quick = tasks.add_many([["echo", "quick"]] * 50)
    assert {tasks.ended(task).output for task in quick} == {"quick\n"}
    tasks.set(loud, state_id="AC")
    row = tasks.ended(loud)
    assert row.state_id == "CC"
    assert set(row.output) == {"y", "\n"}
    assert psutil.pid_exists(node.pid)
