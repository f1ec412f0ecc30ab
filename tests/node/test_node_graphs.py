"""Graphs of real processes: their order, over kills too, and the results that travel."""

import json
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from psycopg2.extras import execute_values

from tests.node.conftest import StartNode
from tests.node.running_node import SHORT_LEASE, RunningNode
from tests.node.tasks import Tasks, program, shell
from tests.procedures.graph_world import some_edges
from tests.procedures.modelled_graph import (
    ENDED,
    RESULTS,
    Edge,
    Graph,
    Pair,
    Task,
    met_by,
    verdict,
)
from tests.servers import Database
from tests.waiting import wait_until

_STEP = """
log={log}; me="$PG_TASKS_TASK_ID $PG_TASKS_ATTEMPT"
echo "begin $me" >> $log
{middle}
code={code}; test "$PG_TASKS_ATTEMPT" -lt {lucky} || code=0
echo "end $me $code" >> $log
exit $code
"""
NEVER = 1000


class Line(NamedTuple):
    """What a step has written. The order of the lines is the order in which it happened."""

    place: int
    what: str
    task_id: int
    attempt: int
    code: int | None


def step(
    log: Path, seconds: float = 0, code: int = 0, lucky: int = NEVER, result: Any = None
) -> list[str]:
    """Says when it begins and ends; exits with ``code``, from attempt ``lucky`` on with 0."""
    middle = [f"sleep {seconds}"] if seconds else []
    if result is not None:
        middle.append(f"echo '{json.dumps(result)}' > \"$PG_TASKS_RESULT\"")
    return shell(_STEP.format(log=log, middle="\n".join(middle) or ":", code=code, lucky=lucky))


def read(log: Path) -> list[Line]:
    words = [text.split() for text in log.read_text().splitlines()] if log.exists() else []
    return [
        Line(place, what, int(task), int(attempt), int(rest[0]) if rest else None)
        for place, (what, task, attempt, *rest) in enumerate(words)
    ]


def link(tasks: Tasks, waiting: int, needed: int, **columns: object) -> None:
    names = "".join(f', "{name}"' for name in columns)
    tasks.sql(
        f"INSERT INTO long_task.task_dependency (task_id, needs_task_id{names})"
        f" VALUES (%s, %s{', %s' * len(columns)})",
        waiting, needed, *columns.values(),
    )  # fmt: skip


def queue(tasks: Tasks, ids: list[int]) -> None:
    tasks.sql("UPDATE long_task.task SET state_id = 'AW' WHERE id = ANY (%s)", ids)


def chain(
    tasks: Tasks, commands: list[list[str]], on: str = "success", **columns: Any
) -> list[int]:
    """Tasks of which each needs the one before, ready all at once."""
    ids = [tasks.add(command, state_id="DR", **columns) for command in commands]
    for needed, waiting in zip(ids, ids[1:], strict=False):
        link(tasks, waiting, needed, on=on)
    queue(tasks, ids)
    return ids


class Written(NamedTuple):
    """What a person has written at the beginning."""

    tasks: Mapping[int, Task]
    edges: Mapping[Pair, Edge]


