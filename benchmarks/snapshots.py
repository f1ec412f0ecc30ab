"""What a snapshot costs that somebody holds while tasks come and go."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from benchmarks import turns
from benchmarks.lab import Lab
from benchmarks.report import Result, say

NAME = "snapshots"
_BATCH = 200


def run(lab: Lab, *, small: bool) -> Iterator[Result]:
    """Two databases, each with its node, take turns; a session looks at one all the time."""
    since = 2_000 if small else 500_000
    settings = turns.Turns(NAME, 0.5, 1, 10) if small else turns.Turns(NAME, 3, 7, 1000)
    with lab.beside("looked_at") as other, held(other):
        say(f"  {since} tasks come and go while a session holds a snapshot")
        pass_through(other, since)
        name = f"snapshot older than {since} tasks"
        yield from turns.compare(lab, other, name, settings)
    lab.empty()


@contextmanager
def held(lab: Lab) -> Iterator[None]:
    """Meanwhile a session sees all that there is now."""
    with closing(lab.connect(autocommit=False)) as connection:
        connection.set_session(isolation_level="REPEATABLE READ")
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM long_task.task")
        yield


def pass_through(lab: Lab, count: int) -> None:
    """So many tasks are claimed and end, without processes."""
    turns.fill(lab, count + _BATCH)
    client = turns.Client(lab)
    for _ in range(count // _BATCH):
        client.call(_BATCH)
    client.leave()
