"""The calls that a node makes to the procedures of schema long_task, and what they answer.

The one module that knows their SQL. Values are bound, never written into the text. Nothing here
does I/O: ``link`` carries a Call, and what comes back is parsed here.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from pg_tasks.messages import Ended
from pg_tasks.node.lease import Terms
from pg_tasks.node.watch import Watched
from pg_tasks.schema_version import SchemaVersion

SCHEDULE_CHANNEL = "long_task_schedule"
"""Where a start is announced that comes before all others (procedure announce_schedule)."""


class Call(NamedTuple):
    """One statement and its values."""

    sql: str
    values: tuple[Any, ...] = ()


class Identity(NamedTuple):
    """Who asks for a worker."""

    worker_id: int
    group_id: int
    slots: int
    node_name: str
    host: str
    pid: int
    process: str
    """Names this node for good (``remains.name_process``)."""
    version: str


class Locked(NamedTuple):
    """The answer to ``lock``."""

    epoch: int | None
    """None: another node holds the worker."""
    held_by: str | None
    retry_in: float | None
    """Seconds."""
    held_process: str | None
    """The process of that node."""
    held_lease: Watched | None


class Order(NamedTuple):
    """What to start."""

    task_id: int
    attempt: int
    group_id: int
    command: list[str]
    cwd: str | None
    env: dict[str, str] | None
    params: str | None
    stdin: str | None
    timeout: float | None
    kill_grace: float | None
    scheduled_for: str | None
    """The time of the schedule that it is started for, in ISO 8601."""
    run_id: int | None = None
    """The run of a workflow that it is a part of."""
    priority: int = 0
    """Smaller is sooner."""
    error: str | None = None
    """Why it cannot be started: what it needs of other tasks cannot be passed to it."""


class Attend(NamedTuple):
    """A process that must not just go on."""

    task_id: int
    attempt: int
    what: str
    """'stop', 'kill' or 'leave'."""


class Synced(NamedTuple):
    """The answer to ``sync``."""

    start: list[Order]
    attend: list[Attend]
    again: frozenset[int]
    """Tasks whose report has to be handed in again."""
    stop: int
    """The worker's stop code."""
    wake_in: float | None
    """Seconds until something is due."""
    watch: list[Watched] | None
    """The leases of other workers that this node watches; told at a renewal."""
    heed: str | None = None
    """What is said on the group's channel to this node among others; it is idle."""
    maintain: bool = False
    """Whether there is something to tidy up; told at a renewal."""


class Maintained(NamedTuple):
    """The answer to ``maintain``."""

    turn: int | None
    again_in: float | None
    """Seconds until the next step; None: nothing more is due, or somebody else is at it."""
    error: str | None
    """What could not be done in this round."""


Row: TypeAlias = Sequence[Any]


_VERSION = (
    "SELECT version, oldest_node, current_setting('server_encoding')"
    " FROM long_task.schema_version()"
)


def greet(worker_id: int, group_id: int, call_timeout: float) -> Call:
    """Prepare a connection: its limits, its channels, that it can stand at a post (procedure
    take_post); asks for the version of the schema.

    The procedures are made for READ COMMITTED, whatever the default of the database or the role is.
    """
    limits = _limits(call_timeout, local=False)
    isolation = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED"
    listening = _listening(worker_id, group_id)
    post = "SELECT set_config('long_task.post', '-1', false)"
    return Call(f"{limits.sql}; {isolation}; {listening}; {post}; {_VERSION}", limits.values)


def greet_pooled() -> Call:
    """Ask for the version of the schema, and leave nothing behind in the session."""
    return Call(_VERSION)


def limited(call: Call, call_timeout: float) -> Call:
    """``call`` with its limits, which end with its transaction."""
    limits = _limits(call_timeout, local=True)
    return Call(f"{limits.sql}; {call.sql}", (*limits.values, *call.values))


def listen(worker_id: int, group_id: int) -> Call:
    """Listen, on a connection that does nothing else; the lock says so (announce_ready)."""
    lock = "SELECT pg_advisory_lock_shared(hashtext('long_task.ear'), %s)"
    return Call(f"{_listening(worker_id, group_id)}; {lock}; SELECT true", (group_id,))


def _limits(call_timeout: float, *, local: bool) -> Call:
    """They stay below ``call_timeout``, so that a call that waits too long is ended by the server,
    and no connection is left hanging there."""
    return Call(
        "SELECT set_config('statement_timeout', %s, %s), set_config('lock_timeout', %s, %s),"
        " set_config('client_min_messages', 'warning', %s)",
        (f"{int(call_timeout * 900)}ms", local, f"{int(call_timeout * 500)}ms", local, local),
    )


def _listening(worker_id: int, group_id: int) -> str:
    channels = group_channel(group_id), worker_channel(worker_id), SCHEDULE_CHANNEL
    return "; ".join(f'LISTEN "{channel}"' for channel in channels)


def group_channel(group_id: int) -> str:
    """Where work for a group is announced (procedure announce)."""
    return f"long_task_group_{group_id:d}"


