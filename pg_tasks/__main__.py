"""``python -m pg_tasks`` is ``pg-tasks``."""

import sys

from pg_tasks.console.cli import main

if __name__ == "__main__":
    sys.exit(main())
