"""Getting hold of Liquibase and Java on machines that have one of them, or neither."""

from pathlib import Path

import pytest

from pg_tasks.errors import MigrationError
from pg_tasks.install.liquibase_files import distribution, wheel_java_home


def test_a_machine_without_java_npm_and_liquibase_gets_all_from_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LIQUIBASE_HOME", raising=False)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = distribution()
    assert found.java_home == wheel_java_home()
    jars = {path.name for path in (found.home / "internal/lib").iterdir()}
    assert {"liquibase-core.jar", "postgresql.jar"} < jars
    # What was fetched is complete, and nothing is left beside it.
    assert [path.name for path in (tmp_path / "cache/pg_tasks").iterdir()] == [found.home.name]


def test_a_liquibase_of_ones_own_goes_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    jar = tmp_path / "internal/lib/liquibase-core.jar"
    jar.parent.mkdir(parents=True)
    jar.touch()
    monkeypatch.setenv("LIQUIBASE_HOME", str(tmp_path))
    assert distribution().home == tmp_path


def test_a_liquibase_home_without_liquibase_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LIQUIBASE_HOME", str(tmp_path))
    with pytest.raises(MigrationError, match=f"no Liquibase in LIQUIBASE_HOME={tmp_path}"):
        distribution()


def test_a_java_that_is_too_old_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "lib/server").mkdir(parents=True)
    (tmp_path / "lib/server/libjvm.so").touch()
    (tmp_path / "release").write_text('JAVA_VERSION="1.8.0_412"\n')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert distribution().java_home != tmp_path


def test_without_any_java_the_way_to_get_one_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    distribution()
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("pg_tasks.install.liquibase_files.find_spec", lambda name: None)
    with pytest.raises(MigrationError, match=r"pip install 'pg-tasks\[java\]'"):
        distribution()
