"""Where an embedded server listens: a port for TCP, and a directory for its unix socket."""

import os
import re
import socket
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pg_tasks.install.postgres_programs import Programs

HOST = "127.0.0.1"
_SOCKET_PATH_LIMIT = 107
"""Bytes: sun_path of unix(7), without its closing NUL."""
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")
"""What needs no quoting in any of PostgreSQL's configuration, in a DSN and in a shell."""


class Place(NamedTuple):
    """Where a server listens."""

    port: int
    socket_directory: Path


def read_place(file: Path) -> Place | None:
    """What ``write_place`` wrote. None: it has not written yet. Raises OSError."""
    if not file.exists():
        return None
    found = re.findall(r"^(port|unix_socket_directories) = '(.*)'$", file.read_text(), re.MULTILINE)
    values = dict(found)
    return Place(int(values["port"]), Path(values["unix_socket_directories"]))


def write_place(file: Path, place: Place, settings: Mapping[str, str]) -> None:
    """Writes a configuration file of PostgreSQL; ``settings`` win over ``place``."""
    lines = {
        "listen_addresses": HOST,
        "port": str(place.port),
        "unix_socket_directories": str(place.socket_directory),
        **settings,
    }
    text = "".join(f"{name} = '{value}'\n" for name, value in lines.items())
    file.write_text("# Written by pg_tasks at each start.\n" + text)
    file.chmod(0o644)


def choose_place(before: Place | None, data_dir: Path, programs: Programs) -> Place:
    """The place the server had ``before``, as far as it can still be had. Raises OSError."""
    port = before.port if before and is_free(before.port) else _free_port()
    if before and _is_private(before.socket_directory, programs.owner_id):
        return Place(port, before.socket_directory)
    return Place(port, _make_socket_directory(data_dir, programs))


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _is_private(directory: Path, owner_id: int) -> bool:
    """Whether it is a directory that nobody but ``owner_id`` can enter."""
    try:
        status = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == owner_id and not status.st_mode & 0o077


def _make_socket_directory(data_dir: Path, programs: Programs) -> Path:
    """Below the data directory, or somewhere short where that is too long for a socket."""
    directory = data_dir / "socket"
    longest = len(os.fsencode(directory / ".s.PGSQL.65535"))
    if longest > _SOCKET_PATH_LIMIT or not _PLAIN.fullmatch(str(directory)):
        runtime = None if programs.account else os.environ.get("XDG_RUNTIME_DIR")
        directory = Path(tempfile.mkdtemp(prefix="pg_tasks-", dir=runtime or None))
    directory.mkdir(mode=0o700, exist_ok=True)
    directory.chmod(0o700)
    programs.give(directory)
    return directory
