"""How many ``/bin/true`` in a second: from the COMMIT of their INSERT to the last final state."""

from benchmarks import peers
from benchmarks.lab import Lab, wait_until

_WARM_UP = 200


def begin_alike(lab: Lab, group: int = 0) -> None:
    """Forget all tasks, and run some.

    After a TRUNCATE the server has to make its plans again, which an installation has not.
    """
    lab.empty()
    rate(lab, _WARM_UP, group)


def rate(lab: Lab, count: int, group: int = 0) -> float:
    """Tasks in a second. Nothing else is in the queue."""
    connection = lab.connect(autocommit=False)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "WITH written AS (INSERT INTO long_task.task (state_id, group_id, command)"
                " SELECT 'AW', %s, ARRAY[%s] FROM generate_series(1, %s) RETURNING id)"
                " SELECT min(id) FROM written",
                (group, peers.TRUE, count),
            )
            (first,) = cursor.fetchone() or (None,)
            cursor.execute("SELECT clock_timestamp()")
            (began,) = cursor.fetchone() or (None,)
        connection.commit()
    finally:
        connection.close()
    # Both questions have an index of a few entries: to ask is next to nothing.
    busy = (
        "SELECT EXISTS (SELECT FROM long_task.task WHERE running_on IS NOT NULL) OR EXISTS ("
        " SELECT FROM long_task.task WHERE state_id = 'AW' AND running_on IS NULL"
        " AND worker_id IS NULL AND group_id = %s)"
    )
    wait_until(lambda: not lab.ask(busy, group), pause=0.1)
    ended = (
        "SELECT count(*) FROM long_task.task_run"
        " WHERE state_id = 'CS' AND exit_code = 0 AND task_id >= %s"
    )
    if lab.ask(ended, first) != count:
        raise RuntimeError("not every task ended well")
    took = (
        "SELECT extract(epoch FROM max(last_state_change) - %s)::float FROM long_task.task"
        " WHERE id >= %s"
    )
    return count / float(lab.ask(took, began, first))
