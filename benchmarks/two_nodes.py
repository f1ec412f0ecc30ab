"""Two nodes on one machine to one node: with as many slots in sum, and with as many each."""

from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median

from benchmarks.lab import Lab
from benchmarks.rates import begin_alike, rate
from benchmarks.report import Result, at_least

NAME = "two_nodes"
_SLOTS = 16
_NODES = {
    "one node": (_SLOTS,),
    "two with as many in sum": (_SLOTS // 2, _SLOTS // 2),
    "two with as many each": (_SLOTS, _SLOTS),
}


def run(lab: Lab, *, small: bool) -> Iterator[Result]:
    """Each has a group of its own, so that all are up and the turns need no start."""
    count, rounds = (50, 1) if small else (2000, 7)
    rates: dict[str, list[float]] = {name: [] for name in _NODES}
    groups = list(enumerate(_NODES))
    with ExitStack() as nodes:
        worker = 0
        for group, name in groups:
            for slots in _NODES[name]:
                worker += 1
                nodes.enter_context(lab.node(slots, worker=worker, group=group))
        for _ in range(rounds):
            for group, name in groups:
                begin_alike(lab, group)
                rates[name].append(rate(lab, count, group))
            groups.reverse()
    one, *twos = rates
    for name, found in rates.items():
        yield Result(NAME, f"{_SLOTS} slots: {name}", median(found), "/s")
    for name in twos:
        ratio = median(two / single for two, single in zip(rates[name], rates[one], strict=True))
        yield Result(NAME, f"{_SLOTS} slots: {name}, to one", ratio, "x", at_least(1.0))
