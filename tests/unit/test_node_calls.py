"""The node's calls: what is handed in, and what is made of the answers."""

import json
from typing import Any

import pytest

from pg_tasks.messages import Ended
from pg_tasks.node import calls
from pg_tasks.node.calls import Attend, Call, Order
from pg_tasks.node.watch import Watched

END = Ended(
    task_id=7, attempt=2, pid=99, exit_code=3, signal=None, core_dumped=False, reason=None,
    timeout=60.0, error=None, started=100.0, ended=101.5, user_seconds=0.25, system_seconds=0.5,
    peak_memory=4096, output="text", result='{"a": 1}', left_behind=1,
)  # fmt: skip


def reported(**changes: Any) -> dict[str, Any]:
    (report,) = json.loads(calls.reports_json([END._replace(**changes)], now=110.0))
    assert isinstance(report, dict)
    return report


def test_times_are_handed_in_as_ages() -> None:
    report = reported()
    assert (report["started_ago"], report["ended_ago"]) == (10.0, 8.5)
    assert "started" not in report and "ended" not in report


def test_the_end_is_handed_in_as_it_was() -> None:
    report = reported()
    assert (report["task_id"], report["attempt"], report["pid"]) == (7, 2, 99)
    assert (report["exit_code"], report["signal"], report["core_dumped"]) == (3, None, False)
    assert (report["reason"], report["timeout"]) == (None, 60.0)
    assert (report["output"], report["result"]) == ("text", '{"a": 1}')
    assert (report["user_seconds"], report["peak_memory"]) == (0.25, 4096)


@pytest.mark.parametrize("name", ["output", "error", "result"])
def test_no_text_can_spoil_the_call_for_the_others(name: str) -> None:
    assert reported(**{name: "a\0b"})[name] == "a\ufffdb"
    assert reported(**{name: "a\ud800b"})[name] == "a?b"
    assert reported(**{name: "ü☃𝄞"})[name] == "ü☃𝄞"
    assert reported(**{name: None})[name] is None


def test_an_empty_answer_is_nothing_to_do() -> None:
    empty = {"start": None, "attend": None, "again": None, "stop": 0, "wake_in": None,
             "watch": None}  # fmt: skip
    answer = calls.parse_synced((empty,))
    assert (answer.start, answer.attend, answer.again) == ([], [], frozenset())
    assert (answer.stop, answer.wake_in) == (0, None)


def test_an_answer_is_read_as_it_was_meant() -> None:
    order = {
        "task_id": 1, "attempt": 2, "group_id": 0, "command": ["true"], "cwd": None, "env": None,
        "params": None, "stdin": None, "timeout": 1.5, "kill_grace": None, "scheduled_for": None,
        "of_a_later_schema": 1,
    }  # fmt: skip
    answer = calls.parse_synced(
        (
            {
                "start": [order],
                "attend": [[3, 1, "kill"]],
                "again": [4],
                "stop": 2,
                "wake_in": 0.5,
                "watch": [["2/1/5", 9, 35]],
            },
        )  # fmt: skip
    )
    assert answer.start == [Order(1, 2, 0, ["true"], None, None, None, None, 1.5, None, None)]
    assert answer.attend == [Attend(3, 1, "kill")]
    assert (answer.again, answer.stop) == (frozenset({4}), 2)
    assert (answer.wake_in, answer.watch) == (0.5, [Watched("2/1/5", 9, 35)])


def test_a_call_without_reports_hands_in_none() -> None:
    call = calls.sync(
        1,
        5,
        2,
        reports=[],
        free_slots=3,
        running=1,
        lease_seconds=None,
        known=None,
        watched=None,
        now=0.0,
    )
    assert call.values == (1, 5, 2, None, 3, 1, None, None, None)


def test_values_never_become_part_of_the_statement() -> None:
    call = calls.sync(
        1,
        5,
        2,
        reports=[END],
        free_slots=3,
        running=1,
        lease_seconds=30,
        known=[8],
        watched=[],
        now=0.0,
    )
    assert '"output"' not in call.sql
    assert call.sql.count("%s") == len(call.values)


def test_the_limits_of_the_server_are_below_the_patience_of_the_node() -> None:
    for_good = ("9000ms", False, "5000ms", False, False)
    assert calls.greet(1, 0, 10.0).values == for_good
    limited = calls.limited(Call("SELECT %s", (7,)), 10.0)
    assert limited.values == ("9000ms", True, "5000ms", True, True, 7)
    assert limited.sql.endswith("; SELECT %s")


def test_a_node_listens_to_its_group_and_to_its_worker() -> None:
    sql = calls.greet(4, -2, 10.0).sql
    assert f'LISTEN "{calls.group_channel(-2)}"' in sql
    assert f'LISTEN "{calls.worker_channel(4)}"' in sql
    assert f'LISTEN "{calls.SCHEDULE_CHANNEL}"' in sql
