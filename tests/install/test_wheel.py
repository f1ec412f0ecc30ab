"""The wheel: what is in it, and that it works where there is no checkout."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pg_tasks.install.migration import db_directory
from tests.servers import Server

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the checkout."""
    directory = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel"]
    command = [*pip, "--no-deps", "--wheel-dir", str(directory), str(_ROOT)]
    subprocess.run(command, check=True, timeout=300)
    (found,) = directory.iterdir()
    return found


def test_the_wheel_has_the_package_the_sql_and_the_configuration(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    sql = {f"pg_tasks/db/{path.relative_to(db_directory())}" for path in _files(db_directory())}
    config = {f"pg_tasks/config/{path.name}" for path in _files(_ROOT / "config")}
    assert {"pg_tasks/py.typed", "pg_tasks/console/cli.py", *sql, *config} <= names
    assert not [name for name in names if name.startswith(("tests/", "db/", "config/"))]


def test_the_wheel_installs_and_migrates_a_database_outside_a_checkout(
    wheel: Path, tmp_path: Path, server: Server, empty_database: Callable[[], str]
) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = (
        "import sys; from pg_tasks.install.migration import db_directory, install, migrate;"
        "print(db_directory(), install(sys.argv[1]), migrate(sys.argv[1]).applied)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, server.dsn_of(empty_database(), tcp=True)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
    )
    assert (done.stdout, done.stderr) == (f"{site}/pg_tasks/db True []\n", "")


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]
