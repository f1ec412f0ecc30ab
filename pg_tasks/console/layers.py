"""A graph in layers: each node after those that it needs, with few crossings. Pure.

The steps are those of Sugiyama, Tagawa and Toda (1981): take cycles apart, give each node a layer,
put a stand-in for its line into each layer that the line passes, and sort the layers.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_SWEEPS = 8
"""How often the order is improved; it hardly changes after the third time."""


class Layers(NamedTuple):
    """Nodes from 0; those from ``real`` on only stand for the line of another that passes."""

    real: int
    rows: list[list[int]]
    """The nodes of each layer, in order."""
    links: list[list[tuple[int, int]]]
    """Between each layer and the next: node, and the node that it leads to."""


def arrange(count: int, edges: Iterable[tuple[int, int]]) -> Layers:
    """Nodes 0 to ``count`` - 1 in layers; an edge leads from the needed node to the one that waits.

    Edges that would close a cycle are left out.
    """
    forward = acyclic(count, edges)
    layers = _with_lines(levels(count, forward), forward)
    best = [list(row) for row in layers.rows]
    fewest = _crossings(layers)
    for sweep in range(_SWEEPS):
        _sort(layers, down=sweep % 2 == 0)
        found = _crossings(layers)
        if found < fewest:
            best, fewest = [list(row) for row in layers.rows], found
    return layers._replace(rows=best)


def acyclic(count: int, edges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The edges, each once, without those that lead back to where a path came from."""
    after: list[list[int]] = [[] for _ in range(count)]
    for needed, waiting in sorted(set(edges)):
        after[needed].append(waiting)
    kept: list[tuple[int, int]] = []
    seen, open_ = [False] * count, [False] * count
    for root in range(count):
        if seen[root]:
            continue
        path = [(root, iter(after[root]))]
        seen[root] = open_[root] = True
        while path:
            node, rest = path[-1]
            child = next(rest, None)
            if child is None:
                open_[node] = False
                path.pop()
            elif not open_[child]:
                kept.append((node, child))
                if not seen[child]:
                    seen[child] = open_[child] = True
                    path.append((child, iter(after[child])))
    return sorted(kept)


def levels(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The layer of each node, from 0: after all that it needs; of one that needs nothing, late."""
    after: list[list[int]] = [[] for _ in range(count)]
    missing = [0] * count
    for needed, waiting in edges:
        after[needed].append(waiting)
        missing[waiting] += 1
    first = [not number for number in missing]
    level = [0] * count
    ready = [node for node in range(count) if first[node]]
    for node in ready:
        for waiting in after[node]:
            level[waiting] = max(level[waiting], level[node] + 1)
            missing[waiting] -= 1
            if not missing[waiting]:
                ready.append(waiting)
    for node in range(count):
        if first[node] and after[node]:
            level[node] = min(level[waiting] for waiting in after[node]) - 1
    return level


def _with_lines(level: list[int], edges: Sequence[tuple[int, int]]) -> Layers:
    """Each node has one line, which branches off to those that wait for it."""
    rows: list[list[int]] = [[] for _ in range(max(level, default=-1) + 1)]
    for node, layer in enumerate(level):
        rows[layer].append(node)
    links: list[list[tuple[int, int]]] = [[] for _ in rows[1:]]
    last = dict.fromkeys(range(len(level)), 0)
    for needed, waiting in edges:
        last[needed] = max(last[needed], level[waiting])
    carrier: dict[tuple[int, int], int] = {}
    added = len(level)
    for node, layer in enumerate(level):
        carrier[node, layer] = node
        for passed in range(layer + 1, last[node]):
            carrier[node, passed] = added
            rows[passed].append(added)
            links[passed - 1].append((carrier[node, passed - 1], added))
            added += 1
    for needed, waiting in edges:
        layer = level[waiting] - 1
        links[layer].append((carrier[needed, layer], waiting))
    return Layers(len(level), rows, links)


def _sort(layers: Layers, *, down: bool) -> None:
    """Bring each layer into the order of the means of its neighbours in the one before (after)."""
    rows = layers.rows
    for index in range(1, len(rows)) if down else reversed(range(len(rows) - 1)):
        row, other = rows[index], rows[index - 1 if down else index + 1]
        links = layers.links[index - 1 if down else index]
        place = {node: index for index, node in enumerate(other)}
        found: dict[int, list[int]] = {}
        for needed, waiting in links:
            own, near = (waiting, needed) if down else (needed, waiting)
            found.setdefault(own, []).append(place[near])
        means = {
            node: sum(found[node]) / len(found[node]) if node in found else float(own_place)
            for own_place, node in enumerate(row)
        }
        row.sort(key=means.__getitem__)


def _crossings(layers: Layers) -> int:
    total = 0
    for above, below, links in zip(layers.rows, layers.rows[1:], layers.links, strict=False):
        place = {node: index for row in (above, below) for index, node in enumerate(row)}
        passed: list[int] = []
        for _, at in sorted((place[a], place[b]) for a, b in links):
            total += len(passed) - bisect_left(passed, at + 1)
            insort(passed, at)
    return total
