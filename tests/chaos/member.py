"""A place in a cluster that always has a node: one that ends is replaced."""

import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
from psycopg2.extensions import connection as Connection

from tests.chaos.proxy import Proxy
from tests.node.running_node import SHORT_LEASE, RunningNode
from tests.servers import Database
from tests.waiting import wait_until


class Member:
    """A node, and its own way to the database."""

    def __init__(self, database: Database, directory: Path, worker_id: int, slots: int) -> None:
        self.worker_id = worker_id
        self.proxy = Proxy(database)
        self._database = _Shared(database)
        self._directory = directory
        self._slots = slots
        self._past: list[RunningNode] = []
        self._frozen: RunningNode | None = None
        self._killed_guardian: int | None = None
        self._start()

    @property
    def node(self) -> RunningNode:
        """The present one, which may have ended."""
        return self._past[-1]

    @property
    def is_frozen(self) -> bool:
        return self._frozen is self.node

    def replace_if_dead(self) -> None:
        """Starts a node if there is none."""
        if self.node.process.poll() is not None:
            self._start()

    def has_guardian(self) -> bool:
        """Whether the node lives and a guardian that nobody has killed is watching over it."""
        guardian = self._guardian()
        return guardian is not None and guardian.pid != self._killed_guardian

    def kill(self) -> None:
        self.node.process.kill()

    def kill_guardian(self) -> None:
        guardian = self._guardian()
        if guardian is not None:
            self._killed_guardian = guardian.pid
            guardian.kill()

    def freeze(self) -> Callable[[], None]:
        """Stops the node; returns what wakes it up."""
        node = self.node
        node.signal(signal.SIGSTOP)
        self._frozen = node

        def wake() -> None:
            node.signal(signal.SIGCONT)
            if self._frozen is node:
                self._frozen = None

        return wake

    def signal(self, number: signal.Signals) -> bool:
        """False: there is no node that could hear it."""
        if self.is_frozen or self.node.process.poll() is not None:
            return False
        self.node.signal(number)
        return True

    def close(self) -> None:
        """Ends the node as an operator does, and looks for what no node must have left."""
        # A node hears SIGTERM once it has come so far as to say something.
        wait_until(
            lambda: self.node.process.poll() is not None or "event=" in self.node.log(),
            describe="the node to start",
        )
        if self.node.process.poll() is None:
            code = self.node.stop()
            # 1: it has ends to tell of attempts that somebody else has written off meanwhile.
            assert code == 0 or (code == 1 and "event=lease_lost" in self.node.log())
        for node in self._past:
            node.close()
            _, trace, rest = node.log().partition("Traceback")
            assert not trace, rest[:2000]
        self.proxy.close()

    def destroy(self) -> None:
        """Ends it without a look."""
        for node in self._past:
            for process in node.alive():
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            node.process.wait()
        self.proxy.close()

    def _start(self) -> None:
        self._killed_guardian = None
        self._past.append(
            RunningNode(
                self._database,
                self._directory,
                (self.worker_id, 0, self._slots),
                dsn=self.proxy.dsn,
                call_timeout=1,
                connect_timeout=1,
                **SHORT_LEASE,  # type: ignore[arg-type]
            )
        )

    def _guardian(self) -> psutil.Process | None:
        if self.node.process.poll() is not None:
            return None
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.node.pid).children():
                if any("guardian" in word for word in child.cmdline()):
                    return child
        return None


class _Shared(Database):
    """One connection for all nodes, which none of them uses: there are hundreds."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.name, database.dsn)
        self._one = database.connect()

    def connect(self, *, autocommit: bool = True, **parameters: str) -> Connection:
        del autocommit, parameters
        return self._one
