"""``python __main__.py <descriptor of the socket> <config>``: the guardian's process.

The node starts this file by its path, in isolated mode and without site-packages: the current
directory and PYTHON* variables of whoever started the node are the tasks' business, not its own.
"""

import gc
import os
import signal
import socket
import sys

if not __package__:
    sys.path.append(__file__.rsplit(os.sep, 3)[0])

from pg_tasks.guardian.channel import Channel
from pg_tasks.guardian.config import from_argument
from pg_tasks.guardian.extinction import kill_children
from pg_tasks.guardian.keeper import Keeper
from pg_tasks.guardian.kernel import become_subreaper
from pg_tasks.guardian.loop import Loop
from pg_tasks.guardian.spawn import Spawner
from pg_tasks.guardian.tree import ProcessTree

_NOT_OURS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_GARBAGE = 20_000
"""Objects made since the last look for cycles."""


def main(arguments: list[str]) -> None:
    """Serve the socket until its other end closes; then nothing that was started is left."""
    connection = _take_socket(int(arguments[0]))
    config = from_argument(arguments[1])
    _close_all_but(connection.fileno())
    # What a terminal sends goes to the node, which decides; the guardian ends with its socket.
    for signum in _NOT_OURS:
        signal.signal(signum, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _NOT_OURS)
    become_subreaper()
    tree = ProcessTree()
    # What is loaded stays, and attempts make no cycles: looking for those costs more than it finds.
    gc.freeze()
    gc.set_threshold(_GARBAGE)
    try:
        keeper = Keeper(config, Spawner(config.root, os.environb), tree)
        Loop(Channel(connection), keeper, os.getppid()).run()
    finally:
        kill_children(tree, lambda process: False)


def _take_socket(given: int) -> socket.socket:
    """The socket on a descriptor that no task inherits, and nothing where it was given (stdin)."""
    connection = socket.socket(fileno=os.dup(given))
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, given)
    os.close(null)
    return connection


def _close_all_but(kept: int) -> None:
    """The node may have inherited some that are not close-on-exec; no task is to see them."""
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd > 2 and fd != kept:
            try:
                os.close(fd)
            except OSError:
                continue  # The listing's own, which is closed already.


if __name__ == "__main__":
    main(sys.argv[1:])
