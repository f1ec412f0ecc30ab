"""Where the boxes of a layered graph stand, and which cells their lines go through. Pure.

Everything is told in two directions: ``along`` the edges, and ``across`` them. What is drawn from
left to right and what is drawn from top to bottom is the same, turned.

Between two layers a line turns aside once at most. Nodes that lead to the very same ones share it
on its way to those that need the very same ones, so that it says no more than the graph does. Where
one only crosses another it passes over it.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from pg_tasks.console.layers import Layers

BACK, FORTH, BEFORE, AFTER = 1, 2, 4, 8
"""The arms of a cell: against and along the edges, and across them."""
_SWEEPS = 6


class Manner(NamedTuple):
    """What is different between from left to right and from top to bottom."""

    gap: int
    """Cells between two boxes of a layer."""
    step: int
    """Cells along from one line across to the next."""
    margin: int
    """Cells along between two layers, besides those steps."""


class Size(NamedTuple):
    """A box: its cells along, and those across before and after the one where lines come in."""

    along: int
    before: int
    after: int


class Box(NamedTuple):
    """Where a node stands: its first cells, and its size; in each layer all go equally far."""

    along: int
    across: int
    length: int
    width: int


class Routes(NamedTuple):
    """A drawing, not yet in characters."""

    boxes: list[Box]
    arms: dict[tuple[int, int], int]
    """Cells (along, across) of lines, with their arms."""
    arrows: list[tuple[int, int]]
    """Cells where a line ends at a box."""
    exits: list[tuple[int, int]]
    """Cells in the edge of a box where a line begins."""
    length: int
    width: int


class _Bundle(NamedTuple):
    """Nodes of one layer that lead to the same ones, and nodes of the next that need the same."""

    sources: set[int]
    targets: set[int]
    ports: set[int]

    @property
    def straight(self) -> bool:
        return len(self.ports) == 1


class _Channel(NamedTuple):
    """The lines between two layers: for each bundle the number of its line across."""

    bundles: list[_Bundle]
    tracks: list[int]
    shift: int
    """How far beside the port of a box its lines go out."""

    @property
    def width(self) -> int:
        return max(self.tracks, default=-1) + 1


def route(layers: Layers, sizes: Sequence[Size], manner: Manner) -> Routes:
    """``sizes`` are those of the real nodes."""
    all_sizes = _all_sizes(layers, sizes)
    ports = _place(layers, all_sizes, manner.gap)
    channels = [_channel(links, ports) for links in layers.links]
    begins, length = [], 0
    thick = [max((all_sizes[node].along for node in row), default=0) for row in layers.rows]
    for index, cells in enumerate(thick):
        begins.append(length)
        length += cells
        if index < len(channels):
            length += manner.margin + manner.step * channels[index].width
    boxes = {
        node: Box(begins[index], ports[node] - size.before, thick[index], _width(size))
        for index, row in enumerate(layers.rows)
        for node, size in ((node, all_sizes[node]) for node in row)
    }
    found = Routes([boxes[node] for node in range(layers.real)], {}, [], [], length, 0)
    for index, channel in enumerate(channels):
        _draw(found, channel, ports, begins[index] + thick[index], begins[index + 1], manner.step)
        for box in (boxes[node] for node in _passing(layers, index)):
            _pass(found.arms, box, ports, channel.shift)
        _end(found, layers, channel, ports, begins[index] + thick[index], begins[index + 1])
    return found._replace(width=max((box.across + box.width for box in boxes.values()), default=0))


def _width(size: Size) -> int:
    return size.before + 1 + size.after


def _all_sizes(layers: Layers, sizes: Sequence[Size]) -> dict[int, Size]:
    line = Size(0, 0, 1)
    return {
        node: sizes[node] if node < layers.real else line for row in layers.rows for node in row
    }


def _passing(layers: Layers, index: int) -> list[int]:
    return [node for node in layers.rows[index] if node >= layers.real]


def _place(layers: Layers, sizes: dict[int, Size], gap: int) -> dict[int, int]:
    """The port of each node, near the middle of its neighbours.

    Any two ports are an even number of cells apart, so that no line that goes out one cell beside
    a port is where another comes in.
    """
    neighbours: tuple[dict[int, list[int]], dict[int, list[int]]] = ({}, {})
    for links in layers.links:
        for needed, waiting in links:
            neighbours[0].setdefault(waiting, []).append(needed)
            neighbours[1].setdefault(needed, []).append(waiting)
    at: dict[int, float] = {}
    for row in layers.rows:
        at |= dict(zip(row, _apart([0.0] * len(row), [sizes[n] for n in row], gap), strict=True))
    for sweep in range(_SWEEPS):
        near = neighbours[sweep % 2]
        for row in layers.rows if sweep % 2 == 0 else reversed(layers.rows):
            wanted = [
                sum(at[other] for other in near[node]) / len(near[node])
                if node in near
                else at[node]
                for node in row
            ]
            places = _apart(wanted, [sizes[node] for node in row], gap)
            at |= dict(zip(row, places, strict=True))
    first = min((at[node] - sizes[node].before for node in at), default=0)
    return {node: round(place - first) for node, place in at.items()}


def _apart(wanted: Sequence[float], sizes: Sequence[Size], gap: int) -> list[int]:
    """Even places in the given order, as far apart as the sizes ask for, nearest to those wanted.

    What is wanted, less the room that those before take at least, must not fall: the nearest
    such numbers are means of blocks (isotonic regression, by pooling adjacent violators).
    """
    room, offsets = 0, [0]
    for left, right in zip(sizes, sizes[1:], strict=False):
        need = left.after + gap + right.before + 1
        room += need + need % 2
        offsets.append(room)
    blocks: list[tuple[float, int]] = []
    for place, offset in zip(wanted, offsets, strict=False):
        mean, weight = place - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, more = blocks.pop()
            mean, weight = (mean * weight + other * more) / (weight + more), weight + more
        blocks.append((mean, weight))
    flat = [2 * round(mean / 2) for mean, weight in blocks for _ in range(weight)]
    return [place + offset for place, offset in zip(flat, offsets, strict=False)]


def _channel(links: Sequence[tuple[int, int]], ports: dict[int, int]) -> _Channel:
    """Lines go out where others come in, unless they would be in the way of each other."""
    bundles = _bundles(links, ports, 0)
    before = _orders(bundles, ports)
    if before is not None:
        with suppress(CycleError):
            return _Channel(bundles, _tracks(bundles, before), 0)
    bundles = _bundles(links, ports, 1)
    return _Channel(bundles, _tracks(bundles, {index: set() for index in range(len(bundles))}), 1)


def _bundles(links: Sequence[tuple[int, int]], ports: dict[int, int], shift: int) -> list[_Bundle]:
    needs: dict[int, set[int]] = {}
    leads: dict[int, set[int]] = {}
    for needed, waiting in links:
        needs.setdefault(waiting, set()).add(needed)
        leads.setdefault(needed, set()).add(waiting)
    together: dict[tuple[frozenset[int], frozenset[int]], tuple[set[int], set[int]]] = {}
    for needed, waiting in links:
        key = frozenset(leads[needed]), frozenset(needs[waiting])
        sources, targets = together.setdefault(key, (set(), set()))
        sources.add(needed)
        targets.add(waiting)
    bundles = [
        _Bundle(sources, targets, {ports[n] + shift for n in sources} | {ports[n] for n in targets})
        for sources, targets in together.values()
    ]
    return sorted(bundles, key=lambda bundle: (min(bundle.ports), max(bundle.ports)))


def _orders(bundles: Sequence[_Bundle], ports: dict[int, int]) -> dict[int, set[int]] | None:
    """For each bundle those whose lines across have to be before its own. None: it cannot be.

    Where a line goes out at the very place where another comes in, the first must have ended
    before the second begins. Where it comes in there itself, no other may join it on the way.
    """
    out: dict[int, set[int]] = {}
    joined: Counter[int] = Counter()
    for index, bundle in enumerate(bundles):
        joined.update(bundle.targets)
        for node in bundle.sources:
            out.setdefault(ports[node], set()).add(index)
    before: dict[int, set[int]] = {index: set() for index in range(len(bundles))}
    for index, bundle in enumerate(bundles):
        for node in bundle.targets:
            there = out.get(ports[node], set())
            if index in there and joined[node] > 1:
                return None
            before[index] |= there - {index}
    return before


def _tracks(bundles: Sequence[_Bundle], before: dict[int, set[int]]) -> list[int]:
    """For each bundle the number of its line across; -1 if it needs none. Raises CycleError."""
    tracks = [-1] * len(bundles)
    taken: list[list[tuple[int, int]]] = []
    for index in TopologicalSorter(before).static_order():
        if bundles[index].straight:
            continue
        low, high = min(bundles[index].ports), max(bundles[index].ports)
        track = 1 + max((tracks[other] for other in before[index]), default=-1)
        while track < len(taken) and any(low <= b and a <= high for a, b in taken[track]):
            track += 1
        while track >= len(taken):
            taken.append([])
        taken[track].append((low, high))
        tracks[index] = track
    return tracks


def _draw(
    found: Routes, channel: _Channel, ports: dict[int, int], begin: int, end: int, step: int
) -> None:
    """The lines between two layers: first those along, then those across, which pass over them."""
    first = begin + step - 1
    furthest: dict[int, int] = {}
    for bundle, track in zip(channel.bundles, channel.tracks, strict=True):
        at = end if track < 0 else first + step * track
        for node in bundle.sources:
            furthest[node] = max(furthest.get(node, begin), at)
        if track >= 0:
            for node in bundle.targets:
                _along(found.arms, at, end, ports[node], FORTH, BACK | FORTH)
    for node, at in furthest.items():
        last = BACK | FORTH if at == end else BACK
        _along(found.arms, begin, min(at + 1, end), ports[node] + channel.shift, None, last)
    for bundle, track in zip(channel.bundles, channel.tracks, strict=True):
        if track >= 0:
            _across(found.arms, first + step * track, bundle.ports)


def _along(
    arms: dict[tuple[int, int], int],
    begin: int,
    end: int,
    across: int,
    first: int | None,
    last: int,
) -> None:
    """A line over the cells from ``begin`` up to ``end``; the arms of its first and last cell."""
    for along in range(begin, end):
        own = BACK | FORTH
        if along == end - 1:
            own = last
        if along == begin and first is not None:
            own = first
        arms[along, across] = arms.get((along, across), 0) | own


def _across(arms: dict[tuple[int, int], int], along: int, ports: set[int]) -> None:
    low, high = min(ports), max(ports)
    for across in range(low, high + 1):
        own = (BEFORE if across > low else 0) | (AFTER if across < high else 0)
        met = arms.get((along, across), 0) if across in ports else 0
        arms[along, across] = met | own


def _pass(arms: dict[tuple[int, int], int], box: Box, ports: dict[int, int], shift: int) -> None:
    """The line of another node on its way through a layer."""
    last = box.along + box.length - 1
    for along in range(box.along, last + 1):
        arms[along, box.across] = BACK | FORTH
    if shift:
        arms[last, box.across] = BACK | AFTER
        arms[last, box.across + shift] = BEFORE | FORTH


def _end(
    found: Routes, layers: Layers, channel: _Channel, ports: dict[int, int], begin: int, end: int
) -> None:
    for bundle in channel.bundles:
        found.exits.extend(
            (begin - 1, ports[node] + channel.shift)
            for node in bundle.sources
            if node < layers.real
        )
        found.arrows.extend((end - 1, ports[node]) for node in bundle.targets if node < layers.real)
