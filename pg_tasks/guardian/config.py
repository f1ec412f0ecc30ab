"""What the guardian is told when it is started, as one argument of its command line."""

import json
from typing import NamedTuple


class Config(NamedTuple):
    """Nothing of this is secret: every user of the machine can read it in the process list."""

    run_dir: str
    """Absolute. Result files are kept here; of one guardian alone, mode 0700."""
    root: str
    """Absolute. Where a task without ``cwd`` runs, and what a relative ``cwd`` is relative to."""
    slots: int | None = None
    """How many attempts there may be at once; more than that wait. None: no limit."""
    output_tail: int = 8192
    """Bytes of stdout and stderr that ``Ended.output`` keeps of each attempt."""
    output_dir: str | None = None
    """Absolute. Where the whole output goes, as ``<task_id>-<attempt>.log``; None: nowhere."""
    output_limit: int = 100 * 1024 * 1024
    """Bytes of one such file; what comes after is in the tail only."""
    result_limit: int = 1024 * 1024
    """Bytes of a result file."""


def to_argument(config: Config) -> str:
    """JSON; ``from_argument`` reads it back."""
    return json.dumps(config._asdict(), separators=(",", ":"))


def from_argument(argument: str) -> Config:
    """Raises ValueError or TypeError when ``argument`` is not of ``to_argument``."""
    return Config(**json.loads(argument))
