"""``pg-tasks doctor`` as a person uses it, on a real database."""

from pathlib import Path

import pytest

from tests.node.tasks import Tasks
from tests.servers import Database
from tests.shell import Shell


@pytest.fixture
def shell(tmp_path: Path, database: Database) -> Shell:
    return Shell(tmp_path, {"PG_TASKS_DSN": database.dsn, "PYTHONIOENCODING": "utf-8"})


def test_problems_are_told_with_what_to_do_and_end_with_1(shell: Shell, tasks: Tasks) -> None:
    tasks.sql("INSERT INTO long_task.task (state_id, command, group_id) VALUES ('AW', '{true}', 7)")
    tasks.sql("UPDATE test_clock.state SET shift = '1 hour'")
    done = shell("doctor", COLUMNS="60")
    assert (done.code, done.err) == (1, "")
    lines = done.out.splitlines()
    start = lines.index("problem: group 7 (group_without_node)")
    end = lines.index("", start)
    assert lines[start + 1].startswith("    A task that any worker of it may run could be")
    assert lines[end - 1] == "    -> Start a node: node.py <worker_id> 7"
    assert " problem" in lines[-1]
    assert max(map(len, lines)) <= 60


def test_notes_and_warnings_end_with_0(shell: Shell, tasks: Tasks) -> None:
    tasks.sql(
        "CREATE OR REPLACE FUNCTION long_task.doctor() RETURNS SETOF long_task.finding"
        " LANGUAGE sql STABLE AS $$ VALUES"
        " ('warning', 'slow', 'table a', 'It is slow.', 'VACUUM a'),"
        " ('note', 'hidden', 'bob', 'It is hidden.', 'Ask ann.') $$"
    )
    done = shell("doctor")
    assert done == (
        0,
        "warning: table a (slow)\n    It is slow.\n    -> VACUUM a\n\n"
        "note: bob (hidden)\n    It is hidden.\n    -> Ask ann.\n\n"
        "1 warning, 1 note\n",
        "",
    )
