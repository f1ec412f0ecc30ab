"""How tests define workflows, start them and look at their runs."""

import json
from typing import Any

from tests.procedures.acting import Node, Sql

Step = dict[str, Any]


def define(
    sql: Sql, name: str, steps: dict[str, Step], *edges: tuple[Any, ...], **columns: object
) -> int:
    """A workflow of these steps; an edge is (step, needed step) and perhaps columns."""
    insert(sql, "workflow", {"name": name, **columns})
    for step, given in steps.items():
        insert(sql, "workflow_step", {"workflow": name, "name": step, "command": ["true"], **given})
    for step, needed, *more in edges:
        row = {"workflow": name, "step": step, "needs_step": needed, **(more[0] if more else {})}
        insert(sql, "workflow_edge", row)
    return int(sql.value("SELECT max(version) FROM long_task.workflow WHERE name = %s", name))


def insert(sql: Sql, table: str, row: dict[str, Any]) -> None:
    names = ", ".join(f'"{name}"' for name in row)
    places = ", ".join(["%s"] * len(row))
    values = [json.dumps(value) if isinstance(value, dict) else value for value in row.values()]
    sql.run(f"INSERT INTO long_task.{table} ({names}) VALUES ({places})", *values)


def start(sql: Sql, name: str, **params: Any) -> int:
    return int(sql.value("SELECT long_task.start_workflow(%s, %s)", name, json.dumps(params)))


def states(sql: Sql, run_id: int) -> dict[str, str]:
    """The states of the tasks by step, a letter more for each item."""
    rows = sql.rows(
        "SELECT step, string_agg(state_id, ' ' ORDER BY item) FROM long_task.task"
        " WHERE run_id = %s GROUP BY step",
        run_id,
    )
    return dict(rows)


def status(sql: Sql, run_id: int) -> str:
    return str(sql.value("SELECT status FROM long_task.workflow_status WHERE run_id = %s", run_id))


def run_step(sql: Sql, node: Node, run_id: int, step: str, **facts: Any) -> None:
    """All tasks of a step, which are ready."""
    ids = sql.values("SELECT id FROM long_task.task WHERE run_id = %s AND step = %s", run_id, step)
    claimed = node.claim(free=100)
    for task_id in ids:
        assert task_id in claimed or sql.look(task_id, "running_on") is not None
        node.report(task_id, sql.look(task_id, "attempt"), **facts)


ETL: tuple[Any, ...] = (
    {"extract": {}, "clean": {}, "check": {}, "load": {}},
    ("clean", "extract"), ("check", "extract"), ("load", "clean"), ("load", "check"),
)  # fmt: skip
