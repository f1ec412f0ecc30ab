"""The benchmarks run and write down what they say; how fast anything is, is no matter here."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import chart

_ROOT = Path(__file__).parents[2]
_SVG = "{http://www.w3.org/2000/svg}"


_NAMES = (
    ("throughput", "two_nodes", "latency", "schedules", "graphs", "people"),
    ("depth", "snapshots", "retention", "doctor", "packing"),
)
"""Those of a line share a server."""


@pytest.mark.parametrize("names", _NAMES, ids=lambda names: names[0])
def test_benchmarks_print_their_numbers_and_write_them_down(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "results.json"
    done = _run(*names, "--small", "--json", str(path))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    written = json.loads(path.read_text())
    assert written["machine"]["postgresql"].startswith("18")
    assert {result["benchmark"] for result in written["results"]} == set(names)
    for result in written["results"]:
        assert result["name"].strip() in done.stdout
        idle = "queries" in result["name"] or "share" in result["name"]
        assert result["value"] > 0 or idle, result
    targets = [result["target"] for result in written["results"] if result["target"]]
    met = sum(target["met"] for target in targets)
    assert f"{met} of {len(targets)} targets met" in done.stdout


def test_the_chart_has_a_bar_for_each_tool_and_is_the_same_for_the_same_numbers() -> None:
    rates = {
        "8 at once: pg_tasks": 900.4,
        "8 at once: <xargs>": 1000.0,
        "50 at once: pg_tasks": 950,
    }
    results = [
        {"benchmark": "throughput", "name": name, "value": rate, "unit": "/s"}
        for name, rate in rates.items()
    ]
    results.append({**results[0], "name": "8 at once: pg_tasks to <xargs>", "unit": "x"})
    machine = {"cores": 2, "kernel": "6.1", "postgresql": "18.1", "date": "2026-01-02T03:04:05"}
    measured = {"machine": {**machine, "commit": "abc"}, "results": results}
    drawn = chart.draw(measured)
    assert drawn == chart.draw(measured)
    texts = ["".join(text.itertext()) for text in ElementTree.fromstring(drawn).iter(f"{_SVG}text")]
    assert texts[:-1] == [
        "8 at once", "<xargs>", "1000", "pg_tasks", "900", "50 at once", "pg_tasks", "950",
    ]  # fmt: skip
    assert "2026-01-02, commit abc" in texts[-1]


def test_results_without_throughput_make_no_chart(tmp_path: Path) -> None:
    found, picture = tmp_path / "results.json", tmp_path / "picture.svg"
    found.write_text(json.dumps({"results": []}))
    done = _run(str(found), "--svg", str(picture), module="benchmarks.chart")
    assert done.returncode == 2
    assert "there is no throughput in any results" in done.stderr
    assert not picture.exists()


def test_a_benchmark_that_does_not_exist_is_refused() -> None:
    done = _run("speed")
    assert done.returncode == 2
    assert "there is no benchmark speed" in done.stderr


def _run(*words: str, module: str = "benchmarks") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
