"""The node's side of the guardian: start it, talk with it, and clean up behind it when it died."""

import os
import select
import socket
import sys
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGKILL, SIGTERM
from types import TracebackType

from pg_tasks.errors import GuardianDied, ProtocolError, SettingsError
from pg_tasks.guardian.channel import Channel
from pg_tasks.guardian.config import Config, to_argument
from pg_tasks.guardian.extinction import kill_children
from pg_tasks.guardian.kernel import become_subreaper
from pg_tasks.guardian.tree import Process, ProcessTree
from pg_tasks.messages import Ended, Fenced, News, Pong, Request, Started
from pg_tasks.node import run_dir

CLOSE_LIMIT = 30.0
"""Seconds: a guardian that has not killed everything by then is stuck, and killed itself."""
_GLANCE = 0.25
"""Seconds after which a guardian that is waited for is looked at: it may have been stopped."""


class GuardianLink:
    """One guardian process, for one thread. Nothing blocks but ``close`` and ``kill_orphans``."""

    @classmethod
    def start(
        cls,
        config: Config,
        environment: Mapping[bytes, bytes] | None = None,
        own_dir: Path | None = None,
    ) -> "GuardianLink":
        """Start a guardian; the calling process becomes a subreaper.

        ``environment``: what tasks inherit; None: this process's own, in both cases less the node's
        settings and password. ``own_dir``: the node's directory for result files, which the caller
        removes; None: ``config.run_dir`` is made if need be, and the link takes one in it.
        Raises SettingsError when a directory cannot be used, OSError when nothing can be started.
        """
        tree = ProcessTree()
        _check_directory(config.root, "root")
        if config.output_dir is not None:
            run_dir.make_private(Path(config.output_dir), "output_dir")
        claimed = run_dir.claim(Path(config.run_dir), tree) if own_dir is None else None
        become_subreaper()
        before = {
            pid: process.started
            for pid in tree.children(os.getpid())
            if (process := tree.look(pid)) is not None
        }
        ours, theirs = socket.socketpair()
        try:
            where = str(own_dir or claimed)
            pid = _spawn(theirs, config._replace(run_dir=where), environment)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return cls(pid, ours, tree, claimed, before)

    def __init__(
        self,
        pid: int,
        connection: socket.socket,
        tree: ProcessTree,
        own_dir: Path | None,
        before: dict[int, int],
    ) -> None:
        """For ``start``. ``own_dir``: what to remove in the end; ``before``: pid and start of the
        children this process had already."""
        self.pid = pid
        self._channel = Channel(connection)
        self._tree = tree
        self._process = tree.look(pid) or Process(pid, 0, 0, 0, 0, zombie=True)
        self._run_dir = own_dir
        self._before = before
        self._reaped = False

    def fileno(self) -> int:
        """Readable: call ``receive``."""
        return self._channel.fileno()

    @property
    def wants_write(self) -> bool:
        """True: call ``flush`` when ``fileno()`` is writable."""
        return self._channel.wants_write

    def send(self, messages: Iterable[Request]) -> None:
        """Send as one frame; what the guardian does not take now is kept for ``flush``.

        Raises GuardianDied.
        """
        try:
            self._channel.send(messages)
        except ConnectionError:
            raise GuardianDied from None

    def flush(self) -> None:
        """Send what was kept, as far as it goes. Raises GuardianDied."""
        try:
            self._channel.flush()
        except ConnectionError:
            raise GuardianDied from None

    def receive(self) -> list[News]:
        """What has come; empty when nothing has. Raises GuardianDied, after all it had to say."""
        try:
            messages = self._channel.receive()
        except (ConnectionError, ProtocolError) as error:
            raise GuardianDied(f"the guardian is gone: {error}") from None
        return [item for item in messages if isinstance(item, Started | Ended | Fenced | Pong)]

    def last_words(self) -> list[News]:
        """After ``kill_orphans``: what it had said and nobody has read. Raises nothing."""
        poller = select.poll()
        poller.register(self._channel.fileno(), select.POLLIN)
        said: list[News] = []
        with suppress(GuardianDied):
            while poller.poll(0):
                said += self.receive()
        return said

    def shut(self) -> None:
        """Have the guardian end itself and everything it runs, at once; ``close`` waits for it."""
        if not self._reaped:
            self._channel.shut_writing()

    def close(self, limit: float = CLOSE_LIMIT, spare: Collection[int] = ()) -> None:
        """End the guardian and everything it runs, at once, and wait for that; may be repeated.

        A guardian that takes longer than ``limit`` seconds, or is stopped, is killed, and its tasks
        from here, as are those of one that somebody else has killed; ``spare`` as for
        ``kill_orphans``.
        """
        if not self._reaped:
            self.shut()
            if not (self._ends_within(limit) and self._reap()):
                self.kill_orphans(spare)
        self._channel.close()
        if self._run_dir is not None:
            run_dir.remove(self._run_dir)

    @property
    def is_stopped(self) -> bool:
        """Whether somebody has stopped it (SIGSTOP, a debugger): it hears nothing."""
        process = self._tree.look(self.pid)
        return process is not None and process.stopped

    def kill(self) -> None:
        """Kill the guardian alone, and wait for nothing: ``receive`` tells when it is dead."""
        if not self._reaped:
            self._tree.signal(self._process, SIGKILL)

    def kill_orphans(self, spare: Collection[int] = ()) -> int:
        """After GuardianDied: end the guardian for certain, and all that it had started.

        Every child of this process is killed with its tree, but for those in this process's
        session (no task is), those that were there before the guardian was started, and the pids
        in ``spare``. Returns when none is left, with the number of processes killed.
        """
        if not self._reaped:
            self._tree.signal(self._process, SIGKILL)
            self._reap()
        session = os.getsid(0)

        def is_own(process: Process) -> bool:
            return (
                process.session == session
                or process.pid in spare
                or self._before.get(process.pid) == process.started
            )

        return kill_children(self._tree, is_own)

    def __enter__(self) -> "GuardianLink":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ends_within(self, limit: float) -> bool:
        """Wait for the guardian's end of the socket to close: the kernel does it for the dead."""
        poller = select.poll()
        poller.register(self._channel.fileno(), select.POLLIN)
        until = time.monotonic() + limit
        while True:
            left = until - time.monotonic()
            if poller.poll(min(max(left, 0.0), _GLANCE) * 1000):
                try:
                    self._channel.receive()
                except (ConnectionError, ProtocolError):
                    return True
            elif left <= 0 or self.is_stopped:
                return False

    def _reap(self) -> bool:
        """Whether it ended by itself, so that all it ran is gone; True too if nobody knows."""
        self._reaped = True
        try:
            _, status = os.waitpid(self.pid, 0)
        except ChildProcessError:
            return True  # the program that a node is embedded in may reap whatever ends
        return os.WIFEXITED(status)


def task_environment(environment: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """``environment`` without the node's settings (PG_TASKS_*, maybe a DSN) and PGPASSWORD."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(b"PG_TASKS_") and name != b"PGPASSWORD"
    }


def _spawn(
    connection: socket.socket, config: Config, environment: Mapping[bytes, bytes] | None
) -> int:
    """The guardian's standard input is its end of the socket, its standard error is ours."""
    program = Path(__file__).parents[1] / "guardian" / "__main__.py"
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    log = 2 if _is_open(2) else null
    try:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", str(program), "0", to_argument(config)],
            task_environment(os.environb if environment is None else environment),
            file_actions=(
                (os.POSIX_SPAWN_DUP2, connection.fileno(), 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ),
            setsid=True,
            # Until it has said that it ignores them: a stop of the whole service may come at once.
            setsigmask=(SIGTERM, SIGINT, SIGHUP),
        )
    finally:
        os.close(null)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _check_directory(path: str, setting: str) -> None:
    if not Path(path).is_dir():
        raise SettingsError(f"{setting} {path} is not a directory")
