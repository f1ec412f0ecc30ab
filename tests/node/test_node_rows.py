"""A row becomes a process: what of the row reaches it, and what of the node does not."""

import json
import os
import socket
from pathlib import Path

from tests.node.conftest import StartNode
from tests.node.running_node import RunningNode
from tests.node.tasks import Tasks, program, shell


def test_a_waiting_row_becomes_a_process_whose_end_is_written_down(
    node: RunningNode, tasks: Tasks
) -> None:
    task = tasks.add(["echo", "hello"])
    row = tasks.ended(task)
    assert (row.state_id, row.exit_code, row.signal, row.error) == ("CS", 0, None, None)
    assert (row.output, row.attempt, row.worker_id) == ("hello\n", 1, node.worker_id)
    assert row.created <= row.started <= row.finished <= row.last_state_change


def test_each_attempt_leaves_a_run_with_what_it_took(node: RunningNode, tasks: Tasks) -> None:
    task = tasks.add(shell("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done; exit 4"))
    tasks.ended(task)
    (run,) = tasks.runs(task)
    assert (run.attempt, run.worker_id, run.group_id) == (1, node.worker_id, 0)
    assert (run.state_id, run.exit_code, run.error) == ("CF", 4, "exit code 4")
    assert (run.output, run.started_by) == ("done\n", "person")
    assert run.node_name == f"{socket.gethostname()}-{node.worker_id}"
    assert run.pid is not None
    assert run.started <= run.finished
    assert run.user_seconds > 0
    assert 100_000 < run.peak_memory < 100_000_000


def test_arguments_reach_the_program_as_they_are_without_a_shell(
    node: RunningNode, tasks: Tasks
) -> None:
    given = ["$HOME", "a b", "", "*", "`id`", "ünï ☃", "new\nline", '"', "%s", "{}"]
    row = tasks.ended(tasks.add(program("tell", *given)))
    assert row.result["arguments"] == given


def test_an_element_that_is_the_word_for_the_task_becomes_its_id(
    node: RunningNode, tasks: Tasks
) -> None:
    task = tasks.add(program("tell", "%TASK", "x%TASK", "%task"))
    assert tasks.ended(task).result["arguments"] == [str(task), "x%TASK", "%task"]


def test_a_process_is_told_which_task_and_attempt_it_is(
    start_node: StartNode, tasks: Tasks
) -> None:
    start_node(7, 3)
    task = tasks.add(program("tell"), group_id=3, params={"a": [1, None, "ü"]})
    env = tasks.ended(task).result["env"]
    assert env["PG_TASKS_TASK_ID"] == str(task)
    assert env["PG_TASKS_ATTEMPT"] == "1"
    assert env["PG_TASKS_WORKER_ID"] == "7"
    assert env["PG_TASKS_GROUP_ID"] == "3"
    assert json.loads(env["PG_TASKS_PARAMS"]) == {"a": [1, None, "ü"]}


def test_without_params_there_is_no_variable_for_them(node: RunningNode, tasks: Tasks) -> None:
    assert "PG_TASKS_PARAMS" not in tasks.ended(tasks.add(program("tell"))).result["env"]


def test_the_env_of_the_row_goes_on_top_of_what_the_node_was_given(
    start_node: StartNode, tasks: Tasks
) -> None:
    start_node(environ={"FROM_NODE": "kept", "FROM_BOTH": "node"})
    given = {"FROM_BOTH": "row", "EMPTY": "", "TEXT": "ü\n'\"$HOME", "a.b-c": "odd name"}
    env = tasks.ended(tasks.add(program("tell"), env=given)).result["env"]
    assert env["FROM_NODE"] == "kept"
    assert {name: env[name] for name in given} == given


def test_a_row_cannot_pass_its_process_off_as_another_task(node: RunningNode, tasks: Tasks) -> None:
    task = tasks.add(
        program("tell"),
        env={"PG_TASKS_TASK_ID": "999", "PG_TASKS_ATTEMPT": "9", "PG_TASKS_WORKER_ID": "9"},
    )
    env = tasks.ended(task).result["env"]
    assert (env["PG_TASKS_TASK_ID"], env["PG_TASKS_ATTEMPT"]) == (str(task), "1")
    assert env["PG_TASKS_WORKER_ID"] == str(node.worker_id)


def test_the_settings_and_the_password_of_the_node_do_not_reach_a_process(
    start_node: StartNode, tasks: Tasks
) -> None:
    start_node(environ={"PGPASSWORD": "hunter2", "PG_TASKS_CALL_TIMEOUT": "14"})
    env = tasks.ended(tasks.add(program("tell"))).result["env"]
    assert not {"PGPASSWORD", "PG_TASKS_CALL_TIMEOUT", "PG_TASKS_DSN"} & env.keys()
    assert "hunter2" not in json.dumps(env)


