"""``slots.py <directory> <slots> <seconds>``: take one of so many places, or exit with 9.

The places are locks, so that the processes themselves find out whether there are too many of them.
"""

import fcntl
import sys
import time
from pathlib import Path

directory, slots, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
for place in range(slots):
    file = (directory / f"place-{place}").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        continue
    time.sleep(seconds)
    sys.exit(0)
sys.exit(9)
