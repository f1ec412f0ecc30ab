"""Workflows: graphs that are defined once and started many times."""

import json
from typing import Any

import pytest

from tests.procedures.acting import Node, Sql
from tests.procedures.workflows import ETL, Step, define, insert, run_step, start, states, status
from tests.servers import Clock


def test_a_run_is_a_task_for_each_step_in_the_order_of_the_graph(sql: Sql, node: Node) -> None:
    define(sql, "etl", *ETL)
    run_id = start(sql, "etl")
    assert states(sql, run_id) == {"extract": "AW", "clean": "AB", "check": "AB", "load": "AB"}
    assert status(sql, run_id) == "running"
    for step in ("extract", "clean", "check", "load"):
        assert states(sql, run_id)["load"] == ("AB" if step != "load" else "AW")
        run_step(sql, node, run_id, step)
    assert status(sql, run_id) == "completed"
    order = sql.values("SELECT step FROM long_task.workflow_step_status WHERE run_id = %s", run_id)
    assert order == ["extract", "check", "clean", "load"]


def test_steps_have_what_tasks_have(sql: Sql) -> None:
    define(
        sql,
        "etl",
        {
            "load": {
                "command": ["load", "%PARAM:day%"], "params": {"mode": "all", "day": "never"},
                "env": {"A": "b"}, "stdin": "in", "cwd": "below", "group_id": 4, "worker_id": 9,
                "priority": -3, "timeout": "1 min", "kill_grace": "2 s", "max_attempts": 5,
                "retry_delay": "3 s", "concurrency_key": "db", "needs": "any", "unmet": "wait",
            }
        },
    )  # fmt: skip
    run_id = start(sql, "etl", day="monday")
    assert sql.row(
        "SELECT command, params, env, stdin, cwd, group_id, worker_id, pinned, priority,"
        " timeout::text, kill_grace::text, max_attempts, retry_delay::text, concurrency_key, needs,"
        " unmet, name, step, item FROM long_task.task WHERE run_id = %s", run_id,
    ) == (
        ["load", "monday"], {"mode": "all", "day": "monday"}, {"A": "b"}, "in", "below", 4, 9,
        False, -3, "00:01:00", "00:00:02", 5, "00:00:03", "db", "any", "wait", "load", "load", None,
    )  # fmt: skip


def test_a_step_is_fanned_out_over_an_array_and_joined(sql: Sql, node: Node) -> None:
    define(
        sql,
        "count",
        {
            "count": {"command": ["wc", "%PARAM:item.file%"], "fan_out": "$.files"},
            "sum": {},
        },
        ("sum", "count", {"pass": "params"}),
    )
    run_id = start(sql, "count", files=[{"file": "a"}, {"file": "b"}], day="monday")
    assert states(sql, run_id) == {"count": "AW AW", "sum": "AB"}
    orders = node.sync(free=9).start
    assert [order.command for order in orders] == [["wc", "a"], ["wc", "b"]]
    assert json.loads(orders[1].params or "") == {"day": "monday", "item": {"file": "b"}}
    node.report(orders[1].task_id, result="5")
    assert states(sql, run_id)["sum"] == "AB"
    node.report(orders[0].task_id, result="3")
    (join,) = node.sync(free=9).start
    assert json.loads(join.params or "")["count"] == [3, 5]


@pytest.mark.parametrize(
    ("fan_out", "files", "tasks"),
    [
        ("$.files[*]", ["a", "b", "c"], 3),
        ("$.files", ["a"], 1),
        ("$.files", [], 0),
        ("$.files[*]", [["a", "b"]], 1),
        ('$.files[*] ? (@.kind == "new")', [{"kind": "new"}, {"kind": "old"}], 1),
    ],
)
def test_an_array_may_have_any_number_of_items(
    sql: Sql, node: Node, fan_out: str, files: list[Any], tasks: int
) -> None:
    define(
        sql,
        "count",
        {"count": {"fan_out": fan_out}, "sum": {}},
        ("sum", "count", {"pass": "params"}),
    )
    run_id = start(sql, "count", files=files)
    found = states(sql, run_id)
    assert len(found.get("count", "").split()) == tasks
    assert found["sum"] == ("AB" if tasks else "AW")
    if tasks == 1:
        (order,) = node.sync(free=9).start
        node.report(order.task_id, result="7")
        (join,) = node.sync(free=9).start
        assert json.loads(join.params or "")["count"] == [7]


