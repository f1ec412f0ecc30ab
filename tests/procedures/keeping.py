"""How tests of retention write policies, make tasks that ended long ago, and tidy up."""

import json
from typing import Any, NamedTuple

from tests.procedures.acting import Sql


class Round(NamedTuple):
    """What ``CALL long_task.maintain()`` says."""

    tasks: int
    runs: int
    made: int
    dropped: int
    error: str | None


def policy(sql: Sql, group_id: int | None = None, **columns: object) -> None:
    """A policy; what is not named is kept for ever."""
    names = ", ".join(["group_id", *columns])
    places = ", ".join(["%s"] * (1 + len(columns)))
    sql.run(
        f"INSERT INTO long_task.retention ({names}) VALUES ({places})", group_id, *columns.values()
    )


def keep_history(sql: Sql, **columns: object) -> None:
    """How long history is kept."""
    sql.run("DELETE FROM long_task.history_retention")
    names, places = ", ".join(columns), ", ".join(["%s"] * len(columns))
    sql.run(
        f"INSERT INTO long_task.history_retention ({names}) VALUES ({places})", *columns.values()
    )


def ended(sql: Sql, state_id: str = "CS", days: float = 2, **columns: object) -> int:
    """A task that was written, and has ended, so many days ago."""
    task_id = sql.insert(**{"state_id": "DR", **columns})
    age(sql, task_id, state_id, days)
    return task_id


def age(sql: Sql, task_id: int, state_id: str = "CS", days: float = 2) -> None:
    """The task has ended so many days ago."""
    with sql.without_triggers():
        sql.run(
            "UPDATE long_task.task SET state_id = %s, running_on = NULL,"
            " created = long_task.clock() - make_interval(secs => %s),"
            " last_state_change = long_task.clock() - make_interval(secs => %s) WHERE id = %s",
            state_id, days * 86400, days * 86400, task_id,
        )  # fmt: skip


def tidy(sql: Sql) -> Round:
    """All that is due, in a session that commits."""
    return Round(*sql.row("CALL long_task.maintain()"))


def step(sql: Sql, turn: int | None = None) -> dict[str, Any]:
    """One step, as a node asks for it."""
    answer = sql.value("SELECT long_task.maintain_step(%s)", turn)
    assert isinstance(answer, dict), json.dumps(answer)
    return answer


def tidy_by_steps(sql: Sql) -> list[dict[str, Any]]:
    """The same in one transaction."""
    steps = [step(sql, 0)]
    while steps[-1]["again_in"] is not None:
        steps.append(step(sql, steps[-1]["turn"]))
    return steps


def tasks(sql: Sql) -> list[int]:
    """The ids of all tasks that are there."""
    return sql.values("SELECT id FROM long_task.task ORDER BY id")
