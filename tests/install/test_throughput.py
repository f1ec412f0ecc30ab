"""A large loss of throughput is seen when it comes; and a node at full rate loses nothing else.

Neither says how fast anything is: this compares within one run, with wide margins, so that a busy
machine passes.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from benchmarks import peers, snapshots, turns
from benchmarks.lab import Lab, opened
from benchmarks.rates import begin_alike, rate

_ROOT = Path(__file__).parents[2]
_SLOTS, _TASKS, _ROUNDS, _TRIES = 16, 500, 3, 4
_LEAST = 0.5
"""Of the rate of xargs."""
_AGED, _CALLS, _LONGEST = 30_000, 100, 3.0
"""Tasks that came and went, calls that are timed, and their time to that without a snapshot."""


@pytest.fixture
def lab() -> Iterator[Lab]:
    with opened() as opened_lab:
        yield opened_lab


def test_tasks_end_at_half_the_rate_of_xargs_at_least(lab: Lab) -> None:
    with lab.node(_SLOTS):
        tries: list[float] = []
        while len(tries) < _TRIES and not any(ratio >= _LEAST for ratio in tries):
            tries.append(median(_ratio(lab) for _ in range(_ROUNDS)))
    assert max(tries) >= _LEAST, tries


def test_calls_beside_a_held_snapshot_take_three_times_as_long_at_most(lab: Lab) -> None:
    with lab.beside("looked_at") as other, snapshots.held(other):
        snapshots.pass_through(other, _AGED)
        for kind, took in turns.call_times(lab, other, _CALLS).items():
            plain, beside = median(took[lab]), median(took[other])
            assert beside <= _LONGEST * plain, (kind, plain, beside)


def test_a_node_at_full_rate_keeps_its_size_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "soak.json"
    # The tables grow until autovacuum has come by, once a minute: this does not wait for that. What
    # else the machine does meanwhile changes the pace by far more than the CPU of a task.
    wide = ["--pace", "0.1", "--cost", "2", "--tables", "10", "--memory", "1.5"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.soak",
            "--minutes",
            "0.3",
            "--rows",
            "5000",
            "--json",
            str(path),
            *wide,
        ],
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    written = json.loads(path.read_text())
    assert len(written["turns"]) == 10
    assert all(turn["rate"] > 0 for turn in written["turns"])
    assert all(result["target"]["met"] for result in written["results"] if result["target"])


def _ratio(lab: Lab) -> float:
    """By turns, so that what else the machine has to do hits both."""
    theirs = _TASKS / peers.xargs(_TASKS, _SLOTS, lab.environment)
    begin_alike(lab)
    return rate(lab, _TASKS) / theirs
