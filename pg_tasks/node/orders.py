"""From the orders of the database to requests for the guardian. Pure."""

from pg_tasks.messages import Kill, Request, Start, Stop
from pg_tasks.node.calls import Attend, Order

CANCELLED = "cancelled"


def unusable(order: Order) -> str | None:
    """Why the command cannot be started; None: it can. Triggers refuse what cannot."""
    if order.command and order.command[0] and all(isinstance(item, str) for item in order.command):
        return None
    return f"command {order.command} cannot be run"


def start_request(order: Order, worker_id: int, kill_grace: float) -> Start:
    """How to start what was claimed; ``kill_grace`` is for tasks that do not set their own."""
    env = dict(order.env or {})
    # Last, so that no row passes its process off as another attempt's.
    env["PG_TASKS_TASK_ID"] = str(order.task_id)
    env["PG_TASKS_ATTEMPT"] = str(order.attempt)
    env["PG_TASKS_WORKER_ID"] = str(worker_id)
    env["PG_TASKS_GROUP_ID"] = str(order.group_id)
    if order.params is not None:
        env["PG_TASKS_PARAMS"] = order.params
    if order.scheduled_for is not None:
        env["PG_TASKS_SCHEDULED_FOR"] = order.scheduled_for
    if order.run_id is not None:
        env["PG_TASKS_RUN_ID"] = str(order.run_id)
    return Start(
        task_id=order.task_id,
        attempt=order.attempt,
        argv=order.command,
        cwd=order.cwd,
        env=env,
        stdin=order.stdin,
        timeout=order.timeout,
        kill_grace=kill_grace if order.kill_grace is None else order.kill_grace,
        priority=order.priority,
    )


def attend_request(attend: Attend, completion_grace: float) -> Request:
    """What to do about a process that must not just go on.

    A process whose row is no longer executing, because the task ended itself, may finish what it is
    doing for ``completion_grace`` seconds.
    """
    match attend.what:
        case "stop":
            return Stop(attend.task_id, attend.attempt)
        case "leave":
            return Kill(
                attend.task_id,
                attend.attempt,
                reason=f"still running {completion_grace:g} s after it had ended its own task",
                delay=completion_grace,
            )
        case _:
            return Kill(attend.task_id, attend.attempt, reason=CANCELLED)