def test_the_stdin_of_the_row_is_read_to_its_end(node: RunningNode, tasks: Tasks) -> None:
    for text in ("line\nü\n", "x" * 1_000_000, ""):
        assert tasks.ended(tasks.add(program("tell"), stdin=text)).result["stdin"] == text


def test_without_stdin_a_process_reads_an_empty_input(node: RunningNode, tasks: Tasks) -> None:
    assert tasks.ended(tasks.add(program("tell"))).result["stdin"] == ""


def test_a_process_that_does_not_read_its_input_is_not_disturbed_by_it(
    node: RunningNode, tasks: Tasks
) -> None:
    assert tasks.ended(tasks.add(["true"], stdin="x" * 1_000_000)).state_id == "CS"


def test_a_process_works_where_its_row_says_from_the_root_of_the_node(
    node: RunningNode, tasks: Tasks, tmp_path: Path
) -> None:
    (node.root / "below" / "ünder").mkdir(parents=True)
    places = {
        None: node.root,
        "below/ünder": node.root / "below" / "ünder",
        "..": tmp_path,
        str(tmp_path): tmp_path,
    }
    ids = {cwd: tasks.add(program("tell"), cwd=cwd) for cwd in places}
    for cwd, place in places.items():
        assert tasks.ended(ids[cwd]).result["cwd"] == str(place)


def test_a_process_leads_a_session_and_has_no_descriptors_but_three(
    node: RunningNode, tasks: Tasks
) -> None:
    result = tasks.ended(tasks.add(program("tell"))).result
    assert result["session"] is True
    assert result["descriptors"] == [0, 1, 2]


def test_what_a_process_writes_to_its_result_file_becomes_the_result(
    node: RunningNode, tasks: Tasks
) -> None:
    texts = ["null", "17", '"ü"', '[1, {"a": null}]', " {} \n", "1e400"]
    ids = [tasks.add(shell('cat > "$PG_TASKS_RESULT"'), stdin=text) for text in texts]
    for task, text in zip(ids, texts, strict=True):
        row = tasks.ended(task)
        assert (row.state_id, row.error) == ("CS", None)
        (stored,) = tasks.sql(
            "SELECT result = %s::jsonb AS same FROM long_task.task WHERE id = %s", text, task
        )
        assert stored.same, text


def test_a_result_that_is_no_json_fails_its_task_and_no_other(
    node: RunningNode, tasks: Tasks
) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    texts = ["{", "nothing", "NaN", '"\\u0000"', '"\\ud800"', deep, "1 2"]
    ids = []
    for text in texts:
        ids += [tasks.add(shell('cat > "$PG_TASKS_RESULT"'), stdin=text), tasks.add(["true"])]
    for task in ids[::2]:
        row = tasks.ended(task)
        assert (row.state_id, row.exit_code, row.result) == ("CF", 0, None)
        assert "result" in row.error
    assert {tasks.ended(task).state_id for task in ids[1::2]} == {"CS"}


def test_a_result_beyond_the_limit_fails_the_task(start_node: StartNode, tasks: Tasks) -> None:
    start_node(result_limit="1 KiB")
    task = tasks.add(shell('head -c 5000 /dev/zero | tr "\\0" 1 > "$PG_TASKS_RESULT"'))
    row = tasks.ended(task)
    assert (row.state_id, row.result) == ("CF", None)
    assert "result" in row.error


def test_a_process_that_fails_can_leave_a_result_too(node: RunningNode, tasks: Tasks) -> None:
    row = tasks.ended(tasks.add(shell('echo [1] > "$PG_TASKS_RESULT"; exit 3')))
    assert (row.state_id, row.exit_code, row.result) == ("CF", 3, [1])


def test_result_files_are_gone_when_their_tasks_are_over(
    start_node: StartNode, tasks: Tasks, tmp_path: Path
) -> None:
    start_node(run_dir=tmp_path / "run")
    tasks.ended(tasks.add(shell('echo 1 > "$PG_TASKS_RESULT"')))
    assert [path for path in (tmp_path / "run").rglob("*") if path.is_file()] == []


def test_a_relative_program_is_found_by_the_path_of_the_row(
    node: RunningNode, tasks: Tasks, tmp_path: Path
) -> None:
    found = tmp_path / "bin" / "a-program-of-this-test"
    found.parent.mkdir()
    found.write_text("#!/bin/sh\necho found\n")
    found.chmod(0o755)
    path = f"{found.parent}:{os.environ['PATH']}"
    assert tasks.ended(tasks.add([found.name], env={"PATH": path})).output == "found\n"
