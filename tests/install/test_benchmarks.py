"""The benchmarks run and write down what they say; how fast anything is, is no matter here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "name",
    ["throughput", "latency", "people", "schedules", "graphs", "depth", "snapshots"],
)
def test_a_benchmark_prints_its_numbers_and_writes_them_down(name: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    done = _run(name, "--small", "--json", str(path))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    written = json.loads(path.read_text())
    assert written["machine"]["postgresql"].startswith("18")
    assert {result["benchmark"] for result in written["results"]} == {name}
    for result in written["results"]:
        assert result["name"].strip() in done.stdout
        assert result["value"] > 0 or "queries" in result["name"]
    targets = [result["target"] for result in written["results"] if result["target"]]
    met = sum(target["met"] for target in targets)
    assert f"{met} of {len(targets)} targets met" in done.stdout


def test_a_benchmark_that_does_not_exist_is_refused() -> None:
    done = _run("speed")
    assert done.returncode == 2
    assert "there is no benchmark speed" in done.stderr


def _run(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *words],
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
