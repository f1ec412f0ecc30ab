"""Leaves as its result what a process can see of how it was started."""

import json
import os
import sys
from pathlib import Path

seen = {
    "arguments": sys.argv[1:],
    "cwd": str(Path.cwd()),
    "env": dict(os.environ),
    "stdin": sys.stdin.read(),
    "descriptors": sorted(int(path.name) for path in Path("/proc/self/fd").iterdir())[:-1],
    "session": os.getsid(0) == os.getpid(),
}
Path(os.environ["PG_TASKS_RESULT"]).write_text(json.dumps(seen))
