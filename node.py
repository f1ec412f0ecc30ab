"""Runs the tasks of one worker: ``python node.py <worker_id> [<group_id> [<slots> [<name>]]]``."""

import sys

try:
    from pg_tasks.console.cli import node_main
except (
    ImportError,
    SyntaxError,
) as error:  # packages that are missing, or a Python that is too old
    sys.exit(f"node.py: {error} (run `make install`, then .venv/bin/python node.py)")

if __name__ == "__main__":
    sys.exit(node_main())
