"""Where the configuration file is, and what it says.

Exactly one file is read: the one named with ``--config``; else by ``PG_TASKS_CONFIG``; else the
first that exists of ``config/pg_tasks.yaml`` of the checkout that holds this package,
``$XDG_CONFIG_HOME/pg_tasks.yaml`` (``~/.config/pg_tasks.yaml``) and ``/etc/pg_tasks.yaml``.  The
current directory is not searched: a node runs commands, and a file that somebody left in a
directory must not choose whose.
"""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from pg_tasks.errors import SettingsError
from pg_tasks.setting_kinds import near_miss, shown

CONFIG_VARIABLE = "PG_TASKS_CONFIG"


class Given(NamedTuple):
    """A value that somebody gave to a setting."""

    source: str
    """Where, in the words of a message: ``pg_tasks.yaml:kill_grace``."""
    name: str
    value: object


def find_config(environ: Mapping[str, str], checkout: Path | None = None) -> Path | None:
    """The file to read when the command line names none, or None when there is none.

    ``checkout``: the directory that holds ``config/`` (default: that of this package's checkout).
    Raises SettingsError when PG_TASKS_CONFIG names a file that does not exist.
    """
    if named := environ.get(CONFIG_VARIABLE):
        if not Path(named).exists():
            raise SettingsError(f"{CONFIG_VARIABLE} names {named}, which does not exist")
        return Path(named)
    home = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or "/", ".config"))
    candidates = [Path(home, "pg_tasks.yaml"), Path("/etc/pg_tasks.yaml")]
    root = checkout or Path(__file__).resolve().parent.parent
    if (root / "pyproject.toml").is_file():
        candidates.insert(0, root / "config" / "pg_tasks.yaml")
    return next((path for path in candidates if path.is_file()), None)


def read_config(path: Path, names: Collection[str]) -> list[Given]:
    """What the file at ``path`` sets; ``names`` are the keys it may have.

    Raises SettingsError when it cannot be read, is no YAML mapping, or has an unknown
    key or one twice.
    """
    return list(_settings(path, names))


def _settings(path: Path, names: Collection[str]) -> Iterator[Given]:
    seen = set()
    for key, value in _pairs(path):
        if not isinstance(key, str) or key not in names:
            meant = near_miss(str(key), sorted(names))
            raise SettingsError(
                f"{path}: unknown key {shown(key)}",
                hint=f"did you mean {meant}?" if meant else None,
            )
        if key in seen:
            raise SettingsError(f"{path}: key {key} is there twice")
        seen.add(key)
        if value is not None:
            yield Given(f"{path}:{key}", key, value)


def _pairs(path: Path) -> list[tuple[object, object]]:
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        if node is None:
            return []
        if not isinstance(node, yaml.MappingNode):
            raise SettingsError(f"{path}: not a list of 'key: value' lines")
        construct = yaml.SafeLoader("").construct_object
        return [
            (construct(key, deep=True), construct(value, deep=True)) for key, value in node.value
        ]
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: not UTF-8") from None
    except yaml.MarkedYAMLError as error:
        # Not the whole text of the error: it quotes the line, and the line may hold a password.
        mark = error.problem_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise SettingsError(f"{path}: {line}{error.problem}") from None
    except (yaml.YAMLError, ValueError):
        raise SettingsError(f"{path}: not YAML") from None