def test_items_may_go_on_one_by_one(sql: Sql, node: Node) -> None:
    define(
        sql,
        "thumbs",
        {"fetch": {"fan_out": "$.urls"}, "scale": {"fan_out": "$.urls"}},
        ("scale", "fetch", {"each": True, "pass": "params"}),
    )
    run_id = start(sql, "thumbs", urls=["a", "b"])
    first, _ = node.sync(free=9).start
    node.report(first.task_id, result='"file"')
    assert states(sql, run_id)["scale"] == "AW AB"
    (order,) = node.sync(free=9).start
    assert json.loads(order.params or "") == {"item": "a", "fetch": "file"}


@pytest.mark.parametrize(
    ("steps", "edges", "params", "message"),
    [
        ({"a": {"fan_out": "$.x"}}, [], {}, 'there is nothing at $."x" in the parameters'),
        ({"a": {"command": ["%PARAM:day%"]}}, [], {}, "command asks for %PARAM:day%"),
        (
            {"a": {"fan_out": "$.x"}, "b": {"fan_out": "$.y"}}, [("b", "a", {"each": True})],
            {"x": [1], "y": [1, 2]}, "step b needs each item of step a, which has none for item 1",
        ),
        (
            {"a": {"fan_out": "$.x"}, "b": {"fan_out": "$.x"}}, [("b", "a")],
            {"x": list(range(1001))}, "step b would need a through 1002001 dependencies",
        ),
    ],
)  # fmt: skip
def test_a_run_that_cannot_be_is_refused_at_its_start(
    sql: Sql, steps: dict[str, Step], edges: list[Any], params: dict[str, Any], message: str
) -> None:
    define(sql, "bad", steps, *edges)
    refusal = sql.refusal("SELECT long_task.start_workflow('bad', %s)", json.dumps(params))
    assert refusal.code in ("LT013", "LT014")
    assert refusal.message.startswith(message)
    assert sql.value("SELECT count(*) FROM long_task.task") == 0
    assert sql.value("SELECT count(*) FROM long_task.workflow_run") == 0


def test_a_cycle_of_steps_is_refused_with_its_path(sql: Sql) -> None:
    define(sql, "etl", *ETL)
    refusal = sql.refusal(
        "INSERT INTO long_task.workflow_edge (workflow, step, needs_step)"
        " VALUES ('etl', 'extract', 'load')"
    )
    assert refusal.code == "LT012"
    assert refusal.message in (
        "step extract would wait for itself: extract needs load needs clean needs extract",
        "step extract would wait for itself: extract needs load needs check needs extract",
    )


def test_a_version_that_was_started_is_kept_and_a_copy_of_it_is_changed(sql: Sql) -> None:
    define(sql, "etl", *ETL)
    first = start(sql, "etl")
    for statement in (
        "UPDATE long_task.workflow_step SET priority = 5",
        "DELETE FROM long_task.workflow_edge",
        "INSERT INTO long_task.workflow_step (workflow, name, command) VALUES ('etl', 'x', '{x}')",
        "DELETE FROM long_task.workflow",
    ):
        assert sql.refusal(statement).code in ("LT014", "23503")
    assert sql.value("SELECT long_task.new_workflow_version('etl')") == 2
    sql.run("DELETE FROM long_task.workflow_step WHERE version = 2 AND name = 'check'")
    second = start(sql, "etl")
    old = sql.value("SELECT long_task.start_workflow('etl', '{}', 1)")
    assert [len(states(sql, run_id)) for run_id in (first, second, old)] == [4, 3, 4]
    sql.run("UPDATE long_task.workflow SET enabled = false WHERE version = 2")
    assert len(states(sql, start(sql, "etl"))) == 4


def test_an_unknown_workflow_is_told(sql: Sql) -> None:
    assert sql.refusal("SELECT long_task.start_workflow('nothing')").message == (
        "there is no workflow nothing to start"
    )
    assert (
        sql.refusal(
            "INSERT INTO long_task.workflow_step (workflow, name, command)"
            " VALUES ('no', 'x', '{x}')"
        ).message
        == "there is no workflow no"
    )


