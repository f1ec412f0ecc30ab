"""A run of a workflow as lines of text: boxes and arrows where they fit, else a table. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pg_tasks.console.layers import Layers, acyclic, arrange, levels
from pg_tasks.console.routes import AFTER, BACK, BEFORE, FORTH, Manner, Routes, Size, route
from pg_tasks.console.screen import Table, cut, render, text_of, width_of

_LIMIT = 200
"""Steps: nobody follows the lines between more of them."""
_LABELS = (40, 20, 13)
"""Columns of the longest text in a box: the first with which the drawing fits is taken."""
_RIGHT = Manner(gap=0, step=2, margin=2)
_DOWN = Manner(gap=2, step=1, margin=1)
_FRAME = 4
"""Columns of a box besides its text; and its lines, two of which are text."""

# By the arms to the north (1), east (2), south (4) and west (8).
_LINES = " ╵╶╰╷│╭├╴╯─┴╮┤┬┼"
_PLAIN = str.maketrans("╵╰╷│╭├╯┴╮┤┬┼╶╴─▸▾×…", "|+||+++++++" + "+---" + ">vx~")
_NEEDED = "╭─▸×…"
"""What an output has to be able to show; else it is given ASCII."""
_ESCAPES = {"CF": "31", "CC": "35", "CS": "32", "AE": "33", "AS": "33", "AC": "33"}


class Step(NamedTuple):
    """A step of a run: how many tasks it has in which state."""

    name: str
    fanned_out: bool
    tasks: dict[str, int]
    error: str | None = None

    @property
    def state(self) -> str:
        """The state that says most about it."""
        order = ("CF", "AC", "AS", "AE", "AW", "AD", "AB", "DR", "CC", "CS")
        return min(self.tasks, key=order.index)


class Edge(NamedTuple):
    """A step that needs another, by their names."""

    needed: str
    step: str
    on: str = "success"
    condition: str | None = None
    enabled: bool = True


class Run(NamedTuple):
    """What is to be drawn."""

    heading: str
    steps: Sequence[Step]
    """Each after those that it needs."""
    edges: Sequence[Edge]
    states: dict[str, str]
    """The names of the states."""


class Span(NamedTuple):
    """A part of a line, and the state whose colour it has."""

    text: str
    state: str | None = None


def picture(run: Run, width: int) -> list[list[Span]]:
    """Lines of at most ``width`` columns, if that is at all enough for a table."""
    place = {step.name: index for index, step in enumerate(run.steps)}
    edges = acyclic(len(place), [(place[edge.needed], place[edge.step]) for edge in run.edges])
    drawing = _drawing(run, edges, width) if len(run.steps) <= _LIMIT else None
    if drawing is None:
        drawing = _table(run, levels(len(place), edges), width)
    drawn = {(run.steps[needed].name, run.steps[step].name) for needed, step in edges}
    notes = [[Span(cut(text_of(note), width))] for note in _notes(run, drawn)]
    heading = [Span(cut(text_of(run.heading), width))]
    parts = [part for part in ([heading], drawing, notes) if part]
    return [line for part in parts for line in ([], *part)][1:]


def written(lines: Iterable[Sequence[Span]], encoding: str, *, colour: bool) -> str:
    """The lines as an output of that encoding can show them."""
    try:
        _NEEDED.encode(encoding)
        table = {}
    except UnicodeEncodeError:
        table = _PLAIN
    text = "".join("".join(_coloured(span, colour) for span in line) + "\n" for line in lines)
    return text.translate(table).encode(encoding, "replace").decode(encoding)


def _coloured(span: Span, colour: bool) -> str:
    escape = _ESCAPES.get(span.state or "") if colour else None
    return f"\x1b[{escape}m{span.text}\x1b[0m" if escape else span.text


def _drawing(run: Run, edges: list[tuple[int, int]], width: int) -> list[list[Span]] | None:
    """The largest drawing that fits; from left to right, if both ways do."""
    layers = arrange(len(run.steps), edges)
    for room in _LABELS:
        texts = [[cut(line, room) for line in _texts(step, run.states)] for step in run.steps]
        for down in (False, True):
            found = _routes(layers, texts, down)
            if (found.width if down else found.length) <= width:
                return _Canvas(found, down).fill(run.steps, texts)
    return None


def _texts(step: Step, states: dict[str, str]) -> list[str]:
    name = text_of(step.name)
    if step.fanned_out:
        name += f" ×{sum(step.tasks.values())}"
    if len(step.tasks) == 1:
        return [name, f"{step.state} {states.get(step.state, '')}".rstrip()]
    return [name, _counts(step)]


def _counts(step: Step) -> str:
    return ", ".join(f"{state} {number}" for state, number in sorted(step.tasks.items()))


def _routes(layers: Layers, texts: list[list[str]], down: bool) -> Routes:
    widths = [max(map(width_of, lines)) + _FRAME for lines in texts]
    if down:
        return route(layers, [Size(_FRAME, (w - 1) // 2, w // 2) for w in widths], _DOWN)
    return route(layers, [Size(w, 1, 2) for w in widths], _RIGHT)


class _Canvas:
    """Cells of text, each with the state whose colour it has."""

    def __init__(self, routes: Routes, down: bool) -> None:
        self._routes = routes
        self._down = down
        self._cells: dict[tuple[int, int], Span] = {}

    def fill(self, steps: Sequence[Step], texts: Sequence[Sequence[str]]) -> list[list[Span]]:
        """Draw everything; the lines."""
        for cell, arms in self._routes.arms.items():
            self._put(*self._turned(cell), _LINES[self._compass(arms)])
        for step, lines, box in zip(steps, texts, self._routes.boxes, strict=True):
            column, line = self._turned((box.along, box.across))
            size = self._turned((box.length, box.width))
            self._box(column, line, size, lines, step.state)
        for cell in self._routes.exits:
            column, line = self._turned(cell)
            state = self._cells[column, line].state
            self._put(column, line, "┬" if self._down else "├", state)
        for cell in self._routes.arrows:
            self._put(*self._turned(cell), "▾" if self._down else "▸")
        return self._lines()

    def _turned(self, cell: tuple[int, int]) -> tuple[int, int]:
        return (cell[1], cell[0]) if self._down else cell

    def _compass(self, arms: int) -> int:
        north, east, south, west = (
            (BACK, AFTER, FORTH, BEFORE) if self._down else (BEFORE, FORTH, AFTER, BACK)
        )
        return sum(bit for bit, arm in ((1, north), (2, east), (4, south), (8, west)) if arms & arm)

    def _box(
        self, column: int, line: int, size: tuple[int, int], lines: Sequence[str], state: str
    ) -> None:
        bar = "─" * (size[0] - 2)
        inner = [text + " " * (size[0] - _FRAME - width_of(text)) for text in lines]
        rows = [f"╭{bar}╮", *(f"│ {text} │" for text in inner), f"╰{bar}╯"]
        for below, row in enumerate(rows):
            at = column
            for char in row:
                wide = width_of(char)
                if wide:
                    self._put(at, line + below, char, state)
                    if wide == 2:
                        self._put(at + 1, line + below, "", state)
                else:
                    before = self._cells[at - 1, line + below]
                    self._put(at - 1, line + below, before.text + char, state)
                at += wide

    def _put(self, column: int, line: int, text: str, state: str | None = None) -> None:
        self._cells[column, line] = Span(text, state)

    def _lines(self) -> list[list[Span]]:
        rows: dict[int, dict[int, Span]] = {}
        for (column, line), span in self._cells.items():
            rows.setdefault(line, {})[column] = span
        return [_joined(rows.get(line, {})) for line in range(max(rows, default=-1) + 1)]


def _joined(row: dict[int, Span]) -> list[Span]:
    """Neighbours of the same colour as one span."""
    spans: list[Span] = []
    for column in range(max(row, default=-1) + 1):
        text, state = row.get(column, Span(" "))
        if spans and spans[-1].state == state:
            spans[-1] = Span(spans[-1].text + text, state)
        else:
            spans.append(Span(text, state))
    return spans


def _table(run: Run, level: list[int], width: int) -> list[list[Span]]:
    """The steps from top to bottom, each with the names of those that it needs."""
    needs: dict[str, list[str]] = {}
    for edge in run.edges:
        needs.setdefault(edge.step, []).append(text_of(edge.needed))
    order = sorted(range(len(run.steps)), key=level.__getitem__)
    rows = [
        (level[index] + 1, *_texts(step, run.states), ", ".join(needs.get(step.name, [])))
        for index in order
        for step in (run.steps[index],)
    ]
    lines = render("", [Table("STEPS", ["layer", "step", "state", "needs"], rows)], width, None)
    states = [None, None, *(run.steps[index].state for index in order)]
    return [[Span(line, state)] for line, state in zip(lines[2:], states, strict=True)]


def _notes(run: Run, drawn: set[tuple[str, str]]) -> list[str]:
    """What the drawing has no room for."""
    notes = [f"{step.name}: {step.error}" for step in run.steps if step.error]
    for edge in run.edges:
        text = f"{edge.step} needs {edge.on} of {edge.needed}"
        if edge.condition:
            text += f" and {edge.condition}"
        if not edge.enabled:
            text += ", switched off"
        if (edge.needed, edge.step) not in drawn:
            text += ", not drawn: it leads back"
        if text != f"{edge.step} needs success of {edge.needed}":
            notes.append(text)
    return notes
