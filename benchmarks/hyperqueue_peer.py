"""``python hyperqueue_peer.py <count> <at once> discard|capture``: seconds that HyperQueue takes.

Server, worker and client live in this process, which is what HyperQueue's Python package offers.
Its client hears of the end of a job once a second. So the end is taken from one more task, which
needs that all others have ended well: HyperQueue makes its output file when it starts.
"""

import sys
import time
from pathlib import Path
from typing import Any

from hyperqueue import Job, LocalCluster
from hyperqueue.client import Client
from hyperqueue.cluster import WorkerConfig

_TRUE = ["/bin/true"]
_WARM_UP = 100


def main(count: int, parallel: int, output: str) -> None:
    """The seconds are the last line of what it prints."""
    # By its annotation the directory is a Path, but only a str is taken.
    server: Any = str(Path("server").absolute())
    with LocalCluster(server, WorkerConfig(cores=parallel)) as cluster:
        client = cluster.client()
        _run(client, _WARM_UP, output)
        took = _run(client, count, output)
    sys.stdout.write(f"\n{took}\n")


def _run(client: Client, count: int, output: str) -> float:
    last = Path("last").absolute()
    last.unlink(missing_ok=True)
    job = Job(default_workdir=Path.cwd())
    how = {"stdout": None, "stderr": None} if output == "discard" else {}
    tasks = [job.program(_TRUE, **how) for _ in range(count)]
    job.program(_TRUE, stdout=str(last), stderr=None, deps=tasks)
    began = time.time()
    client.submit(job)
    while not last.exists():
        time.sleep(0.005)
    return last.stat().st_mtime - began


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
