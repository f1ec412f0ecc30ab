"""What can be configured, where it comes from, and what is said of wrong values."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_tasks.errors import SettingsError
from pg_tasks.settings import SPECS, Settings, default_of, load

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "pg_tasks.yaml"
NO_FILE = {"HOME": "/nonexistent", "PG_TASKS_CONFIG": "/dev/null"}
SECRET = "hunter2"


def write(directory: Path, text: str) -> Path:
    path = directory / "pg_tasks.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    return write(tmp_path, "")


def refusal(
    path: Path,
    environ: dict[str, str] | None = None,
    overrides: dict[str, object] | None = None,
) -> str:
    with pytest.raises(SettingsError) as caught:
        load(overrides or {}, environ or {}, path)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_the_defaults_are_what_the_documentation_says(empty: Path) -> None:
    settings = load({}, {}, empty)
    assert (settings.worker_id, settings.group_id) == (1, 0)
    assert (settings.lease_duration, settings.lease_renewal, settings.lease_margin) == (30, 10, 1)
    assert (settings.output_tail, settings.output_limit) == (8192, 100 * 1024 * 1024)
    assert settings.max_task_count >= 1
    assert settings.dsn is None


def test_the_environment_is_over_the_file_and_the_command_line_over_both(tmp_path: Path) -> None:
    path = write(tmp_path, "kill_grace: 1\nstop_grace: 1\nlease_margin: 1\n")
    environ = {"PG_TASKS_STOP_GRACE": "2", "PG_TASKS_LEASE_MARGIN": "2"}
    settings = load({"lease_margin": "3"}, environ, path)
    assert (settings.kill_grace, settings.stop_grace, settings.lease_margin) == (1, 2, 3)


@pytest.mark.parametrize("name", SPECS)
def test_every_setting_can_come_from_each_of_the_three_sources(name: str, tmp_path: Path) -> None:
    text = {
        "dsn": "host=a dbname=b",
        "listen_dsn": "host=a dbname=b",
        "log_level": "debug",
        "node_name": "n1",
        "lease_duration": "31",
        "lease_margin": "0.5",
        "lease_renewal": "0.5",
    }.get(name, "/tmp/x" if name.endswith(("dir", "root")) else "7")
    from_file = load({}, {}, write(tmp_path, f"{name}: {text}\n"))
    from_environment = load({}, {f"PG_TASKS_{name.upper()}": text}, write(tmp_path, ""))
    from_command_line = load({name: text}, {}, write(tmp_path, ""))
    assert getattr(from_file, name) != default_of(SPECS[name])
    assert from_file == from_environment == from_command_line


def test_the_shipped_file_as_it_is_changes_nothing() -> None:
    assert load({}, {}, SHIPPED) == load({}, NO_FILE)


def test_the_shipped_file_shows_every_setting_with_its_default(tmp_path: Path) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    lines = re.findall(r"^#([a-z_]+:.*)$", text, re.MULTILINE)
    assert sorted(line.partition(":")[0] for line in lines) == sorted(SPECS)
    assert load({}, {}, write(tmp_path, "\n".join(lines))) == load({}, NO_FILE)


def test_every_setting_of_the_shipped_file_has_a_sentence_above_it() -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    assert len(re.findall(r"^# [^\n]*\.\n#[a-z_]+:", text, re.MULTILINE)) == len(SPECS)


def test_an_unknown_key_is_refused_with_what_was_probably_meant(tmp_path: Path) -> None:
    path = write(tmp_path, "kil_grace: 3\n")
    assert refusal(path) == f"{path}: unknown key 'kil_grace' (did you mean kill_grace?)"


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    assert "kill_grace is there twice" in refusal(write(tmp_path, "kill_grace: 3\nkill_grace: 4\n"))


@pytest.mark.parametrize("key", ["[a, b]", "1", "null", "{a: b}"])
def test_a_key_that_is_no_word_is_refused(tmp_path: Path, key: str) -> None:
    assert "unknown key" in refusal(write(tmp_path, f"? {key}\n: 1\n"))


@pytest.mark.parametrize("text", ["- a\n", "just words\n", "7\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "'key: value'" in refusal(write(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        f'dsn: "host=a password={SECRET}\n',
        f"dsn: host=a: password={SECRET}\n",
        f"dsn: host=a\n password: {SECRET}: b\n",
        f"dsn: {{password: {SECRET}\n",
        f"dsn: !secret {SECRET}\n",
        f"dsn: '{SECRET}'\n\x01",
        f"dsn: {SECRET}\n---\ndsn: {SECRET}\n",
    ],
)
def test_a_broken_file_is_refused_without_repeating_its_text(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    message = refusal(path)
    assert message.startswith(str(path))
    assert SECRET not in message


def test_a_broken_file_is_refused_with_the_line(tmp_path: Path) -> None:
    assert ": line 2: " in refusal(write(tmp_path, "kill_grace: 1\nstop_grace: 1: 2\n"))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path).endswith(": Is a directory")
    assert refusal(tmp_path / "no.yaml").endswith(": No such file or directory")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"node_name: caf\xe9\n")
    assert refusal(latin).endswith(": not UTF-8")


def test_a_wrong_value_is_refused_with_its_file_and_key(tmp_path: Path) -> None:
    path = write(tmp_path, "kill_grace: soon\n")
    assert refusal(path) == f"{path}:kill_grace is 'soon', which is not a number of seconds"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("PG_TASKS_WORKER_ID", "one", "'one', which is not a whole number"),
        ("PG_TASKS_WORKER_ID", "2147483648", "2147483648, allowed is 0 to 2147483647"),
        ("PG_TASKS_WORKER_ID", "-1", "-1, allowed is 0 to 2147483647"),
        ("PG_TASKS_WORKER_ID", "1.5", "'1.5', which is not a whole number"),
        ("PG_TASKS_WORKER_ID", "1_000", "'1_000', which is not a whole number"),
        ("PG_TASKS_GROUP_ID", "2147483648", "allowed is -2147483648 to 2147483647"),
        ("PG_TASKS_MAX_TASK_COUNT", "0", "0, allowed is 1 to 100000"),
        ("PG_TASKS_KILL_GRACE", "-0.5", "-0.5, allowed is 0 to 86400"),
        ("PG_TASKS_KILL_GRACE", "nan", "'nan', which is not a number of seconds"),
        ("PG_TASKS_KILL_GRACE", "inf", "'inf', which is not a number of seconds"),
        ("PG_TASKS_OUTPUT_TAIL", "8 KB", "'8 KB', which is not a number of bytes"),
        ("PG_TASKS_OUTPUT_TAIL", "1 GiB", "1073741824, allowed is 0 to 16777216"),
        ("PG_TASKS_LOG_LEVEL", "loud", "'loud', which is not one of debug, info, warning, error"),
        ("PG_TASKS_NODE_NAME", "a\nb", r"'a\nb', which is not a line of text"),
    ],
)
def test_a_wrong_value_in_the_environment_is_refused(
    empty: Path, variable: str, value: str, said: str
) -> None:
    message = refusal(empty, {variable: value})
    assert message.startswith(f"{variable} is ")
    assert said in message


@pytest.mark.parametrize(
    "text", ["kill_grace: true", "kill_grace: [1]", "worker_id: yes", "worker_id: 1.0", "dsn: 5"]
)
def test_a_value_of_another_type_is_refused(tmp_path: Path, text: str) -> None:
    assert text.partition(":")[0] in refusal(write(tmp_path, text))


def test_a_long_wrong_value_is_not_repeated_in_full(empty: Path) -> None:
    assert len(refusal(empty, {"PG_TASKS_WORKER_ID": "x" * 10_000})) < 200


def test_a_size_may_have_a_unit(empty: Path) -> None:
    assert load({"output_limit": "3 GiB", "output_tail": "16KiB"}, {}, empty).output_tail == 16384


def test_an_empty_variable_and_an_empty_key_count_as_not_set(tmp_path: Path) -> None:
    settings = load({}, {"PG_TASKS_KILL_GRACE": ""}, write(tmp_path, "kill_grace: 4\nroot:\n"))
    assert settings.kill_grace == 4
    assert settings.root is None


def test_a_misspelt_variable_is_refused_with_what_was_probably_meant(empty: Path) -> None:
    assert refusal(empty, {"PG_TASKS_KIL_GRACE": "3"}) == (
        "unknown environment variable PG_TASKS_KIL_GRACE (did you mean PG_TASKS_KILL_GRACE?)"
    )


def test_variables_of_tasks_and_orchestrators_are_no_settings(empty: Path) -> None:
    others = ["TASK_ID", "ATTEMPT", "PARAMS", "RESULT", "SERVICE_HOST", "PORT_5432_TCP", "PORT"]
    assert load({}, {f"PG_TASKS_{name}": "x" for name in others}, empty) == load({}, {}, empty)


def test_the_margin_must_leave_half_of_the_lease(empty: Path) -> None:
    assert refusal(empty, {"PG_TASKS_LEASE_MARGIN": "15.1"}) == (
        "PG_TASKS_LEASE_MARGIN is 15.1, allowed is at most half of lease_duration (30, its default)"
    )
    load({}, {"PG_TASKS_LEASE_MARGIN": "15", "PG_TASKS_LEASE_RENEWAL": "7.5"}, empty)


def test_the_lease_must_be_renewed_twice_while_it_is_trusted(empty: Path) -> None:
    environ = {"PG_TASKS_LEASE_DURATION": "4", "PG_TASKS_LEASE_RENEWAL": "1.6"}
    assert refusal(empty, environ) == (
        "PG_TASKS_LEASE_RENEWAL is 1.6, allowed is at most half of lease_duration"
        " (4, PG_TASKS_LEASE_DURATION) less lease_margin (1, its default)"
    )
    load({}, environ | {"PG_TASKS_LEASE_RENEWAL": "1.5"}, empty)


def test_killing_must_have_some_time_before_others_begin(empty: Path) -> None:
    environ = {"PG_TASKS_LEASE_MARGIN": "0", "PG_TASKS_RECOVERY_DELAY": "0"}
    assert refusal(empty, environ) == (
        "PG_TASKS_RECOVERY_DELAY is 0, allowed is more than 0 if lease_margin is 0"
        " (PG_TASKS_LEASE_MARGIN)"
    )
    for name in environ:
        load({}, {name: "0"}, empty)


def test_settings_made_in_python_are_checked_too() -> None:
    with pytest.raises(SettingsError, match=r"Settings\.worker_id is -1"):
        Settings(worker_id=-1)
    with pytest.raises(SettingsError, match=r"Settings\.lease_margin is 30"):
        Settings(lease_margin=30)


def test_a_password_on_the_command_line_is_refused_with_the_alternatives(empty: Path) -> None:
    for dsn in (f"host=a password={SECRET}", f"postgresql://u:{SECRET}@a/b"):
        message = refusal(empty, {}, {"dsn": dsn})
        assert message.startswith("--dsn carries a password")
        assert "PG_TASKS_DSN" in message
        assert SECRET not in message


@pytest.mark.parametrize(
    "dsn", [SECRET, f"u:{SECRET}@host/b", f"postgresql://u:{SECRET}/x@host/b", f"host=a {SECRET}"]
)
def test_a_connection_string_that_cannot_be_read_is_refused_without_its_text(
    empty: Path, dsn: str
) -> None:
    for source, environ, overrides in (
        ("PG_TASKS_DSN", {"PG_TASKS_DSN": dsn}, {}),
        ("--dsn", {}, {"dsn": dsn}),
    ):
        message = refusal(empty, environ, dict(overrides))
        assert message.startswith(source)
        assert SECRET not in message


@given(password=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=4))
def test_a_password_never_shows(password: str) -> None:
    marked = f"<<{password}>>"
    quoted = marked.replace("\\", "\\\\").replace("'", "\\'")
    settings = Settings(dsn=f"host=a user=u password='{quoted}' dbname=d")
    assert marked not in repr(settings)
    assert "password=***" in repr(settings)
    assert "host=a" in repr(settings)


def test_unknown_overrides_are_refused(empty: Path) -> None:
    assert refusal(empty, {}, {"kil_grace": 1}) == (
        "unknown option --kil-grace (did you mean --kill-grace?)"
    )
