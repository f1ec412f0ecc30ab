"""The promises of the design, each as a whole.

P2  A ready row is a process at once, and a row set to AC is a dead tree as fast: nobody polls.
P3  A task never runs twice at the same time.
P4  When a task is over, nothing of it is alive.
P5  Nothing that happened is lost.
P7  One can always ask why.
"""

import random
import re
import signal
from pathlib import Path

from tests.node.conftest import StartNode
from tests.node.running_node import QUIET_LEASE, SHORT_LEASE, RunningNode
from tests.node.tasks import Tasks, program, shell
from tests.waiting import wait_until


def test_p2_every_wish_is_heard_without_polling(
    start_node: StartNode, tasks: Tasks, tmp_path: Path
) -> None:
    node = start_node(1, 0, 1, **QUIET_LEASE)
    endless = tasks.add(["sleep", "1000"])
    wait_until(node.tasks)
    behind = tasks.add(["true"])
    tasks.set(endless, state_id="AC")
    assert tasks.ended(endless).state_id == "CC"
    assert tasks.ended(behind).state_id == "CS"
    draft = tasks.add(["true"], state_id="DR")
    tasks.set(draft, state_id="AW")
    assert tasks.ended(draft).state_id == "CS"
    pinned = tasks.add(["true"], worker_id=1)
    assert tasks.ended(pinned).state_id == "CS"
    retried = tasks.add(["false"], max_attempts=3, retry_delay="0.05 seconds")
    assert tasks.ended(retried).attempt == 3
    stopped = tasks.add(shell(f"trap 'exit 0' TERM; touch {tmp_path}/up; while :; do :; done"))
    wait_until((tmp_path / "up").exists)
    tasks.set(stopped, state_id="AS")
    assert tasks.ended(stopped).state_id == "CS"
    tasks.sql("UPDATE long_task.worker SET stop = 2 WHERE id = 1")
    assert node.ended() == 0


def test_p2_a_wish_is_heard_while_the_node_is_talking(start_node: StartNode, tasks: Tasks) -> None:
    node = start_node(1, 0, 4, **QUIET_LEASE)
    for _ in range(100):
        task = tasks.add(["sleep", "1000"])
        # The claim is committed, and its answer is on the way: the next notification comes with it.
        tasks.in_state(task, "AE")
        tasks.set(task, state_id="AC")
        assert tasks.ended(task).state_id == "CC"
    assert node.tasks() == []


def test_p3_no_task_runs_twice_at_once_whatever_happens_to_nodes(
    start_node: StartNode, launch: StartNode, tasks: Tasks, tmp_path: Path
) -> None:
    directory = tmp_path / "witnesses"
    directory.mkdir()
    ids = tasks.add_many(
        [program("witness", directory, 0.1)] * 200, max_attempts=1000, retry_delay="0"
    )
    choose = random.Random(3)
    nodes = [start_node(1, 0, 4, **SHORT_LEASE), launch(1, 0, 4, **SHORT_LEASE)]
    nodes.append(start_node(2, 0, 4, **SHORT_LEASE))
    frozen: list[RunningNode] = []
    # Worker 1 is held by one of two nodes, worker 2 by the third; each is hit in turn.
    for blow in ("guardian", "connection", "freeze", "kill", "connection", "guardian"):
        target = choose.choice([node for node in nodes if node not in frozen])
        match blow:
            case "guardian":
                target.guardian().kill()
            case "connection":
                tasks.sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
                    " current_database() AND application_name LIKE 'pg_tasks worker%'"
                )
            case "freeze":
                target.signal(signal.SIGSTOP)
                frozen.append(target)
            case "kill":
                target.signal(signal.SIGKILL)
                nodes.remove(target)
                nodes.append(launch(target.worker_id, 0, 4, **SHORT_LEASE))
        seen = done(tasks)
        wait_until(lambda seen=seen: done(tasks) >= min(seen + 15, 200))  # type: ignore[misc]
    for node in frozen:
        node.signal(signal.SIGCONT)
    rows = tasks.all_ended()
    assert {row.state_id for row in rows} == {"CS"}
    for task in ids:
        lines = (directory / str(task)).read_text().splitlines()
        assert not [line for line in lines if line.startswith("overlap")]
        assert lines[-1] == f"end {tasks.row(task).attempt}"
        numbers = [int(line.split()[1]) for line in lines if line.startswith("begin")]
        assert numbers == sorted(set(numbers))


def done(tasks: Tasks) -> int:
    (counted,) = tasks.sql("SELECT count(*) FROM long_task.task WHERE state_id = 'CS'")
    return int(counted.count)


