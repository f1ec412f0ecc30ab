"""What must be true of the database and of two modelled nodes, whatever has happened."""

from collections.abc import Sequence

from tests.procedures.acting import Sql
from tests.procedures.modelled_node import Key, ModelledNode

# Rows that contradict themselves.
_BROKEN = """
SELECT * FROM long_task.task
WHERE (state_id LIKE 'C%' AND finished IS NULL)
OR (state_id = 'AD' AND start_after IS NULL)
OR (state_id IN ('AE', 'AS', 'AC') AND (started IS NULL OR running_on IS NULL))
OR (queued_by NOT IN ('person', 'schedule', 'retry'))
OR attempt < base_attempt
"""
# Worker 3 is served by nobody.
_NEVER_RUN = """
SELECT id FROM long_task.task
WHERE state_id IN ('AW', 'AD')
AND worker_id IS DISTINCT FROM 3
AND (worker_id IS NOT NULL OR group_id = 0)
"""
_ATTEMPTS = """
SELECT running_on, id, attempt FROM long_task.task
UNION ALL
SELECT worker_id, task_id, attempt FROM long_task.deleted_attempt
"""


class Promises:
    """They are about all that ever was, so this remembers the attempts of deleted tasks."""

    def __init__(self, sql: Sql, nodes: Sequence[ModelledNode]) -> None:
        self._sql = sql
        self._nodes = nodes
        self._latest: dict[int, int] = {}

    def check(self) -> None:
        """After every step."""
        tasks = [key.task_id for node in self._nodes for key in node.live]
        assert len(tasks) == len(set(tasks)), "two processes of one task"
        assert self._sql.rows(_BROKEN) == []
        attempts = self._sql.rows(_ATTEMPTS)
        running = {(worker_id, Key(*key)) for worker_id, *key in attempts if worker_id is not None}
        for node in self._nodes:
            recorded = {key for worker_id, key in running if worker_id == node.worker_id}
            assert set(node.live) <= recorded, "a process of which the database knows nothing"
            if node.holding and node.compared:
                assert recorded <= node.known(), "an attempt that nobody will ever report"
        for _, task_id, attempt in attempts:
            assert attempt >= self._latest.get(task_id, 0), "an attempt number that went back"
            self._latest[task_id] = attempt
        runs = self._sql.rows("SELECT task_id, attempt FROM long_task.task_run")
        ended = self._all_attempts() - {key for _, key in running}
        assert {Key(*key) for key in runs} == ended, "history is not what happened"

    def check_end(self) -> None:
        """When two nodes have been left alone with the tasks for long enough."""
        self.check()
        assert self._sql.values(_NEVER_RUN) == [], "tasks that are never run"
        running = [row for row in self._sql.rows(_ATTEMPTS) if row[0] is not None]
        assert running == [], "attempts that never end"

    def _all_attempts(self) -> set[Key]:
        return {
            Key(task_id, attempt)
            for task_id, latest in self._latest.items()
            for attempt in range(1, latest + 1)
        }
