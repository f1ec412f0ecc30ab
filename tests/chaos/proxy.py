"""A way to the database that can go dark: nothing gets through, and nobody is told."""

import socket
import threading
from contextlib import suppress
from pathlib import Path

from psycopg2.extensions import make_dsn, parse_dsn

from tests.servers import Database

_CHUNK = 65536


class Proxy:
    """Listens on TCP and passes everything on to the unix socket of a server.

    What is sent while it holds is not lost: as in a network that comes back, it arrives later.
    Neither side sees the other one close before that.
    """

    def __init__(self, database: Database, host: str = "127.0.0.1") -> None:
        place = parse_dsn(database.dsn)
        self._upstream = Path(place["host"]) / f".s.PGSQL.{place['port']}"
        self._questions = threading.Event()
        self._answers = threading.Event()
        self._held = threading.Event()
        self._in_ambush = False
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server((host, 0))
        self.dsn = make_dsn(
            host=host,
            port=self._listener.getsockname()[1],
            dbname=database.name,
            user=place["user"],
            sslmode="disable",
            gssencmode="disable",
        )
        """As ``database.dsn``, through here."""
        self.questions = 0
        """How many times somebody has sent something; a node sends one statement at a time."""
        self.release()
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        """From now on nothing gets through."""
        self._questions.clear()
        self._answers.clear()

    def hold_questions(self) -> None:
        """From now on nothing that nodes say gets through; what the server says does."""
        self._questions.clear()

    def refuse(self) -> None:
        """From now on nobody new is let in; what was held can still arrive."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def hold_answers(self) -> None:
        """The next thing that is asked gets through, and nothing that the server says from then."""
        self._held.clear()
        self._in_ambush = True

    def has_held(self) -> bool:
        """Whether the server has said something that did not get through."""
        return self._held.is_set()

    def release(self) -> None:
        """What was held goes on, and so does everything after it."""
        self._in_ambush = False
        self._questions.set()
        self._answers.set()

    def cut(self) -> None:
        """Closes every connection; what was held of it is lost. New ones are welcome."""
        with self._lock:
            gone, self._sockets = self._sockets, set()
        for one in gone:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends it."""
        self.refuse()
        self.cut()
        self.release()

    def _accept(self) -> None:
        while True:
            try:
                node, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(self._upstream))
            except OSError:
                node.close()
                server.close()
                continue
            with self._lock:
                self._sockets |= {node, server}
            # Whoever is last closes both: a number that is in use here is not given to others.
            ends = threading.Barrier(2)
            for source, target, gate in (
                (node, server, self._questions),
                (server, node, self._answers),
            ):
                threading.Thread(
                    target=self._pump, args=(source, target, gate, ends), daemon=True
                ).start()

    def _pump(
        self,
        source: socket.socket,
        target: socket.socket,
        gate: threading.Event,
        ends: threading.Barrier,
    ) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                self.questions += gate is self._questions
                if gate is self._answers and not gate.is_set():
                    self._held.set()
                elif gate is self._questions and self._in_ambush:
                    self._in_ambush = False
                    self._answers.clear()
                gate.wait()
                # Whoever is gone hears nothing; what they said before may still be on its way.
                with suppress(OSError):
                    target.sendall(data)
        gate.wait()
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
        ends.wait()
        with self._lock:
            self._sockets.discard(source)
        source.close()
