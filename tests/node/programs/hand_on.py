"""``hand_on.py <state> <seconds> <directory>``: ends its own task early, then works on for a while.

The address of the database is in TEST_DSN.
"""

import fcntl
import os
import sys
import time
from pathlib import Path

import psycopg2

state, seconds, directory = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])
task = os.environ["PG_TASKS_TASK_ID"]
with (directory / task).open("a") as file:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.write("overlap\n")
        sys.exit(99)
    connection = psycopg2.connect(os.environ["TEST_DSN"])
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE long_task.task SET state_id = %s WHERE id = %s AND attempt = %s",
            (state, task, os.environ["PG_TASKS_ATTEMPT"]),
        )
    connection.close()
    file.write("handed on\n")
    file.flush()
    time.sleep(seconds)
    file.write("left\n")