def test_p4_when_a_task_is_over_nothing_of_it_is_alive(
    start_node: StartNode, tasks: Tasks, tmp_path: Path
) -> None:
    node = start_node(1, 0, 10)
    ends = {"cancelled": "CC", "timed out": "CF", "deleted": None, "left by itself": "CS"}
    found = {}
    for end in ends:
        directory = tmp_path / end
        directory.mkdir()
        tree = "left" if end == "left by itself" else "daemon"
        found[end] = tasks.add(
            program("tree", tree, directory),
            timeout="2 seconds" if end == "timed out" else None,
            kill_grace="0.1 seconds",
        )
        wait_until(lambda directory=directory: len(list(directory.iterdir())) >= 2)  # type: ignore[misc]
    tasks.set(found["cancelled"], state_id="AC")
    tasks.sql("DELETE FROM long_task.task WHERE id = %s", found["deleted"])
    for end, task in found.items():
        wait_until(lambda task=task: tasks.runs(task), describe=f"the run of what was {end}")  # type: ignore[misc]
        if ends[end] is not None:
            assert tasks.ended(task).state_id == ends[end]
    assert node.tasks() == []


def test_p5_every_attempt_is_in_the_history_with_its_end_and_its_output(
    start_node: StartNode, tasks: Tasks
) -> None:
    node = start_node(1, 0, 8)
    script = 'echo "$PG_TASKS_TASK_ID/$PG_TASKS_ATTEMPT"; exit $(( PG_TASKS_TASK_ID % 7 ))'
    ids = tasks.add_many([shell(script)] * 210, max_attempts=2, retry_delay="0")
    choose = random.Random(5)

    def disturb() -> bool:
        if choose.random() < 0.2:
            tasks.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE 'pg_tasks worker%'"
            )
        return not tasks.sql("SELECT 1 FROM long_task.task WHERE state_id LIKE 'A%' LIMIT 1")

    wait_until(disturb, describe="every task to end", limit=120)
    tasks.all_ended()
    for task in ids:
        code = task % 7
        runs = tasks.runs(task)
        assert [(run.exit_code, run.output) for run in runs] == [
            (code, f"{task}/{attempt}\n") for attempt in range(1, 3 if code else 2)
        ]
        row = tasks.row(task)
        assert (row.exit_code, row.output) == (runs[-1].exit_code, runs[-1].output)
    assert node.process.poll() is None


def test_p7_one_can_ask_why_at_every_turn_of_a_task(start_node: StartNode, tasks: Tasks) -> None:
    task = tasks.add(["sleep", "1000"], state_id="DR", max_attempts=2, retry_delay="1 hour")
    assert "draft" in tasks.why(task)
    (later,) = tasks.sql("SELECT long_task.clock() + interval '1 hour' AS at")
    tasks.set(task, start_after=later.at, state_id="AW")
    assert "delayed until" in tasks.why(task)
    tasks.set(task, start_after=None)
    assert tasks.why(task) == "There is no live worker in group 0."
    node = start_node(1, 0, 1)
    tasks.in_state(task, "AE")
    assert "is running: attempt 1 on worker 1" in tasks.why(task)
    behind = tasks.add(["true"])
    assert re.search(r"All 1 slots? of .* (are|is) busy", tasks.why(behind))
    for process in wait_until(node.tasks):
        process.kill()
    tasks.in_state(task, "AD")
    assert re.search(r"Attempt 1 failed \(signal 9 \(SIGKILL\)\).* until", tasks.why(task))
    assert "completed" in tasks.why(tasks.ended(behind).id)
    tasks.sql("UPDATE long_task.worker SET stop = 1 WHERE id = 1")
    assert "stop = 1" in tasks.why(tasks.add(["true"]))
    tasks.set(task, state_id="AC")
    assert "cancelled" in tasks.why(task)


def test_p7_what_each_attempt_did_and_who_held_it_can_be_read(
    start_node: StartNode, tasks: Tasks
) -> None:
    start_node(1, 0, 1, node_name="first", stop_grace=0)
    task = tasks.add(
        shell('echo "attempt $PG_TASKS_ATTEMPT"; exit $(( 4 - PG_TASKS_ATTEMPT ))'),
        max_attempts=9,
        retry_delay="0",
    )
    tasks.ended(task)
    runs = tasks.runs(task)
    assert [run.error for run in runs] == ["exit code 3", "exit code 2", "exit code 1", None]
    assert [run.output for run in runs] == [f"attempt {number}\n" for number in range(1, 5)]
    assert {(run.worker_id, run.node_name) for run in runs} == {(1, "first")}
    assert all(
        before.finished <= after.started for before, after in zip(runs, runs[1:], strict=False)
    )
