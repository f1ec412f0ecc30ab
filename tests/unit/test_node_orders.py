"""From what the database orders to what the guardian is asked."""

import pytest

from pg_tasks.messages import Kill, Stop
from pg_tasks.node.calls import Attend, Order
from pg_tasks.node.orders import attend_request, start_request, unusable

ORDER = Order(
    task_id=7,
    attempt=2,
    group_id=3,
    command=["program", "argument"],
    cwd="below",
    env={"A": "b"},
    params='{"x": 1}',
    stdin="text",
    timeout=5.0,
    kill_grace=1.5,
    scheduled_for="2030-05-06T07:08:09+00:00",
    run_id=12,
)


def test_a_process_gets_what_its_row_says() -> None:
    start = start_request(ORDER, 4, 10.0)
    assert (start.task_id, start.attempt) == (7, 2)
    assert (start.argv, start.cwd, start.stdin) == (["program", "argument"], "below", "text")
    assert (start.timeout, start.kill_grace) == (5.0, 1.5)
    assert start.env == {
        "A": "b",
        "PG_TASKS_TASK_ID": "7",
        "PG_TASKS_ATTEMPT": "2",
        "PG_TASKS_WORKER_ID": "4",
        "PG_TASKS_GROUP_ID": "3",
        "PG_TASKS_PARAMS": '{"x": 1}',
        "PG_TASKS_SCHEDULED_FOR": "2030-05-06T07:08:09+00:00",
        "PG_TASKS_RUN_ID": "12",
    }


def test_what_a_row_does_not_say_is_not_there() -> None:
    bare = ORDER._replace(params=None, scheduled_for=None, run_id=None)
    env = start_request(bare, 4, 10.0).env
    assert not {"PG_TASKS_PARAMS", "PG_TASKS_SCHEDULED_FOR", "PG_TASKS_RUN_ID"} & env.keys()


def test_without_a_grace_of_its_own_a_task_has_the_one_of_the_node() -> None:
    assert start_request(ORDER._replace(kill_grace=None), 4, 10.0).kill_grace == 10.0


def test_a_grace_of_no_time_is_a_grace_of_its_own() -> None:
    assert start_request(ORDER._replace(kill_grace=0.0), 4, 10.0).kill_grace == 0.0


def test_a_row_cannot_hide_which_task_it_is() -> None:
    env = {"PG_TASKS_TASK_ID": "1", "PG_TASKS_ATTEMPT": "1", "PG_TASKS_PARAMS": "mine"}
    start = start_request(ORDER._replace(env=env), 4, 10.0)
    assert start.env["PG_TASKS_TASK_ID"] == "7"
    assert start.env["PG_TASKS_ATTEMPT"] == "2"
    assert start.env["PG_TASKS_PARAMS"] == '{"x": 1}'


def test_an_order_is_not_changed_by_what_becomes_of_it() -> None:
    env = {"A": "b"}
    start_request(ORDER._replace(env=env), 4, 10.0)
    assert env == {"A": "b"}


@pytest.mark.parametrize("what", ["stop", "kill", "leave"])
def test_what_is_asked_is_asked_of_the_attempt_that_was_named(what: str) -> None:
    request = attend_request(Attend(7, 2, what), 10.0)
    assert isinstance(request, Stop | Kill)
    assert (request.task_id, request.attempt) == (7, 2)


def test_a_process_that_ended_its_own_task_has_a_last_while() -> None:
    request = attend_request(Attend(7, 2, "leave"), 2.5)
    assert isinstance(request, Kill)
    assert (request.delay, request.grace) == (2.5, None)
    assert "2.5 s" in request.reason


def test_a_process_that_is_cancelled_is_killed_at_once_with_its_own_grace() -> None:
    assert attend_request(Attend(7, 2, "kill"), 10.0) == Kill(7, 2, "cancelled")


@pytest.mark.parametrize("command", [[], [""], ["echo", None]])
def test_what_is_no_command_is_told_before_anything_is_started(command: list[str]) -> None:
    assert unusable(ORDER) is None
    assert unusable(ORDER._replace(command=command)) == f"command {command} cannot be run"
