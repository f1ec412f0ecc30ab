"""The directory of a guardian's result files: one for each node, private, removed afterwards.

Its name is the node's: the pid namespace, the pid and the start of its process, so that it is
nobody else's, and a task is told apart from one of a node that runs inside a task.
"""

import os
import re
from pathlib import Path

from pg_tasks.errors import SettingsError
from pg_tasks.guardian.config import from_argument
from pg_tasks.guardian.tree import ProcessTree

_GUARDIAN = b"/guardian/__main__.py"
_NAME = re.compile(r"([0-9]{1,20})-([0-9]{1,20})-([0-9]{1,20})")


def make_private(path: Path, setting: str) -> None:
    """Make sure that ``path`` is a directory one can write to; a missing one gets mode 0700.

    Raises SettingsError, which names ``setting``.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{setting} {path} cannot be made: {error.strerror}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise SettingsError(f"{setting} {path} cannot be written to")


def claim(base: Path, tree: ProcessTree) -> Path:
    """This process's own directory below ``base``, empty; those of dead processes are removed."""
    make_private(base, "run_dir")
    base = base.resolve()
    for path in base.iterdir():
        if is_dead(path.name, tree):
            remove(path)
    own = base / name_process(tree)
    try:
        own.mkdir(mode=0o700, exist_ok=True)
        own.chmod(0o700)
        _empty(own)
    except OSError as error:
        raise SettingsError(f"run_dir {own} cannot be used: {error.strerror}") from None
    return own


def remove(path: Path) -> None:
    """Remove one that ``claim`` gave; what cannot be removed stays."""
    try:
        _empty(path)
        path.rmdir()
    except OSError:
        return


def name_process(tree: ProcessTree) -> str:
    """What the directory of this process is called."""
    me = tree.look(os.getpid())
    assert me is not None
    return f"{_namespace()}-{me.pid}-{me.started}"


def is_dead(name: str, tree: ProcessTree) -> bool:
    """Whether the process of that name has ended; False too for names of other namespaces.

    And False for all where other accounts' processes cannot be seen (hidepid of proc(5),
    ProtectProc= of systemd): one that is hidden looks like one that has ended.
    """
    match = _NAME.fullmatch(name)
    if match is None or int(match[1]) != _namespace() or tree.look(1) is None:
        return False
    process = tree.look(int(match[2]))
    return process is None or process.started != int(match[3]) or process.zombie


def name_in_arguments(arguments: list[bytes]) -> str | None:
    """The name of the node whose guardian was executed with ``arguments``; None: no guardian's."""
    if len(arguments) < 3 or not arguments[-3].endswith(_GUARDIAN):
        return None
    try:
        return Path(from_argument(arguments[-1].decode()).run_dir).name
    except (ValueError, TypeError, RecursionError):
        return None


def _namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino


def _empty(path: Path) -> None:
    for file in path.iterdir():
        file.unlink()
