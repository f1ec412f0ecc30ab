"""``witness.py <directory> <seconds> [exit code]``: whether this task runs twice at the same time.

Holds a lock on the task's own file while it runs, and writes there how it began and ended. An
attempt that finds the lock held writes "overlap".
"""

import fcntl
import os
import sys
import time
from pathlib import Path

directory, seconds = sys.argv[1], float(sys.argv[2])
task, attempt = os.environ["PG_TASKS_TASK_ID"], os.environ["PG_TASKS_ATTEMPT"]
with (Path(directory) / task).open("a") as file:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.write(f"overlap {attempt}\n")
        sys.exit(99)
    file.write(f"begin {attempt}\n")
    file.flush()
    time.sleep(seconds)
    file.write(f"end {attempt}\n")
    file.flush()
sys.exit(int(sys.argv[3]) if len(sys.argv) > 3 else 0)
