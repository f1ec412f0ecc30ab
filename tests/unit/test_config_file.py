"""Which configuration file is read."""

from pathlib import Path

import pytest

from pg_tasks.config_file import find_config
from pg_tasks.errors import SettingsError


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("", encoding="utf-8")
    return path


def test_the_file_named_in_the_environment_comes_first(tmp_path: Path) -> None:
    named = put(tmp_path / "named.yaml")
    put(tmp_path / "home" / ".config" / "pg_tasks.yaml")
    environ = {"PG_TASKS_CONFIG": str(named), "HOME": str(tmp_path / "home")}
    assert find_config(environ, tmp_path) == named


def test_a_file_named_in_the_environment_has_to_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"PG_TASKS_CONFIG names .*gone\.yaml"):
        find_config({"PG_TASKS_CONFIG": str(tmp_path / "gone.yaml")})


def test_the_file_of_a_checkout_comes_before_that_of_the_user(tmp_path: Path) -> None:
    put(tmp_path / "pyproject.toml")
    ours = put(tmp_path / "config" / "pg_tasks.yaml")
    put(tmp_path / ".config" / "pg_tasks.yaml")
    assert find_config({"HOME": str(tmp_path)}, tmp_path) == ours


def test_what_lies_beside_an_installed_package_is_not_read(tmp_path: Path) -> None:
    put(tmp_path / "config" / "pg_tasks.yaml")
    users = put(tmp_path / "home" / ".config" / "pg_tasks.yaml")
    assert find_config({"HOME": str(tmp_path / "home")}, tmp_path) == users


def test_the_file_in_the_users_configuration_directory_is_found(tmp_path: Path) -> None:
    users = put(tmp_path / "xdg" / "pg_tasks.yaml")
    assert find_config({"XDG_CONFIG_HOME": str(users.parent)}, tmp_path) == users


def test_the_current_directory_is_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = put(tmp_path / "config" / "pg_tasks.yaml")
    put(tmp_path / "pg_tasks.yaml")
    monkeypatch.chdir(tmp_path)
    found = find_config({"HOME": "/nonexistent"}, tmp_path / "elsewhere")
    assert found is None or not found.is_relative_to(stray.parents[1])
