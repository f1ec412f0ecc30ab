"""A PostgreSQL server of our own: made, started and stopped without any preparation of the machine.

Layout of a data directory::

    postgresql/   the database cluster
    pg_tasks.conf where the server listens
    password      of the superuser, for TCP
    socket/       the directory of the unix socket, unless its path would be too long
    lock          held while a process starts or stops the server
    log           of starting; the server's own logs are in postgresql/log, a week long
    binaries/     only where the server's account cannot reach the installed ones
"""

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
from psycopg2.extensions import make_dsn

from pg_tasks.errors import EmbeddedError
from pg_tasks.install.postgres_programs import Programs, programs_for, wheel_bin_dir
from pg_tasks.install.server_place import (
    HOST,
    Place,
    choose_place,
    is_free,
    read_place,
    write_place,
)

DATABASE = "pg_tasks"
SUPERUSER = "postgres"
_START_SECONDS = 300
"""A server that was killed has to replay its log first."""
_PORT_ATTEMPTS = 5
_POLL_SECONDS = 0.02

_PG_HBA = """\
# Written by pg_tasks when the cluster was made. The socket is in a private directory.
local all         all trust
local replication all trust
host  all         all 127.0.0.1/32 scram-sha-256
"""

_POSTGRESQL_CONF = """
# Written by pg_tasks when the cluster was made; change what you like above the last line.
logging_collector = on
log_directory = 'log'
log_filename = 'postgresql-%a.log'
log_truncate_on_rotation = on
log_rotation_age = 1d
log_rotation_size = 0
include '../pg_tasks.conf'
"""


