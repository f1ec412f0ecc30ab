"""What tests of schedules with a real node ask and do."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.node.tasks import Tasks
from tests.waiting import wait_until

SECOND = timedelta(seconds=1)


def soon(tasks: Tasks, seconds: float = 0.5) -> datetime:
    """The time so many seconds from now, by the database's clock; negative: before now."""
    (at,) = tasks.sql("SELECT long_task.clock() + make_interval(secs => %s) AS time", seconds)
    assert isinstance(at.time, datetime)
    return at.time


def add_ended(tasks: Tasks, command: Sequence[str]) -> int:
    """A task that has ended before anybody could start it, so that only a schedule does."""
    task = tasks.add(command, state_id="DR")
    # In one transaction, so that no node claims it in between.
    tasks.sql(
        "DO $$ BEGIN"
        f" UPDATE long_task.task SET state_id = 'AW' WHERE id = {task};"
        f" UPDATE long_task.task SET state_id = 'AC' WHERE id = {task};"
        " END $$"
    )
    return task


def wait_for(tasks: Tasks, time: datetime) -> None:
    """Until the database's clock has passed ``time``."""
    wait_until(lambda: soon(tasks, 0), lambda now: now > time, describe=f"{time}")


def starts(tasks: Tasks, task_id: int) -> list[datetime | None]:
    """The times of the schedule for which the task itself was run, in order of attempts."""
    return [run.scheduled_for for run in tasks.runs(task_id)]


def clone_starts(tasks: Tasks, task_id: int) -> list[datetime]:
    """Those of its copies, in order of id."""
    rows = tasks.sql(
        "SELECT scheduled_for FROM long_task.task WHERE shed_parent_id = %s ORDER BY id", task_id
    )
    return [row.scheduled_for for row in rows]


def series(first: datetime, count: int, step: timedelta = SECOND) -> list[datetime]:
    """``count`` starts, the first at ``first``."""
    return [first + step * number for number in range(count)]
