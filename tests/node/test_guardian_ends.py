"""The truth about ends: codes, signals, core dumps, resources, results."""

import json
import resource
import signal
import sys
from pathlib import Path

import pytest

from pg_tasks.messages import Ended, Started
from tests.node.guardian_fixtures import guardian

_FATAL = sorted(
    signum
    for signum in signal.valid_signals()
    if signum
    not in (
        signal.SIGCHLD, signal.SIGCONT, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN,
        signal.SIGTTOU, signal.SIGURG, signal.SIGWINCH,
    )
)  # fmt: skip
_DUMPING = (signal.SIGQUIT, signal.SIGILL, signal.SIGABRT, signal.SIGFPE, signal.SIGSEGV)


def test_every_exit_code_arrives(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        tasks = [rig.start("/bin/sh", "-c", f"exit {code}") for code in range(256)]
        ends = [rig.ended(task) for task in tasks]
    assert [end.exit_code for end in ends] == list(range(256))
    assert {(end.signal, end.reason, end.error) for end in ends} == {(None, None, None)}


def test_every_signal_that_ends_a_process_arrives(tmp_path: Path) -> None:
    program = "import os, sys; os.kill(os.getpid(), int(sys.argv[1]))"
    with guardian(tmp_path) as rig:
        tasks = [
            rig.start(sys.executable, "-S", "-c", _DEFAULTS + program, str(int(signum)))
            for signum in _FATAL
        ]
        ends = [rig.ended(task) for task in tasks]
    assert [end.signal for end in ends] == _FATAL
    assert {(end.exit_code, end.reason) for end in ends} == {(None, None)}


@pytest.mark.parametrize("signum", _DUMPING)
def test_a_core_dump_is_told_as_the_kernel_tells_it(tmp_path: Path, signum: signal.Signals) -> None:
    """Compared with what the kernel says to a parent in the same circumstances: a shell."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    program = (
        f"ulimit -c {'unlimited' if hard == resource.RLIM_INFINITY else hard}; kill -{signum} $$"
    )
    witness = (
        "import os, sys; pid = os.posix_spawn('/bin/sh', ['sh', '-c', sys.argv[1]], os.environ);"
        "print(os.WCOREDUMP(os.waitpid(pid, 0)[1]))"
    )
    with guardian(tmp_path) as rig:
        dumps = rig.run(sys.executable, "-S", "-c", witness, program).output == "True\n"
        end = rig.shell(program)
        without = rig.shell(f"ulimit -c 0; kill -{signum} $$")
    assert (end.signal, end.core_dumped) == (signum, dumps)
    assert not without.core_dumped or Path("/proc/sys/kernel/core_pattern").read_text()[0] == "|"


def test_two_thousand_quick_ends_are_all_told_and_none_is_wrong(tmp_path: Path) -> None:
    program = tmp_path / "three"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    with guardian(tmp_path) as rig:
        for _ in range(20):
            tasks = [rig.start("./three") for _ in range(100)]
            assert {rig.ended(task).exit_code for task in tasks} == {3}
    ends = [item.task_id for item in rig.news if isinstance(item, Ended)]
    assert sorted(ends) == list(range(1, 2001))


def test_a_start_is_told_before_its_end_and_only_once(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        task = rig.start("/bin/sh", "-c", "read x < /dev/null; sleep 0.2")
        rig.ended(task)
    started, ended = rig.news
    assert isinstance(started, Started)
    assert isinstance(ended, Ended)
    assert started.pid == ended.pid


def test_cpu_time_and_peak_memory_are_the_kernels(tmp_path: Path) -> None:
    program = (
        "x = bytearray(200_000_000)\nimport os, time\nwhile time.process_time() < 0.3: os.getpid()"
    )
    with guardian(tmp_path) as rig:
        end = rig.run(sys.executable, "-S", "-c", program)
        small = rig.run("true")
    assert end.user_seconds + end.system_seconds >= 0.3
    assert 200_000_000 < end.peak_memory < 400_000_000
    assert small.peak_memory < 100_000_000
    assert end.ended > end.started


def test_the_cpu_time_of_children_that_were_waited_for_counts(tmp_path: Path) -> None:
    busy = f'{sys.executable} -S -c "import time\nwhile time.process_time() < 0.2: pass"'
    with guardian(tmp_path) as rig:
        end = rig.shell(f"{busy}; {busy}; exit 0")
    assert end.user_seconds + end.system_seconds >= 0.4


@pytest.mark.parametrize("text", ['{"a": [1, 2.5, "é", null]}', '"text"', "1e400", " [] \n"])
def test_a_result_file_becomes_the_result(tmp_path: Path, text: str) -> None:
    with guardian(tmp_path) as rig:
        end = rig.shell('cat > "$PG_TASKS_RESULT"; echo "$PG_TASKS_RESULT"', stdin=text)
        assert not Path((end.output or "").strip()).exists()
    assert (end.result, end.error) == (text, None)


def test_no_result_file_is_no_result_and_no_error(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        end = rig.shell("exit 0")
    assert (end.result, end.error) == (None, None)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("printf '{' > $PG_TASKS_RESULT", "the result file is not JSON: "),
        ("printf '\\377' > $PG_TASKS_RESULT", "the result file is not JSON: "),
        ("printf NaN > $PG_TASKS_RESULT", "NaN is no JSON"),
        ("head -c 2000 /dev/zero | tr '\\0' 1 > $PG_TASKS_RESULT", "longer than 1000 bytes"),
        ("mkdir $PG_TASKS_RESULT", "not a regular file"),
        ("mkfifo $PG_TASKS_RESULT", "not a regular file"),
        ("ln -s /etc/passwd $PG_TASKS_RESULT", "cannot be read"),
    ],
)
def test_a_result_that_cannot_be_used_is_an_error_and_disturbs_nothing(
    tmp_path: Path, script: str, error: str
) -> None:
    with guardian(tmp_path, result_limit=1000) as rig:
        end = rig.shell(script)
        assert rig.shell("exit 0").exit_code == 0
    assert (end.exit_code, end.result) == (0, None)
    assert error in (end.error or "")


def test_a_killed_process_keeps_its_result(tmp_path: Path) -> None:
    with guardian(tmp_path) as rig:
        end = rig.shell('echo 1 > "$PG_TASKS_RESULT"; kill -9 $$')
    assert (end.signal, json.loads(end.result or "")) == (signal.SIGKILL, 1)


_DEFAULTS = (
    "import resource, signal\n"
    "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
    "for s in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ): signal.signal(s, signal.SIG_DFL)\n"
)
