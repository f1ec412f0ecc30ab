"""A node inside somebody else's program: ``pg_tasks.Node(settings).run()``."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import psutil
import pytest

import pg_tasks
from pg_tasks.errors import PgTasksError
from tests.node.running_node import clean_environment
from tests.node.tasks import Tasks, program
from tests.servers import Database
from tests.waiting import wait_until

Program = subprocess.Popen[str]


class Embed(Protocol):
    def __call__(self, way: str) -> Program: ...


@pytest.fixture
def embed(database: Database) -> Iterator[Embed]:
    """Starts ``programs/embed.py``."""
    with ExitStack() as stack:

        def start(way: str) -> Program:
            started = subprocess.Popen(
                program("embed", way, database.dsn),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=clean_environment(),
            )
            stack.enter_context(started)
            stack.callback(started.kill)
            return started

        yield start


def said(process: Program) -> str:
    """Waits for its end; the line it wrote, less its pid."""
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    return out.partition(" pid=")[0]


def test_in_the_main_thread_a_signal_stops_the_node_and_the_program_goes_on(
    embed: Embed, tasks: Tasks
) -> None:
    process = embed("main")
    assert tasks.ended(tasks.add(["echo", "embedded"])).output == "embedded\n"
    process.send_signal(signal.SIGTERM)
    assert said(process) == "[0] child=True"


def test_in_another_thread_the_program_stops_the_node(embed: Embed, tasks: Tasks) -> None:
    process = embed("thread")
    assert tasks.ended(tasks.add(["echo", "embedded"])).output == "embedded\n"
    assert said(process) == "[0] child=True"


def test_what_runs_when_an_embedded_node_stops_goes_by_the_same_rule(
    embed: Embed, tasks: Tasks
) -> None:
    process = embed("thread")
    task = tasks.add(["sleep", "1000"])
    wait_until(_guardian(process).children, describe="the process of the task")
    assert said(process) == "[0] child=True"
    row = tasks.row(task)
    assert (row.state_id, row.error) == ("CF", "Node stopped")


def test_nodes_one_after_the_other_leave_no_descriptors_behind(embed: Embed, tasks: Tasks) -> None:
    # Five exit codes, and one number of descriptors for all five.
    assert said(embed("again")) == "[0, 0, 0, 0, 0, 1] child=True"


def test_a_process_is_one_node_at_a_time(embed: Embed, tasks: Tasks) -> None:
    assert said(embed("second")) == (
        "a node is running in this process already (one process is one node: start another process)"
        "\n[0] child=True"
    )


def test_a_node_that_was_stopped_before_it_ran_leaves_at_once(embed: Embed, tasks: Tasks) -> None:
    assert said(embed("stopped")) == "[0] child=True"


def test_when_the_guardian_dies_the_children_of_the_program_are_spared(
    embed: Embed, tasks: Tasks
) -> None:
    process = embed("thread")
    task = tasks.add(["sleep", "1000"])
    guardian = _guardian(process)
    (sleeper,) = wait_until(guardian.children)
    guardian.kill()
    assert tasks.ended(task).error == "Guardian died"
    assert not sleeper.is_running()
    out, err = process.communicate(timeout=60)
    assert out.startswith("[0] child=True")
    assert "event=guardian_died" in err
    assert "killed=1" in err


def test_a_node_needs_to_be_told_its_database() -> None:
    with pytest.raises(PgTasksError, match="needs a database"):
        pg_tasks.Node(pg_tasks.Settings())


def _guardian(process: Program) -> psutil.Process:
    """The only one of the node in it."""
    (guardian,) = wait_until(
        lambda: [
            child
            for child in psutil.Process(process.pid).children()
            if "guardian" in " ".join(child.cmdline())
        ]
    )
    return guardian
