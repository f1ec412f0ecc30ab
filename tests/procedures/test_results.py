"""Results that travel: what reaches a task of those it needs, and in which way."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from pg_tasks.node.calls import Order
from tests.procedures.acting import Node, Sql
from tests.procedures.test_dependencies import link


def finish(
    sql: Sql, node: Node, task_id: int, result: Any = None, output: str | None = None
) -> None:
    assert node.claim(free=1) == [task_id]
    node.report(task_id, result=None if result is None else json.dumps(result), output=output)


def order(node: Node, task_id: int) -> Order:
    (found,) = (item for item in node.sync(free=100).start if item.task_id == task_id)
    return found


def given(
    sql: Sql, node: Node, result: Any, columns: Mapping[str, object], **task: object
) -> Order:
    """What a task is started with that needs one called extract with that result."""
    first, second = sql.insert(name="extract"), sql.insert(**task)
    link(sql, second, first, **columns)
    finish(sql, node, first, result, output="12 rows\n")
    return order(node, second)


def test_in_params_under_the_name_of_the_task(sql: Sql, node: Node) -> None:
    found = given(sql, node, {"rows": 3}, {"pass": "params"}, params={"day": "monday"})
    assert json.loads(found.params or "") == {"day": "monday", "extract": {"rows": 3}}


def test_in_the_environment(sql: Sql, node: Node) -> None:
    found = given(sql, node, {"rows": 3}, {"pass": "env", "name": "my-extract"}, env={"LANG": "C"})
    assert found.env is not None
    assert found.env.pop("LANG") == "C"
    ((name, value),) = found.env.items()
    assert (name, json.loads(value)) == ("RESULT_MY_EXTRACT", {"rows": 3})


def test_on_stdin(sql: Sql, node: Node) -> None:
    assert given(sql, node, ["a", 1], {"pass": "stdin"}).stdin == '["a", 1]'
    assert given(sql, node, "as it is", {"pass": "stdin"}, stdin="first").stdin == (
        "first\nas it is"
    )


def test_a_task_without_a_result_passes_the_end_of_its_output(sql: Sql, node: Node) -> None:
    assert given(sql, node, None, {"pass": "stdin"}).stdin == "12 rows\n"


def test_nothing_is_passed_unless_that_is_said(sql: Sql, node: Node) -> None:
    found = given(sql, node, {"rows": 3}, {})
    assert (found.params, found.env, found.stdin) == (None, None, None)


@pytest.mark.parametrize(
    ("asked", "filled"),
    [
        ("%RESULT:extract.rows%", "3"),
        ("--rows=%RESULT:extract.rows% of %RESULT:extract.files.1%.", "--rows=3 of b c."),
        ("%RESULT:extract.nested%", '{"a": [1, 2]}'),
        ("%RESULT:extract.nested.a.0%%RESULT:extract.rows%", "13"),
        ("%RESULT:extract.trap%", "%RESULT:extract.rows%"),
        ("100%", "100%"),
    ],
)
def test_in_the_command_by_placeholder(sql: Sql, node: Node, asked: str, filled: str) -> None:
    result = {
        "rows": 3,
        "files": ["a", "b c"],
        "nested": {"a": [1, 2]},
        "trap": "%RESULT:extract.rows%",
    }
    assert given(sql, node, result, {}, command=["echo", asked]).command == ["echo", filled]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ("%RESULT:extract.lines%", "command asks for %RESULT:extract.lines%, and there is none"),
        ("%RESULT:load%", "command asks for %RESULT:load%, and there is none"),
    ],
)
def test_a_placeholder_for_what_is_not_there_is_the_error_of_the_attempt(
    sql: Sql, node: Node, asked: str, error: str
) -> None:
    found = given(sql, node, {"rows": 3}, {}, command=["echo", asked])
    assert (found.error, found.command) == (error, ["echo", asked])


def test_a_name_with_a_dot_is_found(sql: Sql, node: Node) -> None:
    columns = {"name": "v1.2"}
    found = given(sql, node, {"a": 5}, columns, command=["echo", "%RESULT:v1.2.a%"])
    assert found.command == ["echo", "5"]


@pytest.mark.parametrize(
    ("columns", "size", "error"),
    [
        ({"pass": "params"}, 140_000, "params with results of "),
        ({"pass": "env"}, 140_000, "env with results of "),
        ({"pass": "stdin"}, 140_000, None),
        ({"pass": "stdin"}, 17_000_000, "results of "),
    ],
)
def test_what_is_too_long_is_the_error_of_the_attempt(
    sql: Sql, node: Node, columns: Mapping[str, object], size: int, error: str | None
) -> None:
    found = given(sql, node, "x" * size, columns)
    assert (found.error or "").startswith(error or "")
    assert (found.error is None) == (error is None)


def test_results_cannot_join_params_that_are_no_object(sql: Sql, node: Node) -> None:
    first, second = sql.insert(name="extract"), sql.insert()
    sql.run("UPDATE long_task.task SET params = '[1]' WHERE id = %s", second)
    link(sql, second, first, **{"pass": "params"})
    finish(sql, node, first, 1)
    assert order(node, second).error == (
        "results cannot be passed in params, which is array and no object"
    )


@pytest.mark.parametrize("results", [[5], [5, None, {"a": 1}]])
@pytest.mark.parametrize("gather", [False, True])
def test_several_under_one_name_are_an_array(
    sql: Sql, node: Node, results: list[Any], gather: bool
) -> None:
    needed = [sql.insert(name="count") for _ in results]
    join = sql.insert(command=["echo", "%RESULT:count.0%"] if gather else ["true"])
    link(sql, join, *needed, **{"pass": "params", "gather": gather})
    for task_id, result in zip(needed, results, strict=True):
        finish(sql, node, task_id, result)
    found = order(node, join)
    expected = results if gather or len(results) > 1 else results[0]
    assert json.loads(found.params or "") == {"count": expected}
    assert found.command == (["echo", "5"] if gather else ["true"])


def test_a_claim_is_bounded_by_what_is_passed_too(sql: Sql, node: Node) -> None:
    first = sql.insert(name="extract")
    waiting = [sql.insert() for _ in range(6)]
    for task_id in waiting:
        link(sql, task_id, first, **{"pass": "stdin"})
    finish(sql, node, first, "x" * 6_000_000)
    assert node.claim(free=100) == waiting[:3]


def test_an_attempt_whose_answer_was_lost_is_given_the_same(sql: Sql, node: Node) -> None:
    first = sql.insert(name="extract")
    second = sql.insert(command=["echo", "%RESULT:extract%"])
    link(sql, second, first, **{"pass": "stdin"})
    finish(sql, node, first, 7)
    assert order(node, second) == next(iter(node.sync(free=0, known=[]).start))
