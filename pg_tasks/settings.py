"""What can be configured, and how file, environment and command line become one Settings.

Setting ``kill_grace`` is the key ``kill_grace`` of the configuration file, the environment variable
``PG_TASKS_KILL_GRACE`` and the option ``--kill-grace``; the command line is over the environment,
and the environment over the file.  An empty variable and an empty key count as not set.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from pg_tasks.config_file import CONFIG_VARIABLE, Given, find_config, read_config
from pg_tasks.dsn import safe_dsn, secrets_of
from pg_tasks.errors import SettingsError
from pg_tasks.setting_kinds import INT4_MAX, KIB, MIB, Kind, Range, near_miss, parse

PREFIX = "PG_TASKS_"
"""What the environment variable of every setting begins with."""

_DAY = 86400.0
_NEAR = 0.8
"""How alike a variable must be to a setting's to count as a misspelling.  Others are left alone: an
orchestrator may put PG_TASKS_SERVICE_HOST there, and tasks see PG_TASKS_TASK_ID and its like."""


def _setting(
    kind: Kind, default: Any, text: str, low: float | None = None, high: float | None = None
) -> Any:
    metadata = {"kind": kind, "text": text, "range": Range(low, high)}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def _cpus() -> int:
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, repr=False)
class Settings:
    """Everything a node can be told.  Durations are seconds, sizes bytes.

    Making one checks the values; SettingsError names the field, the value and what is allowed.
    """

    worker_id: int = _setting(Kind.INTEGER, 1, "the worker whose tasks this node runs", 0, INT4_MAX)
    group_id: int = _setting(
        Kind.INTEGER, 0, "the group from which the worker takes tasks", -INT4_MAX - 1, INT4_MAX
    )
    max_task_count: int = _setting(
        Kind.INTEGER,
        _cpus,
        "slots: how many tasks run at once (default: number of CPUs)",
        1,
        100_000,
    )
    node_name: str | None = _setting(
        Kind.TEXT,
        None,
        "what the node is called in its worker's row (default: host name and worker)",
    )
    dsn: str | None = _setting(
        Kind.DSN,
        None,
        "the database (default: where libpq's PGHOST, PGPORT, PGDATABASE or PGSERVICE point,"
        " else an embedded PostgreSQL)",
    )
    listen_dsn: str | None = _setting(
        Kind.DSN,
        None,
        "where to listen, past the pooler, if dsn leads through one in transaction mode",
    )
    data_dir: Path | None = _setting(
        Kind.PATH,
        None,
        "where the embedded PostgreSQL keeps its data (default: ~/.local/share/pg_tasks,"
        " for root /var/lib/pg_tasks)",
    )
    root: Path | None = _setting(
        Kind.PATH,
        None,
        "the directory from which a task's relative cwd is taken"
        " (default: the one the node was started in)",
    )
    kill_grace: float = _setting(
        Kind.SECONDS,
        10.0,
        "time between SIGTERM and SIGKILL, for tasks that do not set their own",
        0,
        _DAY,
    )
    completion_grace: float = _setting(
        Kind.SECONDS,
        10.0,
        "time a process has to exit after it set its own row to CS or CF",
        0,
        _DAY,
    )
    stop_grace: float = _setting(
        Kind.SECONDS,
        10.0,
        "time running tasks get to end by themselves when the node is stopped",
        0,
        _DAY,
    )
    lease_duration: float = _setting(
        Kind.SECONDS, 30.0, "how long a node holds its worker without renewing", 0.1, _DAY
    )
    lease_renewal: float = _setting(
        Kind.SECONDS,
        10.0,
        "how often the lease is renewed, at most half of lease_duration less lease_margin",
        0.05,
        _DAY,
    )
    lease_margin: float = _setting(
        Kind.SECONDS,
        1.0,
        "how long before its end the node stops trusting the lease, at most half of lease_duration",
        0,
        _DAY,
    )
    recovery_delay: float = _setting(
        Kind.SECONDS, 5.0, "how long after its end a lease counts as lost", 0, _DAY
    )
    output_tail: int = _setting(
        Kind.SIZE, 8 * KIB, "how much of the end of a task's output reaches its row", 0, 16 * MIB
    )
    output_dir: Path | None = _setting(
        Kind.PATH,
        None,
        "where each attempt's whole output is kept, a file for each (default: nowhere)",
    )
    output_limit: int = _setting(
        Kind.SIZE, 100 * MIB, "how large a file of output_dir may become", 0, 2**63 - 1
    )
    result_limit: int = _setting(
        Kind.SIZE, MIB, "how large a task's result file may be", 0, 255 * MIB
    )
    run_dir: Path | None = _setting(
        Kind.PATH,
        None,
        "where result files live while a task runs (default: a private temporary directory)",
    )
    connect_timeout: float = _setting(
        Kind.SECONDS, 10.0, "time the database has to accept a connection", 1, _DAY
    )
    call_timeout: float = _setting(
        Kind.SECONDS,
        10.0,
        "time the database has to answer a call before the link counts as dead;"
        " never more than half of the lease less its margin",
        0.1,
        _DAY,
    )
    log_level: str = _setting(Kind.LEVEL, "info", "what is logged: debug, info, warning or error")

    def __post_init__(self) -> None:
        values = {}
        for name, spec in SPECS.items():
            values[name] = value = getattr(self, name)
            if value is not None or spec.default is not None:
                values[name] = _parsed(spec, f"Settings.{name}", value)
                object.__setattr__(self, name, values[name])
        _check_lease(values, {name: f"Settings.{name}" for name in SPECS})

    def __repr__(self) -> str:
        parts = (
            f"{name}={safe_dsn(value)!r}" if _is_dsn(name) and value else f"{name}={value!r}"
            for name, value in ((name, getattr(self, name)) for name in SPECS)
        )
        return f"Settings({', '.join(parts)})"


SPECS: dict[str, Field[Any]] = {spec.name: spec for spec in fields(Settings)}
"""The settings by name: default, and as metadata ``kind``, ``text`` and ``range``."""


def load(
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    config_path: Path | None = None,
) -> Settings:
    """The settings from ``overrides`` over ``environ`` (default: the process's) over the file.

    ``overrides`` are the command line's, by setting name; None stands for not given.
    ``config_path`` None: the file that ``find_config`` finds, if any.  Raises SettingsError: one
    line that names the source, the value (a dsn's never) and what is allowed.
    """
    environment = os.environ if environ is None else environ
    path = config_path or find_config(environment)
    values = {name: default_of(spec) for name, spec in SPECS.items()}
    sources: dict[str, str] = {}
    for source, name, value in [
        *(read_config(path, SPECS) if path else []),
        *_from_environment(environment),
        *_from_command_line(overrides or {}),
    ]:
        values[name] = _parsed(SPECS[name], source, value)
        sources[name] = source
    _check_lease(values, sources)
    return Settings(**values)


def option(name: str) -> str:
    """The command line's spelling of a setting."""
    return "--" + name.replace("_", "-")


def default_of(spec: Field[Any]) -> Any:
    """What a setting is when nobody sets it; some defaults are asked of the machine."""
    return spec.default if spec.default_factory is MISSING else spec.default_factory()


def _from_environment(environ: Mapping[str, str]) -> Iterator[Given]:
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or not environ[variable]:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if variable == PREFIX + name.upper() and name in SPECS:
            yield Given(variable, name, environ[variable])
        elif variable != CONFIG_VARIABLE and (meant := near_miss(name, list(SPECS), _NEAR)):
            raise SettingsError(
                f"unknown environment variable {variable}",
                hint=f"did you mean {PREFIX}{meant.upper()}?",
            )


def _from_command_line(overrides: Mapping[str, object]) -> Iterator[Given]:
    for name, value in overrides.items():
        if name not in SPECS:
            meant = near_miss(name, list(SPECS))
            raise SettingsError(
                f"unknown option {option(name)}",
                hint=f"did you mean {option(meant)}?" if meant else None,
            )
        if value is not None:
            if _is_dsn(name):
                _refuse_secrets(name, str(value))
            yield Given(option(name), name, value)


def _is_dsn(name: str) -> bool:
    return SPECS[name].metadata["kind"] is Kind.DSN


def _refuse_secrets(name: str, dsn: str) -> None:
    try:
        secrets = secrets_of(dsn)
    except ValueError:
        return  # said with its source when the value is parsed
    if secrets:
        raise SettingsError(
            f"{option(name)} carries a {secrets[0]},"
            " and every user of the machine can read a command line",
            hint=f"use {PREFIX}{name.upper()}, the configuration file or ~/.pgpass",
        )


def _parsed(spec: Field[Any], source: str, value: object) -> Any:
    try:
        return parse(spec.metadata["kind"], spec.metadata["range"], value)
    except ValueError as error:
        raise SettingsError(f"{source} {error}") from None


def _check_lease(values: Mapping[str, Any], sources: Mapping[str, str]) -> None:
    """A lease must be trusted for half its time at least, and outlive one renewal that fails.

    And between the fence and the moment when others may run the tasks there must be some time.
    """
    duration, margin = values["lease_duration"], values["lease_margin"]

    def said(name: str) -> str:
        return sources.get(name, f"the default of {name}")

    lease = f"lease_duration ({duration:g}, {sources.get('lease_duration', 'its default')})"
    less = f" less lease_margin ({margin:g}, {sources.get('lease_margin', 'its default')})"
    for name, limit, allowed in (
        ("lease_margin", duration / 2, f"at most half of {lease}"),
        ("lease_renewal", (duration - margin) / 2, f"at most half of {lease}{less}"),
    ):
        if values[name] > limit:
            raise SettingsError(f"{said(name)} is {values[name]:g}, allowed is {allowed}")
    if margin + values["recovery_delay"] <= 0:
        raise SettingsError(
            f"{said('recovery_delay')} is 0, allowed is more than 0 if lease_margin is 0"
            f" ({said('lease_margin')})"
        )