def write_graph(
    database: Database, log: Path, random: Random, count: int, attempts: int
) -> Written:
    """Tasks and edges by one transaction, while the nodes are awake."""
    tasks = [
        Task(
            "AW",
            random.choice([None, None, "any"]),
            random.choice([None, "cancel", "start", "start", "wait"]),
            random.choice([1, 2, 3]) + attempts,
        )
        for _ in range(count)
    ]
    commands = [
        step(
            log, random.choice([0, 0, 0.02]), random.choice([0, 0, 0, 0, 1]),
            random.choice([1, NEVER, 2, 3]), random.choice(RESULTS),
        )
        for _ in tasks
    ]  # fmt: skip
    connection = database.connect(autocommit=False)
    with connection, connection.cursor() as cursor:
        rows = execute_values(
            cursor,
            "INSERT INTO long_task.task"
            " (state_id, command, needs, unmet, max_attempts, retry_delay) VALUES %s RETURNING id",
            [
                ("AW", command, t.needs, t.unmet, t.max_attempts, random.choice(["0", "0.01 s"]))
                for t, command in zip(tasks, commands, strict=True)
            ],
            page_size=1000,
            fetch=True,
        )
        ids = [int(row[0]) for row in rows]
        edges = some_edges(random, ids, count * 3 // 2)
        execute_values(
            cursor,
            "INSERT INTO long_task.task_dependency"
            ' (task_id, needs_task_id, "on", condition, enabled) VALUES %s',
            [(*pair, e.on, e.condition, e.enabled) for pair, e in edges.items()],
            page_size=10_000,
        )
    return Written(dict(zip(ids, tasks, strict=True)), edges)


def all_quiet(tasks: Tasks) -> list[Any]:
    """Waits until nothing runs, is ready, or is left to be seen to; the rows."""
    wait_until(
        lambda: tasks.sql(
            "SELECT id, state_id FROM long_task.task"
            " WHERE state_id LIKE 'A%%' AND state_id <> 'AB' OR running_on IS NOT NULL"
            " UNION ALL SELECT task_id, 'unsettled' FROM long_task.unsettled_task LIMIT 5"
        ),
        lambda rows: not rows,
        describe="everything to end that can",
        limit=120,
    )
    return tasks.sql("SELECT * FROM long_task.task ORDER BY id")


def judge(tasks: Tasks, written: Written, lines: list[Line], cancelled: set[int]) -> Counter[str]:
    """That what ran might run, that what did not might not, and that each end is true."""
    rows = {row.id: row for row in all_quiet(tasks)}
    runs: dict[int, list[Any]] = {task_id: [] for task_id in rows}
    for run in tasks.sql("SELECT * FROM long_task.task_run ORDER BY task_id, attempt"):
        runs[run.task_id].append(run)
    graph = Graph(
        {
            task_id: Task(rows[task_id].state_id, t.needs, t.unmet, result=rows[task_id].result)
            for task_id, t in written.tasks.items()
        },
        dict(written.edges),
    )
    for row in tasks.sql("SELECT task_id, needs_task_id, met FROM long_task.task_dependency"):
        edge = graph.edges[row.task_id, row.needs_task_id]
        edge.met = row.met
        assert row.met == met_by(edge, graph.tasks[row.needs_task_id]), row
    for task_id, row in rows.items():
        own = [line for line in lines if line.task_id == task_id]
        attempts_are_true(row, runs[task_id], own, written.tasks[task_id].max_attempts)
        if own:
            assert started_in_time(task_id, graph, rows, runs, lines), f"task {task_id} began early"
        elif row.state_id == "CC":
            assert task_id in cancelled or graph.verdict(task_id) == "cancel", row
        else:
            assert row.state_id == "AB" and graph.waits_for_good_reason(task_id), row
    return Counter(row.state_id for row in rows.values())


def attempts_are_true(row: Any, runs: list[Any], own: list[Line], max_attempts: int) -> None:
    """One after the other, each with an end that it has really had."""
    places = [(line.attempt, line.what) for line in own]
    assert places == sorted(set(places)), f"task {row.id} ran twice at once: {places}"
    assert [run.attempt for run in runs] == list(range(1, row.attempt + 1))
    assert row.attempt <= max_attempts
    codes = {line.attempt: line.code for line in own if line.what == "end"}
    for run in runs:
        assert run.exit_code is None or run.exit_code == codes[run.attempt]
        assert run.state_id != "CS" or codes[run.attempt] == 0
    if row.state_id in ("CS", "CF"):
        assert runs[-1].state_id == row.state_id
    if row.state_id == "CF":
        assert row.attempt == max_attempts


def started_in_time(
    task_id: int, graph: Graph, rows: Mapping[int, Any], runs: Mapping[int, Any], lines: list[Line]
) -> bool:
    """Whether all it needs had come when it began; nothing here is ever queued again."""
    begun = min(line.place for line in lines if line.task_id == task_id)
    mets = []
    for (waiting, needed), edge in graph.edges.items():
        if waiting != task_id or not edge.enabled:
            continue
        places = [line.place for line in lines if line.task_id == needed]
        finished = rows[needed].finished
        over = (
            rows[needed].state_id in ENDED
            and finished <= runs[task_id][0].started
            and all(place < begun for place in places)
        )
        mets.append(edge.met if over else None)
    return verdict(graph.tasks[task_id].needs, graph.tasks[task_id].unmet, mets) == "start"


@pytest.mark.parametrize("seed", [1, 2])
def test_two_nodes_run_a_graph_in_its_order_and_to_its_end(
    start_node: StartNode, tasks: Tasks, database: Database, tmp_path: Path, seed: int
) -> None:
    random, log = Random(seed), tmp_path / "log"
    start_node(1, 0, 6)
    start_node(2, 0, 6)
    written = write_graph(database, log, random, 200, 0)
    cancelled = set()
    for seen in (20, 60, 100, 140):
        wait_until(lambda seen=seen: len(read(log)) >= seen)  # type: ignore[misc]
        some = random.sample(list(written.tasks), 6)
        cancelled |= set(some)
        tasks.sql(
            "UPDATE long_task.task SET state_id = 'AC' WHERE id = ANY (%s) AND state_id LIKE 'A%%'"
            " AND state_id <> 'AC'",
            some,
        )
    all_quiet(tasks)
    states = judge(tasks, written, read(log), cancelled)
    assert min(states["CS"], states["CF"], states["CC"]) > 5, states


def test_a_graph_is_run_to_its_end_over_killed_nodes(
    start_node: StartNode, launch: StartNode, tasks: Tasks, database: Database, tmp_path: Path
) -> None:
    random, log = Random(3), tmp_path / "log"
    nodes = [start_node(1, 0, 4, **SHORT_LEASE), start_node(2, 0, 4, **SHORT_LEASE)]
    launch(1, 0, 4, **SHORT_LEASE).says("event=standby")
    written = write_graph(database, log, random, 150, 5)
    for number, seen in enumerate((40, 80)):
        wait_until(lambda seen=seen: len(read(log)) >= seen)  # type: ignore[misc]
        nodes[number].signal(signal.SIGKILL)
    all_quiet(tasks)
    states = judge(tasks, written, read(log), set())
    assert min(states["CS"], states["CC"]) > 5, states


@pytest.mark.parametrize("standby", [True, False])
def test_a_chain_goes_on_where_it_was_when_its_node_is_killed_in_the_middle(
    start_node: StartNode, launch: StartNode, tasks: Tasks, tmp_path: Path, standby: bool
) -> None:
    log = tmp_path / "log"
    node = start_node(1, 0, 2, **SHORT_LEASE)
    if standby:
        launch(1, 0, 2, **SHORT_LEASE).says("event=standby")
    ids = chain(tasks, [step(log, 0.05)] * 12, max_attempts=3, retry_delay="0")
    wait_until(lambda: len(read(log)) >= 9)
    node.signal(signal.SIGKILL)
    if not standby:
        node.ended()
        start_node(1, 0, 2, **SHORT_LEASE)
    assert {row.state_id for row in tasks.all_ended()} == {"CS"}
    ends = [line.task_id for line in read(log) if line.what == "end"]
    begins = [line.task_id for line in read(log) if line.what == "begin"]
    # An attempt may be killed, or go unreported, after it has said the one or the other.
    assert ends == sorted(ends) and begins == sorted(begins)
    assert set(ends) == set(begins) == set(ids)
    assert len(begins) <= len(ids) + 1


def test_what_a_dead_node_leaves_behind_stops_nobody_else(
    start_node: StartNode, tasks: Tasks, tmp_path: Path
) -> None:
    first = start_node(1, 0, 2, **SHORT_LEASE)
    lost, after, cleanup, last = (tasks.add(["true"], state_id="DR") for _ in range(4))
    tasks.sql("UPDATE long_task.task SET command = '{sleep,1000}' WHERE id = %s", lost)
    link(tasks, after, lost)
    link(tasks, cleanup, lost, on="failure")
    link(tasks, last, cleanup)
    queue(tasks, [lost, after, cleanup, last])
    wait_until(first.tasks)
    start_node(2, 0, 2, **SHORT_LEASE)
    first.signal(signal.SIGKILL)
    rows = {row.id: (row.state_id, row.error, row.worker_id) for row in tasks.all_ended()}
    assert rows == {
        lost: ("CF", "Worker failed", 1),
        after: ("CC", f"needs success of task {lost}, which failed", None),
        cleanup: ("CS", None, 2),
        last: ("CS", None, 2),
    }


@pytest.mark.parametrize(("on", "states"), [("success", "CF CC CC"), ("end", "CF CS CS")])
def test_a_failed_step_stays_a_failed_one_whatever_comes_after_it(
    node: RunningNode, tasks: Tasks, tmp_path: Path, on: str, states: str
) -> None:
    log = tmp_path / "log"
    chain(tasks, [step(log, code=3), step(log), step(log)], on)
    rows = tasks.all_ended()
    assert " ".join(row.state_id for row in rows) == states
    assert (rows[0].exit_code, rows[0].error) == (3, "exit code 3")


def test_results_reach_a_process_on_every_way_at_once(node: RunningNode, tasks: Tasks) -> None:
    value = {"rows": 3, "file": "a b ü\n'\"$HOME"}
    told = shell(f"cat > \"$PG_TASKS_RESULT\" << 'END'\n{json.dumps(value)}\nEND")
    silent = shell("printf 'only %s' output")
    by = {
        way: tasks.add(told, state_id="DR", name=f"by-{way}") for way in ("params", "env", "stdin")
    }
    plain = tasks.add(silent, state_id="DR", name="plain")
    last = tasks.add(
        program("tell", "%RESULT:by-env.file%", "rows=%RESULT:by-stdin.rows%", "%RESULT:plain%"),
        state_id="DR", params={"own": 1}, env={"OWN": "2"}, stdin="own",
    )  # fmt: skip
    for way, task_id in by.items():
        link(tasks, last, task_id, **{"pass": way})
    link(tasks, last, plain, **{"pass": "env"})
    queue(tasks, [*by.values(), plain, last])
    row = tasks.ended(last)
    assert row.state_id == "CS", row.error
    seen = row.result
    assert seen["arguments"] == [value["file"], "rows=3", "only output"]
    assert json.loads(seen["env"]["PG_TASKS_PARAMS"]) == {"own": 1, "by-params": value}
    assert json.loads(seen["env"]["RESULT_BY_ENV"]) == value
    assert (seen["env"]["OWN"], seen["env"]["RESULT_PLAIN"]) == ("2", "only output")
    own, _, passed = seen["stdin"].partition("\n")
    assert (own, json.loads(passed)) == ("own", value)


@pytest.mark.parametrize(
    ("way", "error"),
    [
        ({"pass": "params"}, "params with results of "),
        ({"pass": "env"}, "env with results of "),
        ({}, "command asks for more than "),
        ({"name": "other"}, "command asks for %RESULT:big%, and there is none"),
    ],
)
def test_a_result_that_cannot_be_passed_is_the_error_of_an_attempt_without_a_process(
    node: RunningNode, tasks: Tasks, tmp_path: Path, way: Mapping[str, str], error: str
) -> None:
    big = shell("""printf '"%0140000d"' 1 > "$PG_TASKS_RESULT\"""")
    asked = "" if way.get("pass") else "%RESULT:big%"
    first = tasks.add(big, state_id="DR", name="big")
    second = tasks.add(shell(f"touch {tmp_path}/ran # {asked}"), state_id="DR")
    third = tasks.add(shell(f"touch {tmp_path}/after"), state_id="DR")
    link(tasks, second, first, **way)
    link(tasks, third, second)
    queue(tasks, [first, second, third])
    rows = tasks.all_ended()
    assert [row.state_id for row in rows] == ["CS", "CF", "CC"]
    assert rows[1].error.startswith(error)
    (run,) = tasks.runs(second)
    assert (run.pid, run.exit_code, run.error) == (None, None, rows[1].error)
    assert list(tmp_path.glob("ran")) + list(tmp_path.glob("after")) == []
