"""What a task process finds when it starts, and what is said when it cannot be started."""

import json
import os
import resource
import stat
import sys
from pathlib import Path

import pytest

from pg_tasks.errors import SettingsError
from pg_tasks.guardian.config import Config
from pg_tasks.node.guardian_link import GuardianLink, task_environment
from tests.node.guardian_fixtures import guardian


def test_arguments_arrive_as_they_are(tmp_path: Path) -> None:
    arguments = ["", " ", "a b", "'", '"', "*", "$HOME", "\\", "é€😀", "-n", "a\nb"]
    program = "import sys, json; print(json.dumps(sys.argv[1:]))"
    with guardian(tmp_path) as rig:
        end = rig.run(sys.executable, "-S", "-c", program, *arguments)
    assert json.loads(end.output or "") == arguments


def test_a_process_sees_its_rows_environment_on_top_of_the_guardians(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        end = rig.shell("echo $ONE-$TWO-$HOME", env={"ONE": "é", "HOME": "/elsewhere"})
    assert end.output == "é--/elsewhere\n"


def test_a_process_knows_its_task_and_attempt_whatever_its_row_says(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        end = rig.shell(
            "echo $PG_TASKS_TASK_ID $PG_TASKS_ATTEMPT", env={"PG_TASKS_TASK_ID": "99"}, attempt=4
        )
    assert end.output == "1 4\n"


def test_the_nodes_settings_and_password_do_not_reach_tasks() -> None:
    given = {b"PG_TASKS_DSN": b"secret", b"PGPASSWORD": b"secret", b"PGHOST": b"h", b"PATH": b"p"}
    assert task_environment(given) == {b"PGHOST": b"h", b"PATH": b"p"}


def test_the_guardian_inherits_no_setting_or_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PG_TASKS_DSN", "dbname=secret")
    monkeypatch.setenv("PGPASSWORD", "secret")
    with guardian(tmp_path) as rig:
        environment = Path(f"/proc/{rig.link.pid}/environ").read_bytes()
        command_line = Path(f"/proc/{rig.link.pid}/cmdline").read_bytes()
        end = rig.shell("env")
    assert b"secret" not in environment + command_line
    assert "secret" not in (end.output or "")


def test_variables_for_python_are_the_tasks_business(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module of the same name in front of the guardian's own must not be loaded by it."""
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with guardian(tmp_path) as rig:
        assert rig.shell("echo $PYTHONPATH").output == f"{tmp_path}\n"


def test_only_the_three_standard_descriptors_are_open(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    program = "import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))"
    try:
        with guardian(tmp_path) as rig:
            others = [rig.start("sleep", "600") for _ in range(5)]
            for task in others:
                rig.started(task)
            end = rig.run(sys.executable, "-S", "-c", program, stdin="text")
    finally:
        os.close(reading)
        os.close(writing)
    # The fourth is the one it lists the directory with.
    assert end.output == "[0, 1, 2, 3]\n"


def test_a_process_leads_a_session_of_its_own(tmp_path: Path) -> None:
    program = "import os; print(os.getsid(0) == os.getpgid(0) == os.getpid())"
    with guardian(tmp_path) as rig:
        assert rig.run(sys.executable, "-S", "-c", program).output == "True\n"


def test_signals_are_neither_ignored_nor_blocked(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        end = rig.run("cat", "/proc/self/status")
    lines = dict(line.split(":", 1) for line in (end.output or "").splitlines())
    # glibc's posix_spawn keeps its own two signals, 32 and 33, from what it starts.
    assert int(lines["SigIgn"], 16) & ~(0b11 << 31) == 0
    assert int(lines["SigBlk"], 16) == 0


def test_a_process_gets_the_limit_of_open_files_that_the_node_had(tmp_path: Path) -> None:
    given = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(given[0], 512), given[1]))
    try:
        with guardian(tmp_path) as rig:
            end = rig.shell("ulimit -Sn; ulimit -Hn")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, given)
    assert (end.output or "").split() == [str(min(given[0], 512)), str(given[1])]


@pytest.mark.parametrize("text", ["", "one line\n", "é\n" * 500_000], ids=["empty", "line", "2 MB"])
def test_stdin_is_the_text_and_then_its_end(tmp_path: Path, text: str) -> None:
    with guardian(tmp_path) as rig:
        end = rig.run("wc", "-c", stdin=text)
    assert int(end.output or "") == len(text.encode())


def test_stdin_that_is_not_read_holds_nothing_up(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        assert rig.run("true", stdin="x" * 1_000_000).exit_code == 0


def test_without_stdin_a_process_reads_an_empty_input(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        assert rig.run("cat").exit_code == 0


def test_the_working_directory_is_relative_to_the_root(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    with guardian(tmp_path) as rig:
        outputs = [
            rig.run("pwd", cwd=cwd).output for cwd in ("below", None, "/", "below/../below", ".")
        ]
    below = f"{tmp_path}/below\n"
    assert outputs == [below, f"{tmp_path}\n", "/\n", below, f"{tmp_path}\n"]


def test_a_command_is_found_by_the_path_its_row_sets(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = _script(tmp_path / "bin" / "own", "#!/bin/sh\necho found\n")
    with guardian(tmp_path) as rig:
        assert rig.run("own").error == "command not found: own"
        assert rig.run("own", env={"PATH": str(program.parent)}).output == "found\n"
        assert rig.run("bin/own").output == "found\n"
        assert rig.run("own", cwd="bin", env={"PATH": ":/usr/bin:/bin"}).output == "found\n"


def test_a_command_that_is_no_program_in_one_place_is_looked_for_in_the_next(
    tmp_path: Path,
) -> None:
    for name in ("first", "second", "third"):
        (tmp_path / name).mkdir()
    (tmp_path / "first" / "own").mkdir()
    (tmp_path / "second" / "own").write_text("no program")
    _script(tmp_path / "third" / "own", "#!/bin/sh\necho third\n")
    path = ":".join(str(tmp_path / name) for name in ("first", "second", "third"))
    with guardian(tmp_path) as rig:
        assert rig.run("own", env={"PATH": path}).output == "third\n"
        refused = rig.run("own", env={"PATH": path.rpartition(":")[0]})
    assert refused.error == f"not executable: {tmp_path}/second/own"


def test_each_kind_of_command_that_cannot_be_started_is_explained(tmp_path: Path) -> None:
    here = str(tmp_path)
    (tmp_path / "plain").write_text("text")
    (tmp_path / "dangling").symlink_to("nowhere")
    _script(tmp_path / "no_line", "echo hi\n")
    _script(tmp_path / "no_interpreter", "#!/no/such/thing -x\n")
    _script(tmp_path / "not_elf", "\x7fELF")
    expected = {
        "nothing": "command not found: nothing",
        "./nothing": "command not found: ./nothing",
        "plain/below": "command not found: plain/below",
        "./dangling": "command not found: ./dangling is a link to nothing",
        "./plain": "not executable: ./plain",
        here: f"not executable: {here} is a directory",
        "./no_line": "not executable: ./no_line is no program of this machine and has no #! line",
        "./no_interpreter": "not executable: ./no_interpreter asks for the interpreter "
        "'/no/such/thing -x', which does not exist",
        "./not_elf": "not executable: ./not_elf is no program of this machine and has no #! line",
        "": "the command is empty",
    }
    with guardian(tmp_path) as rig:
        tasks = {name: rig.start(name) for name in expected}
        found = {name: rig.ended(task) for name, task in tasks.items()}
        assert rig.shell("exit 7").exit_code == 7
    assert {name: end.error for name, end in found.items()} == expected
    assert {end.pid for end in found.values()} == {None}


def test_each_kind_of_wrong_directory_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with guardian(tmp_path) as rig:
        errors = [
            rig.run("true", cwd=cwd).error for cwd in ("nowhere", "file", "/no\0where", "x" * 300)
        ]
        assert rig.run("true").exit_code == 0
    assert errors == [
        "working directory does not exist: nowhere",
        "working directory is not a directory: file",
        "working directory is not a path: /no\\0where",
        f"working directory cannot be entered: {'x' * 300}: File name too long",
    ]


def test_a_command_line_that_is_too_long_is_explained(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        end = rig.run("true", "x" * 200_000)
        assert rig.run("true", *["x" * 100_000] * 10).exit_code == 0
    assert end.pid is None
    assert (end.error or "").startswith(
        "the command line and environment are too long for this system: "
    )


@pytest.mark.parametrize(
    "request_fields",
    [{"argv": ["true", "a\0b"]}, {"argv": ["a\0b"]}, {"env": {"A": "b\0"}}, {"env": {"A=B": "c"}},
     {"env": {"": "c"}}, {"argv": ["\ud800"]}, {"argv": []}],
    ids=["NUL in argument", "NUL in command", "NUL in env", "= in name", "no name", "surrogate",
         "empty"],
)  # fmt: skip
def test_what_no_system_call_can_pass_on_is_refused_and_disturbs_nothing(
    tmp_path: Path, request_fields: dict[str, object]
) -> None:
    with guardian(tmp_path) as rig:
        end = rig.run("true", **request_fields)
        assert rig.run("true").exit_code == 0
    assert end.error
    assert "\n" not in end.error


def test_when_no_more_processes_can_be_made_the_task_says_so(tmp_path: Path) -> None:
    """The soft limit of the guardian's own descriptors stands for every limit of the machine."""
    with guardian(tmp_path) as rig:
        first = rig.start("sleep", "600")
        rig.started(first)
        resource.prlimit(rig.link.pid, resource.RLIMIT_NOFILE, (1, resource.prlimit(
            rig.link.pid, resource.RLIMIT_NOFILE)[1]))  # fmt: skip
        end = rig.run("true")
        rig.kill(first)
        assert rig.ended(first).reason == "cancelled"
    assert (end.pid, end.error) == (None, "too many open files to start another process")


def test_the_directory_of_results_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        end = rig.shell('dirname "$PG_TASKS_RESULT"')
        directory = Path((end.output or "").strip())
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert not directory.exists()


def test_a_root_that_is_no_directory_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="root .*nowhere is not a directory"):
        GuardianLink.start(Config(str(tmp_path / "run"), str(tmp_path / "nowhere")))


def _script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path
