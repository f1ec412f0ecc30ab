"""The guardian's few log lines, in the node's form, on standard error."""

import os
import select

_LINE_LIMIT = 4096
"""PIPE_BUF: a pipe that is ready for writing takes this much without blocking (pipe(7))."""


def log(event: str, **facts: object) -> None:
    """Write one line, or nothing when the reader of standard error is not keeping up.

    Never blocks: a guardian that waits for a log collector would not keep its fence.
    """
    line = " ".join([f"event={event}", *(f"{key}={value}" for key, value in facts.items())])
    data = line.replace("\n", " ").encode(errors="replace")[: _LINE_LIMIT - 1] + b"\n"
    poller = select.poll()
    poller.register(2, select.POLLOUT)
    try:
        if any(events & select.POLLOUT for _, events in poller.poll(0)):
            os.write(2, data)
    except OSError:
        return
