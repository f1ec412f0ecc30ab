"""``witness.py <directory> <seconds> [exit code [helper]]``: a task that tells if it runs twice.

While it runs it holds a lock on its task's own file, and writes there how it began and ended. With
``helper`` the first attempt leaves a daemon behind that holds the same lock and minds no SIGTERM,
and is over when that is gone too. Seconds of ``600,0`` are those of the first attempt, and of all
later ones. The times are of CLOCK_BOOTTIME, which no one sets.
"""

import fcntl
import os
import signal
import sys
import time

directory, seconds, code, helper = (*sys.argv[1:], "0", "")[:4]
task, attempt = os.environ["PG_TASKS_TASK_ID"], os.environ["PG_TASKS_ATTEMPT"]
file = os.open(f"{directory}/{task}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)


def write(what: str) -> None:
    """One write for each line: several attempts may be writing."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    os.write(file, f"{what} {task} {attempt} {os.getpid()} {now:.6f}\n".encode())


def leave_a_daemon() -> None:
    """The lock belongs to the open file, which a child shares."""
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(600)


try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    write("overlap")
    sys.exit(99)
write("begin")
if helper == "helper" and attempt == "1":
    leave_a_daemon()
spans = seconds.split(",")
time.sleep(float(spans[min(int(attempt), len(spans)) - 1]))
write("end " + code)
sys.exit(int(code))
