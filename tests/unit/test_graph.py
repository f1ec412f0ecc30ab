"""Runs of workflows as drawings that fit a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_tasks.console.layers import acyclic, arrange, levels
from pg_tasks.console.picture import Edge, Run, Step, picture, written
from pg_tasks.console.routes import AFTER, BACK, BEFORE, FORTH, Box, Manner, Routes, Size, route
from pg_tasks.console.screen import width_of

NAMES = {"CS": "completed", "CF": "failed", "AW": "waiting", "AE": "executing"}
DIAMOND = "get>check get>clean check>load clean>load"
PAIRS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=20)
FORWARD = PAIRS.map(lambda pairs: [(min(pair), max(pair)) for pair in pairs if len(set(pair)) == 2])


def run_of(edges: str, **states: str) -> Run:
    """``a>b``: b needs a. All tasks have completed but those whose state is told."""
    pairs = [pair.split(">") for pair in edges.split()]
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    steps = [Step(name, False, {states.get(name, "CS"): 1}) for name in names]
    return Run("run 1", steps, [Edge(pair[0], pair[1]) for pair in pairs if len(pair) == 2], NAMES)


def shown(run: Run, width: int = 80, encoding: str = "utf-8", *, colour: bool = False) -> str:
    return written(picture(run, width), encoding, colour=colour)


def drawn(run: Run, width: int = 80, encoding: str = "utf-8") -> list[str]:
    """The lines below the heading."""
    return shown(run, width, encoding).splitlines()[2:]


def test_a_graph_is_drawn_from_left_to_right() -> None:
    assert drawn(run_of(DIAMOND, clean="CF", load="AW")) == [
        "                    ╭──────────────╮",
        "                 ╭─▸│ check        ├─╮",
        "╭──────────────╮ │  │ CS completed │ │  ╭────────────╮",
        "│ get          ├─┤  ╰──────────────╯ ├─▸│ load       │",
        "│ CS completed │ │  ╭──────────────╮ │  │ AW waiting │",
        "╰──────────────╯ ╰─▸│ clean        ├─╯  ╰────────────╯",
        "                    │ CF failed    │",
        "                    ╰──────────────╯",
    ]


def test_it_is_drawn_from_top_to_bottom_where_that_alone_fits() -> None:
    assert drawn(run_of(DIAMOND), 34) == [
        "        ╭──────────────╮",
        "        │ get          │",
        "        │ CS completed │",
        "        ╰──────┬───────╯",
        "       ╭───────┴─────────╮",
        "       ▾                 ▾",
        "╭──────────────╮  ╭──────────────╮",
        "│ check        │  │ clean        │",
        "│ CS completed │  │ CS completed │",
        "╰──────┬───────╯  ╰──────┬───────╯",
        "       ╰───────┬─────────╯",
        "               ▾",
        "        ╭──────────────╮",
        "        │ load         │",
        "        │ CS completed │",
        "        ╰──────────────╯",
    ]


def test_it_is_a_table_where_no_drawing_fits() -> None:
    assert drawn(run_of(DIAMOND), 33) == [
        "STEPS",
        "  layer  step   state    needs",
        "      1  get    CS com…",
        "      2  check  CS com…  get",
        "      2  clean  CS com…  get",
        "      3  load   CS com…  check, …",
    ]


def test_it_is_a_table_where_nobody_could_follow_the_lines() -> None:
    steps = " ".join(f"{number}>{number + 1}" for number in range(300))
    assert drawn(run_of(steps), 200)[0] == "STEPS"


def test_an_output_that_knows_no_lines_is_given_ascii() -> None:
    run = run_of("a>x b>y")
    assert drawn(run, 80, "ascii")[:4] == [
        "+--------------+  +--------------+",
        "| a            +->| x            |",
        "| CS completed |  | CS completed |",
        "+--------------+  +--------------+",
    ]
    names = run._replace(steps=[Step("ü" * 50, True, {"CS": 1})], edges=[])
    assert shown(names, 80, "ascii").isascii()
    assert shown(names, 12, "latin-1").isprintable() is False  # line ends, and nothing else
    assert "ü" in shown(names, 80, "latin-1")


def test_a_step_that_is_fanned_out_is_one_box_with_its_tasks_by_state() -> None:
    steps = [Step("count", True, {"CS": 8, "AE": 2}), Step("all", True, {"CS": 3})]
    assert drawn(Run("run 1", steps, [], NAMES))[1:3] == [
        "│ count ×10    │",
        "│ AE 2, CS 8   │",
    ]
    assert drawn(Run("run 1", steps[1:], [], NAMES))[1:3] == [
        "│ all ×3       │",
        "│ CS completed │",
    ]


@pytest.mark.parametrize(
    ("tasks", "state"),
    [({"CS": 2, "AE": 1}, "AE"), ({"CF": 1, "AE": 1}, "CF"), ({"CC": 1, "CS": 9}, "CC")],
)
def test_the_state_that_says_most_decides_the_colour(tasks: dict[str, int], state: str) -> None:
    assert Step("a", True, tasks).state == state


def test_colours_are_of_boxes_and_only_where_they_are_wanted() -> None:
    run = run_of("a>b", a="CF", b="AW")
    assert "\x1b" not in shown(run)
    coloured = shown(run, colour=True)
    assert "\x1b[31m│ a         ├\x1b[0m─▸│ b          │" in coloured
    assert shown(run) == coloured.replace("\x1b[31m", "").replace("\x1b[0m", "")


def test_what_the_boxes_have_no_room_for_is_told_below() -> None:
    steps = [Step("get", False, {"CF": 1}, "exit code 3"), Step("tell", False, {"CS": 1})]
    edges = [Edge("get", "tell", "failure", "($.rows > 0)", enabled=False)]
    assert drawn(Run("run 1", steps, edges, NAMES))[-2:] == [
        "get: exit code 3",
        "tell needs failure of get and ($.rows > 0), switched off",
    ]


def test_a_line_that_would_close_a_cycle_is_told_instead_of_drawn() -> None:
    lines = drawn(run_of("a>b b>a a>a"))
    assert lines[-2:] == [
        "a needs success of b, not drawn: it leads back",
        "a needs success of a, not drawn: it leads back",
    ]
    assert "├─▸" in lines[1]


def test_a_run_without_tasks_is_its_heading() -> None:
    assert shown(Run("run 1 waits", [], [], NAMES)) == "run 1 waits\n"


def test_lines_that_all_lead_to_the_same_are_one() -> None:
    assert drawn(run_of("a>x a>y b>x b>y"))[1:6] == [
        "│ a            ├─┬─▸│ x            │",
        "│ CS completed │ │  │ CS completed │",
        "╰──────────────╯ │  ╰──────────────╯",
        "╭──────────────╮ │  ╭──────────────╮",
        "│ b            ├─┴─▸│ y            │",
    ]


def test_lines_that_only_cross_do_not_touch() -> None:
    text = shown(run_of("a>x b>y c>z a>z"))
    assert "─│─" in text
    assert "┼" not in text


@given(pairs=PAIRS)
def test_what_is_left_of_a_graph_has_no_cycle_and_is_in_layers(
    pairs: list[tuple[int, int]],
) -> None:
    kept = acyclic(9, pairs)
    assert set(kept) <= set(pairs)
    level = levels(9, kept)
    assert all(level[needed] < level[waiting] for needed, waiting in kept)
    assert set(level) == set(range(max(level) + 1))


@given(pairs=FORWARD)
def test_nothing_is_left_out_of_a_graph_without_a_cycle(pairs: list[tuple[int, int]]) -> None:
    assert acyclic(9, pairs) == sorted(set(pairs))


@given(pairs=FORWARD, down=st.booleans(), widths=st.lists(st.integers(5, 20), min_size=9))
def test_the_lines_say_what_the_graph_says(
    pairs: list[tuple[int, int]], down: bool, widths: list[int]
) -> None:
    if down:
        sizes = [Size(4, (width - 1) // 2, width // 2) for width in widths]
        found = route(arrange(9, pairs), sizes, Manner(2, 1, 1))
    else:
        sizes = [Size(width, 1, 2) for width in widths]
        found = route(arrange(9, pairs), sizes, Manner(0, 2, 2))
    cells = [cell for box in found.boxes[:9] for cell in cells_of(box)]
    assert len(cells) == len(set(cells))
    assert not set(cells) & found.arms.keys()
    assert all(0 <= a < found.length and 0 <= b < found.width for a, b in {*cells, *found.arms})
    assert read(found) == set(pairs)


@given(
    edges=PAIRS,
    width=st.integers(1, 120),
    names=st.lists(st.text(min_size=1, max_size=30), min_size=9, max_size=9, unique=True),
    tasks=st.dictionaries(st.sampled_from(list(NAMES)), st.integers(1, 10_000), min_size=1),
)
def test_no_line_is_longer_than_the_terminal_is_wide(
    edges: list[tuple[int, int]], width: int, names: list[str], tasks: dict[str, int]
) -> None:
    steps = [Step(name, True, tasks, name) for name in names]
    run = Run(names[0], steps, [Edge(names[a], names[b], names[0]) for a, b in edges], NAMES)
    for line in shown(run, width).splitlines():
        assert width_of(line) <= width
        assert line.isprintable()


def cells_of(box: Box) -> list[tuple[int, int]]:
    return [
        (box.along + along, box.across + across)
        for along in range(box.length)
        for across in range(box.width)
    ]


def read(found: Routes) -> set[tuple[int, int]]:
    """The edges that a person sees who follows each line from its box with a finger."""
    owner = {cell: node for node, box in enumerate(found.boxes) for cell in cells_of(box)}
    layers = {box.along + place for box in found.boxes for place in range(box.length)}
    seen = set()
    for along, across in found.exits:
        for end in follow(found, layers, (along + 1, across), turned=False):
            seen.add((owner[along, across], owner[end[0] + 1, end[1]]))
    return seen


def follow(
    found: Routes, layers: set[int], cell: tuple[int, int], *, turned: bool
) -> list[tuple[int, int]]:
    """The ends of arrows to which a line leads that turns aside at most once before each layer."""
    ends: list[tuple[int, int]] = []
    along, across = cell
    turned = turned and along not in layers
    arms = found.arms.get(cell, 0)
    if cell in found.arrows:
        return [cell]
    if arms & FORTH or arms and not arms & BACK:  # the latter: it passes below another line
        ends += follow(found, layers, (along + 1, across), turned=turned)
    if arms & BACK and not turned:
        for arm, step in ((BEFORE, -1), (AFTER, 1)):
            aside = across
            while found.arms[along, aside] & arm:
                aside += step
                if found.arms[along, aside] & FORTH:
                    ends += follow(found, layers, (along + 1, aside), turned=along not in layers)
    return ends