def test_runs_are_beside_each_other_unless_they_come_one_at_a_time(sql: Sql, node: Node) -> None:
    define(sql, "free", {"a": {}})
    assert [status(sql, start(sql, "free")) for _ in range(2)] == ["running", "running"]
    define(sql, "turn", {"b": {}}, one_at_a_time=True)
    first, second, third = (start(sql, "turn") for _ in range(3))
    assert [status(sql, run) for run in (first, second, third)] == ["running", "waiting", "waiting"]
    run_step(sql, node, first, "b", exit_code=1)
    node.sync(free=0)
    assert [status(sql, run) for run in (first, second, third)] == ["failed", "running", "waiting"]
    sql.run("SELECT long_task.cancel_workflow(%s)", second)
    node.sync(free=0)
    assert [status(sql, run) for run in (second, third)] == ["cancelled", "running"]


def test_a_workflow_runs_at_most_so_many_tasks(sql: Sql, node: Node) -> None:
    define(sql, "wide", {"a": {"fan_out": "$.x"}}, max_running=2)
    start(sql, "wide", x=[1, 2, 3])
    start(sql, "wide", x=[1, 2, 3])
    ids = node.claim(free=100)
    assert len(ids) == 2
    node.report(ids[0])
    assert len(node.claim(free=100)) == 1


def test_a_workflow_with_a_limit_and_a_step_with_a_key_exclude_each_other(sql: Sql) -> None:
    define(sql, "both", {"a": {"concurrency_key": "k"}}, max_running=2)
    assert sql.refusal("SELECT long_task.start_workflow('both')").code == "LT014"


def test_a_workflow_is_scheduled_like_a_task(sql: Sql, stopped: Clock, node: Node) -> None:
    define(sql, "etl", {"extract": {"command": ["get", "%PARAM:what%"]}})
    insert(
        sql, "task",
        {
            "name": "nightly", "workflow": "etl", "params": {"what": "all"}, "shed_clone": True,
            "next_start": "2030-05-06 07:08:10+00:00", "shed_period_id": "HOU",
        },
    )  # fmt: skip
    stopped.advance(2)
    (order,) = node.sync().start
    assert order.command == ["get", "all"]
    assert order.scheduled_for == "2030-05-06T07:08:10+00:00"
    node.report(order.task_id)
    assert sql.runs(order.task_id, "started_by") == [("schedule",)]
    assert sql.row(
        "SELECT started_by, (scheduled_for AT TIME ZONE 'UTC')::text FROM long_task.workflow_status"
    ) == (
        "schedule", "2030-05-06 07:08:10",
    )  # fmt: skip
    template = sql.value("SELECT id FROM long_task.task WHERE workflow IS NOT NULL")
    run_id = sql.value("SELECT long_task.run_now(%s)", template)
    assert states(sql, run_id) == {"extract": "AW"}


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"shed_clone": False}, "LT007"),
        ({"state_id": "AW"}, "LT003"),
        ({"workflow": "nothing"}, "LT006"),
        ({"jitter": "1 min"}, "LT007"),
    ],
)
def test_a_template_that_could_not_start_its_workflow_is_refused(
    sql: Sql, columns: dict[str, object], code: str
) -> None:
    define(sql, "etl", {"extract": {}})
    row = {"state_id": "DR", "workflow": "etl", "shed_clone": True, **columns}
    names, values = ", ".join(row), list(row.values())
    refusal = sql.refusal(
        f"INSERT INTO long_task.task ({names}) VALUES ({', '.join(['%s'] * len(row))})", *values
    )
    assert refusal.code == code


def test_what_each_step_waits_for_is_shown(sql: Sql, node: Node) -> None:
    define(sql, "etl", *ETL)
    run_id = start(sql, "etl")
    waits = dict(
        sql.rows(
            "SELECT step, waits_for FROM long_task.workflow_step_status WHERE run_id = %s", run_id
        )
    )
    assert waits == {
        "extract": None, "clean": ["extract"], "check": ["extract"], "load": ["check", "clean"],
    }  # fmt: skip


