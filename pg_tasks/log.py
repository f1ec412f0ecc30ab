"""The log: one line for each event, with keys that stay what they are.

``2026-02-01T12:00:00.125Z info event=task_started task_id=7 attempt=1``: time, level, then
``key=value`` in the order given.  A value with blanks, quotes or unprintable characters is quoted
as in JSON; None is an empty value.  Never log an environment, a command or a password;
``dsn.safe_dsn`` shows a connection string.
"""

import json
import logging
import sys
from datetime import datetime, timezone
from typing import TextIO

_LOGGER = "pg_tasks"


def set_up(level: str, stream: TextIO | None = None) -> None:
    """Log to ``stream`` (default: stderr) from ``level`` on; from other packages warnings only.

    For a program that is a node.  A program that embeds one sets up logging as it likes, and gets
    the same messages without time and level.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(_LOGGER).setLevel(level.upper())


def event(
    logger: logging.Logger,
    level: int,
    name: str,
    /,
    *,
    exc_info: BaseException | None = None,
    **values: object,
) -> None:
    """Log ``event=name`` and ``values``; with ``exc_info`` also the error and its trace."""
    if logger.isEnabledFor(level):
        pairs = {"event": name, **values}
        logger.log(level, _line(pairs), exc_info=exc_info, stacklevel=2)


class LineFormatter(logging.Formatter):
    """One line for each record, whoever logged it: a text that is no event is ``event=log``."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, tz=timezone.utc)
        text = record.getMessage()
        if record.name.partition(".")[0] != _LOGGER or not text.startswith("event="):
            text = _line({"event": "log", "logger": record.name, "text": text})
        if record.exc_info and (error := record.exc_info[1]) is not None:
            trace = self.formatException(record.exc_info)
            text += " " + _line({"error": f"{type(error).__name__}: {error}", "trace": trace})
        stamp = time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return f"{stamp} {record.levelname.lower()} {text}"


def _line(pairs: dict[str, object]) -> str:
    return " ".join(f"{key}={_value(value)}" for key, value in pairs.items())


def _value(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.3f}".rstrip("0").rstrip(".")
    text = str(value)
    if text and text.isprintable() and not set(' "=\\').intersection(text):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else _escaped(char) for char in quoted)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