def worker_channel(worker_id: int) -> str:
    """Where news for one worker is announced (procedure announce)."""
    return f"long_task_worker_{worker_id:d}"


def lock(
    identity: Identity,
    connection: int,
    terms: Terms,
    recovery_delay: float,
    dead_process: str | None,
    watched: Sequence[str],
    reports: Sequence[Ended],
    now: float,
) -> Call:
    """Ask for the worker, handing in what could not be reported under the lease before.

    ``connection``: its number among the node's; ``dead_process``: a holder that is proven dead;
    ``watched``: the holder's lease, if its end was waited for.
    """
    *who, version = identity
    return Call(
        "SELECT epoch, held_by, retry_in, held_process, held_lease, whole"
        " FROM long_task.lock_worker"
        "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::json, %s, %s::text[])",
        (
            *who,
            connection,
            version,
            terms.duration,
            recovery_delay,
            reports_json(reports, now),
            dead_process,
            list(watched),
        ),
    )


def renew(worker_id: int, epoch: int, connection: int, lease_seconds: float) -> Call:
    """Keep the worker over a new connection, and shut out what earlier ones left behind."""
    return Call(
        "SELECT long_task.renew_lease(%s, %s, %s, %s)",
        (worker_id, epoch, connection, lease_seconds),
    )


def sync(
    worker_id: int,
    epoch: int,
    connection: int,
    *,
    reports: Sequence[Ended],
    free_slots: int,
    running: int,
    lease_seconds: float | None,
    known: list[int] | None,
    watched: list[str] | None,
    now: float,
) -> Call:
    """The call of a working node; see db/procedures/sync.sql."""
    return Call(
        "SELECT long_task.sync(%s, %s, %s, %s::json, %s, %s, %s, %s::bigint[], %s::text[])",
        (
            worker_id,
            epoch,
            connection,
            reports_json(reports, now) if reports else None,
            free_slots,
            running,
            lease_seconds,
            known,
            watched,
        ),
    )


def leave(worker_id: int, epoch: int, connection: int) -> Call:
    """Give the worker back. The answer is null if that has to be asked again."""
    return Call("SELECT long_task.leave_worker(%s, %s, %s)", (worker_id, epoch, connection))


def maintain(turn: int | None) -> Call:
    """Tidy up a little; see db/procedures/maintain_step.sql."""
    return Call("SELECT long_task.maintain_step(%s)", (turn,))


def parse_version(row: Row) -> SchemaVersion:
    """The row that ``greet`` asked for."""
    return SchemaVersion(*row)


def parse_locked(row: Row) -> Locked:
    """The row that ``lock`` asked for."""
    epoch, held_by, retry_in, held_process, held_lease, whole = row
    lease = None if held_lease is None else Watched(held_lease, retry_in, whole)
    return Locked(epoch, held_by, retry_in, held_process, lease)


def parse_synced(row: Row) -> Synced:
    """The row that ``sync`` asked for."""
    (answer,) = row
    return Synced(
        start=[_order(order) for order in answer["start"] or ()],
        attend=[Attend(*attend) for attend in answer["attend"] or ()],
        again=frozenset(answer["again"] or ()),
        stop=answer["stop"],
        wake_in=answer["wake_in"],
        watch=None if answer["watch"] is None else [Watched(*item) for item in answer["watch"]],
        # By name, so that an earlier schema may say less.
        heed=answer.get("heed"),
        maintain=answer.get("maintain", False),
    )


def parse_maintained(row: Row) -> Maintained:
    """The row that ``maintain`` asked for."""
    (answer,) = row
    return Maintained(answer.get("turn"), answer.get("again_in"), answer.get("error"))


def _order(order: dict[str, Any]) -> Order:
    """By name, so that a later schema may say more."""
    return Order(**{name: order[name] for name in Order._fields if name in order})


def reports_json(reports: Sequence[Ended], now: float) -> str:
    """What procedure finish_attempts takes. Times become ages, because clocks are not compared."""
    return json.dumps([_report(report, now) for report in reports], separators=(",", ":"))


def _report(report: Ended, now: float) -> dict[str, Any]:
    said: dict[str, Any] = {
        "task_id": report.task_id,
        "attempt": report.attempt,
        "pid": report.pid,
        "exit_code": report.exit_code,
        "signal": report.signal,
        "core_dumped": report.core_dumped,
        "reason": report.reason,
        "timeout": report.timeout,
        "error": _storable(report.error),
        "started_ago": round(now - report.started, 6),
        "ended_ago": round(now - report.ended, 6),
        "user_seconds": report.user_seconds,
        "system_seconds": report.system_seconds,
        "peak_memory": report.peak_memory,
        "output": _storable(report.output),
        "result": _storable(report.result),
    }
    if report.given_back:
        said["given_back"] = True
    return said


def _storable(text: str | None) -> str | None:
    """PostgreSQL stores neither NUL nor half a surrogate pair: one would refuse the whole call."""
    if text is None:
        return None
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