def test_the_graph_of_a_run_in_two_languages(sql: Sql, node: Node) -> None:
    define(
        sql, "etl",
        {"get \"all\"": {"fan_out": "$.x"}, "load": {}, "tell": {}},
        ("load", "get \"all\"", {"condition": "$.rows < 5"}), ("tell", "load", {"on": "failure"}),
    )  # fmt: skip
    run_id = start(sql, "etl", x=[1, 2, 3])
    mermaid = sql.value("SELECT long_task.workflow_graph(%s)", run_id).splitlines()
    assert mermaid[0] == "flowchart LR"
    assert any('["get &quot;all&quot; x 3 AW 3"]' in line for line in mermaid)
    assert any('-->|"failure"|' in line for line in mermaid)
    dot = sql.value("SELECT long_task.workflow_graph(%s, 'dot')", run_id)
    assert dot.startswith("digraph run {") and dot.endswith("}")
    assert 'label="get \\"all\\" x 3 AW 3"' in dot
    assert 'label="($.\\"rows\\" < 5)"' in dot
    assert sql.refusal("SELECT long_task.workflow_graph(%s, 'svg')", run_id).code == "LT004"
    assert sql.refusal("SELECT long_task.workflow_graph(0)").code == "LT006"


def test_a_run_that_takes_a_node_too_long_is_refused(sql: Sql) -> None:
    define(sql, "etl", *ETL)
    run_id = sql.value(
        "INSERT INTO long_task.workflow_run (workflow, version) VALUES ('etl', 1) RETURNING id"
    )
    refusal = sql.refusal("SELECT long_task.begin_run(%s, '0')", run_id)
    assert (refusal.code, refusal.message) == (
        "LT014", "the 4 tasks of a run of workflow etl are too many to be started by a node",
    )  # fmt: skip


def test_a_waiting_run_that_cannot_begin_fails_and_the_next_one_begins(
    sql: Sql, node: Node
) -> None:
    define(sql, "turn", {"b": {"command": ["b", "%PARAM:day%"]}}, one_at_a_time=True)
    first, bad, third = start(sql, "turn", day=1), start(sql, "turn"), start(sql, "turn", day=3)
    run_step(sql, node, first, "b")
    node.settle()
    assert [status(sql, run_id) for run_id in (first, bad, third)] == [
        "completed", "failed", "running",
    ]  # fmt: skip
    assert "%PARAM:day%" in sql.value(
        "SELECT error FROM long_task.workflow_status WHERE run_id = %s", bad
    )


@pytest.mark.parametrize(
    ("steps", "edges"),
    [
        ({"a": {"fan_out": "$.x"}, "b": {}}, [("b", "a")]),
        ({"a": {}, "b": {"fan_out": "$.x"}}, [("b", "a")]),
        ({"a": {"fan_out": "$.x"}, "b": {"fan_out": "$.x"}}, [("b", "a", {"each": True})]),
    ],
)
@pytest.mark.parametrize("analyzed", [False, True])
def test_a_run_is_made_in_a_time_that_grows_with_its_size(
    sql: Sql, steps: dict[str, Step], edges: list[Any], analyzed: bool
) -> None:
    items = 1000  # each with each would be at least half a million
    define(sql, "wide", steps, *edges)
    if analyzed:
        start(sql, "wide", x=list(range(items)))
        sql.run("ANALYZE long_task.task, long_task.task_dependency")
    else:
        # Whatever other tests have left: sizes that were written down outlive their transaction.
        sql.run(
            "UPDATE pg_class SET relpages = 0, reltuples = -1"
            " WHERE oid IN ('long_task.task'::regclass, 'long_task.task_dependency'::regclass)"
        )
    read = (
        "SELECT COALESCE(sum(pg_stat_get_xact_tuples_returned(i.indexrelid)), 0)"
        " + pg_stat_get_xact_tuples_returned('long_task.task'::regclass)"
        " FROM pg_index AS i WHERE i.indrelid = 'long_task.task'::regclass"
    )
    before = sql.value(read)
    start(sql, "wide", x=list(range(items)))
    assert sql.value(read) - before < 150 * items


