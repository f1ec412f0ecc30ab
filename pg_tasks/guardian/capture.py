"""What a task writes: the tail of it in bounded memory, and optionally all of it in a file."""

import os

from pg_tasks.guardian.log import log

_READ = 64 * 1024
_LAST_READS = 32
"""A pipe holds 1 MB at most (pipe-max-size); more than that comes from somebody still writing."""


class Capture:
    """Reads the pipe of one attempt. Owns its descriptor."""

    __slots__ = ("_cut", "_file", "_limit", "_tail", "fd")

    def __init__(self, fd: int, tail_limit: int, file: "OutputFile | None" = None) -> None:
        """``fd``: the reading end of a pipe, non-blocking."""
        self.fd = fd
        """-1: everything was read, or it was closed."""
        self._limit = tail_limit
        self._tail: bytes | bytearray = b""
        self._cut = False
        self._file = file

    def read(self) -> bool:
        """Take up to 64 kB, so that a process which writes without end keeps nobody else waiting.

        False: nothing is there now, or the pipe's writers are all gone, and then ``fd`` is -1.
        """
        if self.fd < 0:
            return False
        try:
            chunk = os.read(self.fd, _READ)
        except BlockingIOError:
            return False
        if not chunk:
            self._close_pipe()
            return False
        self._keep(chunk)
        if self._file is not None:
            self._file.write(chunk)
        return True

    def finish(self) -> None:
        """Take what is still in the pipe and let go of it, whoever may still hold its other end."""
        for _ in range(_LAST_READS):
            if not self.read():
                break
        if self.fd >= 0:
            self._close_pipe()
        if self._file is not None:
            self._file.close()

    def text(self) -> str | None:
        """The tail. It begins with a whole character; None: nothing was written."""
        if not self._tail:
            return None
        tail = bytes(self._tail[-self._limit :])
        if self._cut or len(self._tail) > self._limit:
            tail = tail[_broken_start(tail) :]
        return tail.decode(errors="replace").replace("\0", "\ufffd")

    def _keep(self, chunk: bytes) -> None:
        limit = self._limit
        if limit == 0:
            return
        if len(chunk) >= limit:
            self._cut = self._cut or bool(self._tail) or len(chunk) > limit
            self._tail = chunk[-limit:]
            return
        if not self._tail:
            self._tail = chunk
            return
        if isinstance(self._tail, bytes):
            self._tail = bytearray(self._tail)
        self._tail += chunk
        if len(self._tail) > 2 * limit:
            self._cut = True
            del self._tail[:-limit]

    def _close_pipe(self) -> None:
        os.close(self.fd)
        self.fd = -1


class OutputFile:
    """``<directory>/<task_id>-<attempt>.log``: made with the first byte, cut at ``limit``.

    A full disk or a missing directory is logged once and otherwise changes nothing: the task is not
    to fail because of where its output is copied to.
    """

    __slots__ = ("_fd", "_path", "_room")

    def __init__(self, directory: str, key: tuple[int, int], limit: int) -> None:
        self._path = f"{directory}/{key[0]}-{key[1]}.log"
        self._room = limit
        self._fd = -1

    def write(self, chunk: bytes) -> None:
        if self._room <= 0:
            return
        data = chunk[: self._room]
        self._room -= len(data)
        try:
            if self._fd < 0:
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
                self._fd = os.open(self._path, flags, 0o600)
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            self._room = 0
            log("output_file_failed", path=self._path, error=error.strerror)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _broken_start(tail: bytes) -> int:
    """How many bytes at the start are the rest of a character that was cut (RFC 3629)."""
    for at, byte in enumerate(tail[:4]):
        if byte & 0xC0 != 0x80:
            return at
    return 0
