"""``python -m benchmarks.chart [<json>] [--svg <file>]``: throughput as a picture for the docs.

Bars from what ``python -m benchmarks throughput`` has written down; without a file it is the latest
run. SVG with the reader's own fonts and colours for light and dark, a few kB, the same bytes for
the same numbers, so that a change of the picture can be read in review.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

_HERE = Path(__file__).parent
_SVG = _HERE.parent / "docs" / "throughput.svg"
_WIDTH, _LABELS, _NUMBERS = 760, 190, 60
_BAR, _GAP, _HEAD, _FOOT = 17, 5, 30, 24
_OURS = "pg_tasks"
_STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #24292f }
.head { font-weight: 600 } .foot { font-size: 11px; opacity: .7 }
.ours { fill: #2f6fb2 } .other { fill: #a8b3bf }
@media (prefers-color-scheme: dark) {
text { fill: #d5dbe1 } .ours { fill: #5a9be0 } .other { fill: #56616d }
}"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chart", description=__doc__)
    parser.add_argument("json", nargs="?", type=Path, help="[the latest in benchmarks/results]")
    parser.add_argument("--svg", type=Path, default=_SVG, help="[%(default)s]")
    words = parser.parse_args()
    # The names of results sort by time.
    results = sorted((_HERE / "results").glob("[0-9]*.json"), reverse=True)
    for source in [words.json] if words.json else results:
        measured = json.loads(source.read_text())
        if _rates(measured["results"]):
            words.svg.write_text(draw(measured))
            sys.stdout.write(f"{words.svg} from {source}\n")
            return
    parser.error("there is no throughput in any results: make bench ARGS=throughput")


def draw(measured: dict[str, Any]) -> str:
    """SVG with a group of bars for each parallelism, the fastest first."""
    groups = _rates(measured["results"])
    most = max(rate for bars in groups.values() for rate in bars.values())
    lines: list[str] = []
    y = 0
    for slots, bars in groups.items():
        y += _HEAD
        lines.append(f'<text class="head" x="0" y="{y - 8}">{slots} at once</text>')
        for name, rate in sorted(bars.items(), key=lambda bar: -bar[1]):
            lines += _bar(name, rate, rate / most, y)
            y += _BAR + _GAP
    y += _FOOT
    lines.append(f'<text class="foot" x="0" y="{y - 8}">{escape(_caption(measured))}</text>')
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y}"'
        f' viewBox="0 0 {_WIDTH} {y}" role="img">'
    )
    title = "<title>/bin/true a second: more is better</title>"
    return "\n".join([head, title, f"<style>{_STYLE}</style>", *lines, "</svg>", ""])


def _rates(results: list[dict[str, Any]]) -> dict[int, dict[str, float]]:
    """By how many at once, by tool."""
    groups: dict[int, dict[str, float]] = {}
    for result in results:
        named = re.fullmatch(r"(\d+) at once: (.+)", result["name"])
        if named and (result["benchmark"], result["unit"]) == ("throughput", "/s"):
            groups.setdefault(int(named[1]), {})[named[2]] = result["value"]
    return groups


def _bar(name: str, rate: float, share: float, y: int) -> Iterator[str]:
    kind = "ours" if name == _OURS else "other"
    width = round(share * (_WIDTH - _LABELS - _NUMBERS))
    middle = y + _BAR - 4
    yield f'<text x="{_LABELS - 8}" y="{middle}" text-anchor="end">{escape(name)}</text>'
    yield f'<rect class="{kind}" x="{_LABELS}" y="{y}" width="{width}" height="{_BAR}" rx="2"/>'
    yield f'<text x="{_LABELS + width + 6}" y="{middle}">{rate:.0f}</text>'


def _caption(measured: dict[str, Any]) -> str:
    machine = measured["machine"]
    return (
        f"/bin/true a second, more is better. {machine['cores']} cores, Linux {machine['kernel']},"
        f" PostgreSQL {machine['postgresql']}, {machine['date'][:10]}, commit {machine['commit']}."
    )


if __name__ == "__main__":
    main()
