"""What it costs that there are many tasks which wait, or have ended."""

from collections.abc import Iterator
from typing import NamedTuple

from benchmarks import peers, turns
from benchmarks.lab import Lab
from benchmarks.report import Result, say

NAME = "depth"
_CHUNK = 500_000


class Crowd(NamedTuple):
    """Tasks that are there already."""

    name: str
    millions: int
    columns: str
    values: str
    more: str = ""
    """A statement about them."""


_CROWDS = (
    Crowd("waiting", 10, "state_id", "'AW'"),
    Crowd(
        "ended",
        10,
        "state_id, attempt, worker_id, started, finished, exit_code, output",
        "'CS', 1, 1, now(), now(), 0, ''",
        "INSERT INTO long_task.task_run"
        " (task_id, attempt, group_id, worker_id, started, finished, state_id, exit_code, output,"
        " started_by, part) SELECT id, 1, 0, 1, started, finished, 'CS', 0, '', 'person',"
        " (SELECT max(part) FROM long_task.task_run_part)"
        " FROM long_task.task WHERE id > %s",
    ),
    Crowd(
        "delayed",
        1,
        "state_id, start_after",
        "'AD', now() + interval '1 day' + n * interval '1 second'",
    ),
    Crowd(
        "blocked",
        1,
        "state_id, has_needs, has_dependents",
        "CASE WHEN n > 1 THEN 'AB' ELSE 'DR' END, n > 1, n = 1",
        "INSERT INTO long_task.task_dependency (task_id, needs_task_id)"
        " SELECT id, (SELECT min(id) FROM long_task.task) FROM long_task.task"
        " WHERE id > %s AND has_needs",
    ),
    Crowd("pinned to an absent worker", 1, "state_id, worker_id", "'AW', 77"),
    Crowd("waiting with 1000 priorities", 1, "state_id, priority", "'AW', n %% 1000"),
)


def run(lab: Lab, *, small: bool) -> Iterator[Result]:
    """Each crowd is in a database of its own, whose node takes turns with that of an empty one."""
    crowds = [crowd for crowd in _CROWDS if crowd.more] if small else _CROWDS
    settings = turns.Turns(NAME, 0.5, 1, 10) if small else turns.Turns(NAME, 3, 5, 1000)
    for crowd in crowds:
        count = 1_000 * crowd.millions if small else 1_000_000 * crowd.millions
        say(f"  {count} tasks {crowd.name}")
        with lab.beside("crowded") as other:
            gather(other, crowd, count)
            name = f"{count} {crowd.name}"
            yield from turns.compare(lab, other, name, settings)
        lab.empty()


def gather(lab: Lab, crowd: Crowd, count: int) -> None:
    """Insert so many of them. Triggers would look at every one."""
    lab.ask("SET session_replication_role = replica")
    for done in range(0, count, _CHUNK):
        last = lab.ask("SELECT COALESCE(max(id), 0) FROM long_task.task")
        lab.ask(
            f"INSERT INTO long_task.task (command, {crowd.columns})"
            f" SELECT ARRAY[%s], {crowd.values} FROM generate_series(%s, %s) AS n",
            peers.TRUE,
            done + 1,
            min(done + _CHUNK, count),
        )
        if crowd.more:
            lab.ask(crowd.more, last)
    lab.ask("SET session_replication_role = origin")
    lab.ask("VACUUM ANALYZE long_task.task, long_task.task_run, long_task.task_dependency")
    lab.ask("CHECKPOINT")
