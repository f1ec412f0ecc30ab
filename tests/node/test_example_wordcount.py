"""The example of a workflow: its own files, by a real node, with the counts counted again here."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.node.running_node import RunningNode
from tests.node.tasks import Tasks
from tests.servers import Database
from tests.shell import ROOT, Shell
from tests.waiting import wait_until

EXAMPLE = ROOT / "examples" / "wordcount"
TEXTS = ROOT / "db" / "procedures"


class Example:
    """What its README tells a person to do, as one who may do no more than write tasks."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.marker, self.target = directory / "agreed", directory / "it's the report.txt"
        self._tasks = Tasks(database)
        role = {"PG_TASKS_DSN": database.dsn, "PGOPTIONS": "-c role=long_task_user"}
        self._shell = Shell(directory, role)

    def psql(self, *words: str, **variables: object) -> str:
        settings = [f"--set={name}={value}" for name, value in variables.items()]
        options = ["-X", "-At", "-v", "ON_ERROR_STOP=1", *settings]
        done = self._shell("psql", *options, *words)
        assert (done.code, done.err) == (0, ""), done
        return done.out

    def define(self) -> None:
        self.psql("-f", str(EXAMPLE / "definition.sql"))

    def start(self) -> int:
        said = self.psql(
            "-f",
            str(EXAMPLE / "start.sql"),
            programs=EXAMPLE,
            texts=TEXTS,
            marker=self.marker,
            target=self.target,
        )
        words = said.split()
        assert (words[0], words[2:]) == ("run", ["of", "wordcount"])
        return int(words[1])

    def look(self, run_id: int) -> list[list[str]]:
        said = self.psql("-f", str(EXAMPLE / "look.sql"), run=run_id)
        return [line.split("|") for line in said.splitlines()]

    def ended(self, run_id: int) -> str:
        """Waits until nothing of the run is active; its status."""
        (row,) = wait_until(
            lambda: self._tasks.sql(
                "SELECT status, finished FROM long_task.workflow_status WHERE run_id = %s", run_id
            ),
            lambda rows: rows[0].finished is not None,
            describe="the run to end",
        )
        return str(row.status)

    def steps(self, run_id: int) -> dict[str, Any]:
        """The only task of each step that is not fanned out."""
        rows = self._tasks.sql("SELECT * FROM long_task.task WHERE run_id = %s", run_id)
        return {row.step: row for row in rows if row.item is None}

    def attempts(self, run_id: int) -> list[tuple[str, str | None, int]]:
        """Every attempt that was ever made: step, parameter item, number."""
        rows = self._tasks.sql(
            "SELECT t.step, t.params ->> 'item' AS item, r.attempt FROM long_task.task_run AS r"
            " JOIN long_task.task AS t ON t.id = r.task_id WHERE t.run_id = %s",
            run_id,
        )
        return sorted(((row.step, row.item, row.attempt) for row in rows), key=str)


@pytest.fixture
def example(database: Database, tmp_path: Path, node: RunningNode) -> Example:
    found = Example(database, tmp_path)
    found.define()
    return found


def test_the_words_are_counted_and_the_run_goes_on_where_it_failed(example: Example) -> None:
    texts = sorted(TEXTS.glob("*.sql"))
    run_id = example.start()
    assert example.ended(run_id) == "failed"

    expected = sum((words_of(path) for path in texts), Counter[str]())
    steps = example.steps(run_id)
    counted = steps["join"].result
    assert counted["files"] == len(texts) > 100
    assert counted["words"] == sum(expected.values()) > 10_000
    assert counted["distinct"] == len(expected)
    assert [number for _, number in counted["most"]] == sorted(expected.values())[:-6:-1]
    assert all(expected[word] == number for word, number in counted["most"])

    assert (steps["approve"].state_id, steps["approve"].exit_code) == ("CF", 2)
    assert str(example.marker) in steps["approve"].output
    assert (steps["publish"].state_id, steps["publish"].attempt) == ("CC", 0)
    good = [("count", path.name, 1) for path in texts] + [("join", None, 1), ("report", None, 1)]
    assert example.attempts(run_id) == sorted([*good, ("approve", None, 1)], key=str)
    seen = example.look(run_id)
    assert seen[0] == ["failed", *map(str, [len(texts) + 4, 0, 0, len(texts) + 2, 1, 1])]
    assert [row[:3] for row in seen[1:3]] == [
        ["failed", "approve", "CF"],
        ["blocked", "publish", "CC"],
    ]
    assert not example.target.exists()

    example.marker.touch()
    assert example.psql("-c", f"SELECT long_task.resume_workflow({run_id})") == "2\n"
    assert example.ended(run_id) == "completed"
    again = [("approve", None, 1), ("approve", None, 2), ("publish", None, 1)]
    assert example.attempts(run_id) == sorted([*good, *again], key=str)
    assert {row.state_id for row in example.steps(run_id).values()} == {"CS"}
    lines = example.target.read_text().splitlines()
    assert lines[0] == (
        f"{counted['words']} words, {counted['distinct']} different ones, {len(texts)} files"
    )
    assert [line.split() for line in lines[1:]] == [
        [str(number), word] for word, number in counted["most"]
    ]
    # Only the table of attempts is left of what look.sql had to show.
    assert example.look(run_id)[1][0] == "count"


def test_nothing_has_to_be_approved_twice(example: Example) -> None:
    example.marker.touch()
    run_id = example.start()
    assert example.ended(run_id) == "completed"
    assert {attempt for _, _, attempt in example.attempts(run_id)} == {1}
    assert example.target.exists()


def words_of(path: Path) -> Counter[str]:
    """Counted in another way than the example does it."""
    text = path.read_text(encoding="utf-8").lower()
    return Counter("".join(c if c.isalnum() or c == "_" else " " for c in text).split())