def test_a_workflow_with_many_tasks_and_a_limit_leaves_room_for_others(
    sql: Sql, node: Node
) -> None:
    define(sql, "wide", {"a": {"fan_out": "$.x"}}, max_running=2)
    start(sql, "wide", x=list(range(300)))
    define(sql, "narrow", {"b": {}})
    start(sql, "narrow")
    steps = [sql.look(task_id, "step") for task_id in node.claim(free=4)]
    assert sorted(steps) == ["a", "a", "b"]


def test_the_priority_of_a_step_counts_among_all_that_is_ready(sql: Sql, node: Node) -> None:
    define(sql, "mixed", {"late": {"priority": 5}, "soon": {"priority": -5}, "plain": {}})
    start(sql, "mixed")
    other = sql.insert(priority=1)
    order = node.claim(free=4)
    assert [sql.look(task_id, "step") for task_id in order] == ["soon", "plain", None, "late"]
    assert order[2] == other


def test_events_start_several_workflows_and_each_run_says_what_started_it(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    for name in ("etl", "report"):
        define(sql, name, {"a": {}, "b": {}})
        row = {"workflow": name, "shed_clone": True, "next_start": "2030-05-06 07:08:10+00:00"}
        insert(sql, "task", row)
    stopped.advance(2)
    assert len(node.claim()) == 4
    start(sql, "etl")
    runs = sql.rows("SELECT workflow, started_by FROM long_task.workflow_status ORDER BY run_id")
    assert sorted(runs[:2]) == [("etl", "schedule"), ("report", "schedule")]
    assert runs[2:] == [("etl", "person")]


def test_a_run_without_tasks_does_not_stop_those_behind_it(sql: Sql, node: Node) -> None:
    define(sql, "turn", {"a": {"fan_out": "$.x"}}, one_at_a_time=True)
    runs = [start(sql, "turn", x=[0] * count) for count in (1, 0, 1)]
    run_step(sql, node, runs[0], "a")
    node.settle()
    assert [status(sql, run_id) for run_id in runs] == ["completed", "completed", "running"]


def test_a_step_stays_in_its_version(sql: Sql) -> None:
    define(sql, "etl", *ETL)
    sql.run("SELECT long_task.new_workflow_version('etl')")
    for table in ("workflow_step", "workflow_edge"):
        refusal = sql.refusal(f"UPDATE long_task.{table} SET version = 3 - version")
        assert refusal.code == "LT014"


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"command": []}, "LT005"),
        ({"command": [""]}, "LT005"),
        ({"command": ["echo", None]}, "LT005"),
        ({"env": "[1]"}, "LT004"),
        ({"max_attempts": 0}, "LT004"),
        ({"timeout": "-1 s"}, "LT004"),
        ({"needs": "some"}, "LT012"),
    ],
)
def test_a_step_that_could_never_start_is_refused(
    sql: Sql, columns: dict[str, Any], code: str
) -> None:
    sql.run("INSERT INTO long_task.workflow (name) VALUES ('bad')")
    row = {"workflow": "bad", "name": "a", "command": ["true"], **columns}
    places = ", ".join(["%s"] * len(row))
    statement = f"INSERT INTO long_task.workflow_step ({', '.join(row)}) VALUES ({places})"
    assert sql.refusal(statement, *row.values()).code == code


def test_many_layers_of_steps_are_no_work_for_the_cycle_check(sql: Sql) -> None:
    layers = [(f"{layer}a", f"{layer}b") for layer in range(25)]
    steps = {step: Step() for layer in layers for step in layer}
    edges = [
        (step, needed)
        for above, below in zip(layers, layers[1:], strict=False)
        for step in below
        for needed in above
    ]
    define(sql, "deep", steps, *edges)
    assert len(states(sql, start(sql, "deep"))) == 50


def test_an_array_that_is_fanned_out_over_is_not_given_to_the_step_that_joins(
    sql: Sql, node: Node
) -> None:
    define(sql, "count", {"a": {"fan_out": "$.x"}, "b": {}})
    start(sql, "count", x=[1, 2], y=[3])
    params = sql.value("SELECT params FROM long_task.task WHERE step = 'b'")
    assert params == {"y": [3]}
