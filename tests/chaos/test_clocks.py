"""The clock of the node's machine is wrong, or is set while tasks run."""

import signal
from pathlib import Path

import pytest

from tests.chaos.witnesses import Witnesses
from tests.node.conftest import StartNode
from tests.node.running_node import SHORT_LEASE
from tests.node.tasks import shell
from tests.servers import Database
from tests.waiting import wait_until


def find_libfaketime() -> Path:
    """Debian's place; LookupError when the machine has none."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        raise LookupError("the tests need libfaketime from Debian: see tests/provision.sh")
    return found[0]


class WallClock:
    """CLOCK_REALTIME as one node sees it; no other clock is touched.

    Its guardian is left alone: libfaketime takes an absolute timerfd of any clock for one of the
    wall clock, and shifts the fence with it, which no real clock does.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        # Read by the node and not by the guardian, which is started with -I.
        (directory / "sitecustomize.py").write_text('import os\n\nos.environ.pop("LD_PRELOAD")\n')
        self._file = directory / "shift"
        self.set("+0")
        self.environ = {
            "PYTHONPATH": str(directory),
            "LD_PRELOAD": str(find_libfaketime()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, shift: str) -> None:
        """``shift`` is libfaketime's: ``+365d``."""
        new = self._file.with_suffix(".new")
        new.write_text(shift + "\n")
        new.replace(self._file)


@pytest.fixture
def wall_clock(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path / "faketime")


def years(log: str) -> list[str]:
    """Of the lines of a log."""
    return [line.partition("-")[0] for line in log.splitlines()]


def check_times(witnesses: Witnesses) -> None:
    """Every time in the rows is the database's."""
    (wrong,) = witnesses.tasks.sql(
        "SELECT count(*) FROM long_task.task AS t JOIN long_task.task_run AS r ON r.task_id = t.id"
        " WHERE NOT (t.created <= r.started AND r.started <= r.finished"
        " AND r.finished <= long_task.clock())"
    )
    assert wrong.count == 0


@pytest.mark.parametrize("shift", ["+365d", "-365d"])
def test_a_clock_that_is_a_year_off_changes_nothing(
    start_node: StartNode, witnesses: Witnesses, wall_clock: WallClock, shift: str
) -> None:
    wall_clock.set(shift)
    node = start_node(1, 0, 4, environ=wall_clock.environ, lease_duration=60, lease_renewal=0.1)
    (before,) = witnesses.tasks.sql("SELECT locked_until FROM long_task.worker")
    witnesses.add_many(20, 0.05)
    witnesses.tasks.all_ended()
    wait_until(
        lambda: witnesses.tasks.sql("SELECT locked_until FROM long_task.worker")[0],
        lambda row: row.locked_until > before.locked_until,
        describe="the lease to be renewed",
    )
    check_times(witnesses)
    (now,) = witnesses.tasks.sql("SELECT to_char(clock_timestamp(), 'YYYY') AS year")
    assert now.year not in years(node.log())
    assert "event=lease_lost" not in node.log()


def test_a_clock_that_is_set_while_tasks_run_changes_nothing(
    start_node: StartNode, witnesses: Witnesses, wall_clock: WallClock
) -> None:
    node = start_node(1, 0, 4, environ=wall_clock.environ, lease_duration=60, lease_renewal=0.05)
    running = witnesses.tasks.add(
        shell("while [ ! -e go ]; do sleep 0.02; done; exit 3"), timeout="1 hour"
    )
    witnesses.tasks.in_state(running, "AE")
    for shift in ("+365d", "-365d", "+1d", "-1h", "+0"):
        wall_clock.set(shift)
        for task in witnesses.add_many(3, 0.05):
            assert witnesses.tasks.ended(task).state_id == "CS"
    assert len(set(years(node.log()))) == 3
    (node.root / "go").touch()
    assert witnesses.tasks.ended(running).exit_code == 3
    check_times(witnesses)
    assert "event=lease_lost" not in node.log()
    (row,) = witnesses.tasks.sql("SELECT epoch FROM long_task.worker_lease")
    assert row.epoch == 1


def test_a_frozen_node_whose_clock_is_set_back_is_fenced_all_the_same(
    start_node: StartNode, launch: StartNode, witnesses: Witnesses, wall_clock: WallClock
) -> None:
    frozen = start_node(1, 0, 4, environ=wall_clock.environ, **SHORT_LEASE)
    task = witnesses.add(600, 0, helper=True, max_attempts=2, retry_delay="0")
    witnesses.begins(task)
    standby = launch(recovery_delay=0.3)
    standby.says("event=standby")
    frozen.signal(signal.SIGSTOP)
    wall_clock.set("-365d")
    standby.serves()
    assert frozen.tasks() == []
    frozen.signal(signal.SIGCONT)
    frozen.says("event=lease_lost")
    witnesses.judge()


def test_a_step_of_the_databases_clock_gives_nobody_the_tasks_of_others(
    start_node: StartNode, witnesses: Witnesses, database: Database
) -> None:
    """Every lease is over at once: each node ends its own tasks, and nobody else's start before."""
    lease = {"lease_duration": 20, "lease_renewal": 1, "recovery_delay": 0.1}
    nodes = [start_node(worker, 0, 2, **lease) for worker in (1, 2, 3)]
    ids = [
        witnesses.add(600, 0, helper=True, max_attempts=5, retry_delay="0", kill_grace="1 hour")
        for _ in range(6)
    ]
    for task in ids:
        witnesses.begins(task)
    database.clock.advance(3600)
    for node in nodes:
        node.says("event=lease_lost")
    witnesses.judge()
    kinds = witnesses.tasks.sql("SELECT DISTINCT kind FROM long_task.worker_event ORDER BY kind")
    assert [row.kind for row in kinds] == ["taken", "taken over"]
