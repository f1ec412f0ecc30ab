"""One end of the socket between node and guardian: messages in, messages out, nothing blocks."""

import socket
from collections.abc import Iterable

from pg_tasks.messages import Decoder, Message, encode

_CHUNK = 256 * 1024


class Channel:
    """Wraps a connected stream socket, which it makes non-blocking and closes with itself."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._decoder = Decoder()
        self._unsent = bytearray()

    def fileno(self) -> int:
        return self._connection.fileno()

    @property
    def wants_write(self) -> bool:
        """True while something waits for the other side to read: call ``flush`` when writable."""
        return bool(self._unsent)

    def send(self, messages: Iterable[Message]) -> None:
        """Send one frame, as far as it can be sent now; the rest waits for ``flush``.

        Raises ConnectionError when the other end is gone.
        """
        self._unsent += encode(messages)
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as it goes. Raises ConnectionError when the other end is gone."""
        while self._unsent:
            try:
                sent = self._connection.send(self._unsent)
            except BlockingIOError:
                return
            del self._unsent[:sent]

    def receive(self, chunks: int = 4) -> list[Message]:
        """The messages of up to ``chunks`` reads of 256 kB; empty when nothing has come.

        Raises ConnectionError when the other end is gone and everything it had sent was returned,
        ProtocolError when what came makes no sense.
        """
        messages: list[Message] = []
        for _ in range(chunks):
            try:
                data = self._connection.recv(_CHUNK)
            except BlockingIOError:
                break
            except ConnectionError:
                if messages:
                    break
                raise
            if not data:
                if messages:
                    break
                raise ConnectionResetError("the other end is closed")
            messages.extend(self._decoder.feed(data))
            if len(data) < _CHUNK:
                break
        return messages

    def shut_writing(self) -> None:
        """Nothing more is sent: the other end sees this one as gone, and can be waited for."""
        try:
            self._connection.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def close(self) -> None:
        self._connection.close()