class EmbeddedServer:
    """One PostgreSQL cluster below ``data_dir``, run by the binaries in ``bin_dir``.

    Any number of processes may hold an object for the same directory: what is true is read from the
    directory each time. The server belongs to none of them and goes on when they end. Started by
    root, it runs as a system account of its own, which PostgreSQL insists on.

    Every method raises EmbeddedError.
    """

    def __init__(
        self, data_dir: Path, bin_dir: Path, *, settings: Mapping[str, str] | None = None
    ) -> None:
        """``settings`` are server settings that win over those in the cluster's postgresql.conf."""
        self.data_dir = data_dir.absolute()
        self.bin_dir = bin_dir
        self.psql = bin_dir / "psql"
        self.log = self.data_dir / "log"
        self._cluster = self.data_dir / "postgresql"
        self._place_file = self.data_dir / "pg_tasks.conf"
        self._password_file = self.data_dir / "password"
        self._settings = dict(settings or {})

    @property
    def dsn(self) -> str:
        """For libpq, over the unix socket. The server must have been started once."""
        place = self._place()
        return make_dsn(
            host=str(place.socket_directory), port=place.port, dbname=DATABASE, user=SUPERUSER
        )

    @property
    def tcp_dsn(self) -> str:
        """For what cannot use a unix socket, such as JDBC and graphical tools. Has the password."""
        return make_dsn(
            host=HOST,
            port=self._place().port,
            dbname=DATABASE,
            user=SUPERUSER,
            password=self._password_file.read_text(),
        )

    def is_running(self) -> bool:
        """Whether there is a postmaster, be it ready for connections or not yet.

        The pid file is believed only if that process works in the cluster's directory, as a
        postmaster does: a pid alone may be anybody's by now.
        """
        try:
            pid = int(self._pid_file_line(1))
            return self._works_in_cluster(psutil.Process(pid))
        except (EmbeddedError, ValueError, psutil.Error):
            return False

    def start(self) -> None:
        """Makes the cluster if there is none, and the server run and accept connections.

        Does nothing to a server that runs. Processes that call this at once wait for the first.
        """
        with self._locked():
            if self._accepts_connections():
                return
            programs = programs_for(self.bin_dir, self.data_dir)
            self._check_version(programs)
            if not self._cluster.exists():
                self._make_cluster(programs)
            self._start(programs)

    def stop(self) -> None:
        """Ends every connection and the server (a "fast shutdown"); nothing if it does not run."""
        with self._locked():
            if self.is_running():
                programs = programs_for(self.bin_dir, self.data_dir)
                programs.run("pg_ctl", "stop", "-D", str(self._cluster), "-m", "fast", "-w")

    def _accepts_connections(self) -> bool:
        """Waits while a server that somebody else started or stops is on its way."""
        deadline = time.monotonic() + _START_SECONDS
        while self.is_running():
            if self._status() in ("ready", "standby"):
                return True
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    "the embedded PostgreSQL does not become ready", hint=f"see {self.log}"
                )
            time.sleep(_POLL_SECONDS)
        return False

    def _make_cluster(self, programs: Programs) -> None:
        """Under another name first: a cluster that exists is a complete one."""
        password = secrets.token_urlsafe(24)
        self._password_file.unlink(missing_ok=True)
        self._password_file.touch(0o600)
        self._password_file.write_text(password)
        raw = self.data_dir / "postgresql.incomplete"
        shutil.rmtree(raw, ignore_errors=True)
        raw.mkdir(mode=0o700)
        programs.give(raw)
        sync = ["--no-sync"] if self._settings.get("fsync") == "off" else []
        options = ["-U", SUPERUSER, "-A", "trust", "-E", "UTF8", *programs.locale_options(), *sync]
        programs.run("initdb", "-D", str(raw), *options)
        # What a server in single-user mode is told is written to no log.
        programs.run(
            *("postgres", "--single", "-D", str(raw), "-c", "exit_on_error=on", "postgres"),
            text=f"ALTER ROLE {SUPERUSER} PASSWORD '{password}'\nCREATE DATABASE {DATABASE}\n",
        )
        (raw / "pg_hba.conf").write_text(_PG_HBA)
        with (raw / "postgresql.conf").open("a") as conf:
            conf.write(_POSTGRESQL_CONF)
        raw.rename(self._cluster)

    def _start(self, programs: Programs) -> None:
        self._remove_stale_pid_file()
        self.log.touch(0o600)
        programs.give(self.log)
        options = ["-D", str(self._cluster), "-l", str(self.log), "-w", "-t", str(_START_SECONDS)]
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            place = choose_place(read_place(self._place_file), self.data_dir, programs)
            write_place(self._place_file, place, self._settings)
            try:
                programs.run("pg_ctl", "start", *options)
                return
            except EmbeddedError as error:
                # Somebody may have taken the port since it was found to be free.
                if attempt < _PORT_ATTEMPTS and not is_free(place.port):
                    continue
                raise EmbeddedError(
                    "the embedded PostgreSQL does not start", hint=f"see {self.log}"
                ) from error

    def _place(self) -> Place:
        try:
            place = read_place(self._place_file)
        except OSError as error:
            raise EmbeddedError(f"cannot read {self._place_file}: {error.strerror}") from error
        if not place:
            raise EmbeddedError(
                f"there is no embedded PostgreSQL in {self.data_dir}", hint="start it first"
            )
        return place

    def _check_version(self, programs: Programs) -> None:
        """A cluster can be read by its own major version only."""
        if not self._cluster.exists():
            return
        theirs = int((self._cluster / "PG_VERSION").read_text())
        ours = programs.major_version()
        if theirs != ours:
            raise EmbeddedError(
                f"{self.data_dir} belongs to PostgreSQL {theirs}, and this is PostgreSQL {ours}",
                hint="name another PG_TASKS_DATA_DIR, or bring the data over with pg_dump",
            )

    def _status(self) -> str:
        return self._pid_file_line(8)

    def _pid_file_line(self, number: int) -> str:
        """Empty: no such line (yet). Source: PostgreSQL's src/include/utils/pidfile.h."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise EmbeddedError(f"cannot read {error.filename}: {error.strerror}") from error
        return lines[number - 1].strip() if len(lines) >= number else ""

    def _works_in_cluster(self, process: psutil.Process) -> bool:
        try:
            return process.cwd() == str(self._cluster.resolve())
        except psutil.Error:
            return False

    def _remove_stale_pid_file(self) -> None:
        """PostgreSQL refuses to start when the pid of a dead server is another process's by now.

        Nothing is removed while any process, say a backend that outlived its postmaster, still
        works in the cluster: then it is for PostgreSQL to refuse.
        """
        if not any(map(self._works_in_cluster, psutil.process_iter())):
            (self._cluster / "postmaster.pid").unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            _make_directory(self.data_dir)
            with (self.data_dir / "lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise EmbeddedError(
                f"the embedded PostgreSQL cannot use {self.data_dir}: {error.strerror or error}",
                hint="name another directory with PG_TASKS_DATA_DIR",
            ) from error


def default_server(data_dir: Path | None = None) -> EmbeddedServer:
    """The server that the ``embedded`` extra brings. ``data_dir`` None: ``default_data_dir()``."""
    return EmbeddedServer(data_dir or default_data_dir(), wheel_bin_dir())


def default_data_dir() -> Path:
    """Where the embedded server keeps its data unless told otherwise.

    Source: XDG Base Directory Specification, which has a relative path ignored.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/pg_tasks")
    home = os.environ.get("XDG_DATA_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".local/share") / "pg_tasks"


def _make_directory(path: Path) -> None:
    """With every parent that is missing; those are open to pass through, whatever the umask."""
    for directory in reversed((path, *path.parents)):
        if not directory.exists():
            directory.mkdir(exist_ok=True)
            directory.chmod(0o755)
