"""What cannot be run as it is written is refused by the statement that wrote it, and whole."""

from typing import NamedTuple

import pytest

from tests.procedures.acting import Node, Refusal, Sql


class Bad(NamedTuple):
    """An expression that a column cannot have, and how it is refused."""

    column: str
    value: str
    code: str
    message: str
    hint: str


INTERVAL = "Give an interval such as "
OBJECT = "Give an object of strings"
ENTRY = "Names are not empty"
FILE = "Put it into a file or a table"
COMMAND = "Give a list of strings"
BAD = [
    Bad("timeout", "'0'", "LT004", "timeout 00:00:00 is not between", INTERVAL),
    Bad("timeout", "'-5 s'", "LT004", "timeout -00:00:05 is not between", INTERVAL),
    Bad("timeout", "'-1 year 361 days'", "LT004", "timeout -1 years +361 days is", INTERVAL),
    Bad("timeout", "'1 year -361 days'", "LT004", "timeout 1 year -361 days is", INTERVAL),
    Bad("timeout", "'101 years'", "LT004", "timeout 101 years is not between", INTERVAL),
    Bad("kill_grace", "'-1 s'", "LT004", "kill_grace -00:00:01 is not", INTERVAL),
    Bad("kill_grace", "'-1 year 361 days'", "LT004", "kill_grace -1 years +361 d", INTERVAL),
    Bad("kill_grace", "'101 years'", "LT004", "kill_grace 101 years is not", INTERVAL),
    Bad("retry_delay", "'-1 s'", "LT004", "retry_delay -00:00:01 is not", INTERVAL),
    Bad("retry_delay", "'-1 year 361 days'", "LT004", "retry_delay -1 years +361", INTERVAL),
    Bad("retry_delay", "'-1 year 360 days 10 s'", "LT004", "retry_delay -1 years +360", INTERVAL),
    Bad("retry_delay", "'1 year -365 days -5:59:50'", "LT004", "retry_delay 1 year -365", INTERVAL),
    Bad("retry_delay", "'101 years'", "LT004", "retry_delay 101 years is not", INTERVAL),
    Bad("max_attempts", "0", "LT004", "max_attempts 0 is less than 1", "One attempt"),
    Bad("max_attempts", "-1", "LT004", "max_attempts -1 is less than 1", "One attempt"),
    Bad("progress", "1.5", "LT004", "progress 1.5 is not between 0 and 1", "Half done"),
    Bad("progress", "'NaN'", "LT004", "progress NaN is not between 0 and 1", "Half done"),
    Bad("env", "'[]'", "LT004", "env is array, not an object", OBJECT),
    Bad("env", "'null'", "LT004", "env is null, not an object", OBJECT),
    Bad("env", "'\"A\"'", "LT004", "env is string, not an object", OBJECT),
    Bad("env", "'{\"A\": 1}'", "LT004", "env has a bad entry 'A', of type number", ENTRY),
    Bad("env", "'{\"A\": null}'", "LT004", "env has a bad entry 'A', of type null", ENTRY),
    Bad("env", '\'{"": "x"}\'', "LT004", "env has a bad entry ''", ENTRY),
    Bad("env", '\'{"A=B": "x"}\'', "LT004", "env has a bad entry 'A=B'", ENTRY),
    Bad("stdin", "repeat('x', 16777217)", "LT004", "stdin of 16777217 bytes is longer", FILE),
    Bad("stdin", "repeat(chr(1), 190000000)", "LT004", "stdin of 190000000 bytes is", FILE),
    Bad("params", "to_jsonb(repeat('x', 1048575))", "LT004", "params of 1048577 bytes is", FILE),
    Bad("params", "to_jsonb(array_fill(1e130000, '{9}'))", "LT004", "params of 11700", FILE),
    Bad("env", "jsonb_build_object('E', repeat('x', 1048569))", "LT004", "env of 1048578", FILE),
    Bad("cwd", "''", "LT004", "cwd is empty", "Give a directory, or null"),
    Bad("cwd", "repeat('x', 4097)", "LT004", "cwd of 4097 bytes is longer than 4096", "No path"),
    Bad("command", "array[repeat('x', 1048575)]", "LT005", "command of 1048577 bytes", FILE),
    Bad("command", "null", "LT005", "command null cannot be run", COMMAND),
    Bad("command", "'{}'", "LT005", "command '{}' cannot be run", COMMAND),
    Bad("command", "'{\"\"}'", "LT005", "command '{\"\"}' cannot be run", COMMAND),
    Bad("command", "'{a,null}'", "LT005", "command '{a,NULL}' cannot be run", COMMAND),
    Bad("command", "'{{a,b},{c,d}}'", "LT005", "command '{{a,b},{c,d}}' cannot", COMMAND),
    Bad("command", "'[2:3]={a,b}'", "LT005", "command '[2:3]={a,b}' cannot be run", COMMAND),
    Bad("shed_period_id", "'YEA'", "LT007", "shed_period_id 'YEA' is not known", "Give one of"),
    Bad("shed_period_count", "0", "LT007", "shed_period_count 0 is less than 1", "Give the"),
    Bad("next_start", "'infinity'", "LT007", "next_start infinity is not", "Set shed_enabled"),
    Bad("next_start", "'-infinity'", "LT007", "next_start -infinity is not", "Set shed"),
    Bad("next_start", "'4713-01-01 BC'", "LT007", "next_start 4713", "Set shed_enabled"),
    Bad("next_start", "'294276-12-31'", "LT007", "next_start 294276", "Set shed_enabled"),
    Bad("time_zone", "'Mars'", "LT007", "time_zone 'Mars' is not known", "Give a name"),
    Bad("time_zone", "'EST5EDT4'", "LT007", "time_zone 'EST5EDT4' is not known", "Give a name"),
    Bad("time_zone", "'UTC+3'", "LT007", "time_zone 'UTC+3' is not known", "Give a name"),
    Bad("time_zone", "'CEST'", "LT007", "time_zone 'CEST' is not known", "Give a name"),
    Bad("time_zone", "'Europe/Berln'", "LT007", "time_zone 'Europe/Berln' is not", "Give a name"),
    Bad("time_zone", "'Europe/Berlin3'", "LT007", "time_zone 'Europe/Berlin3'", "Give a name"),
    Bad("cron", "'60 * * * *'", "LT007", "minute '60' of cron '60 * * * *' is not", "Values are"),
    Bad("cron", "'0 0 30 2 *'", "LT007", "the time of cron '0 0 30 2 *' never", "No month"),
    Bad("missed", "'never'", "LT007", "missed 'never' is not known", "Give one of"),
    Bad("missed_after", "'-1 s'", "LT007", "missed_after -00:00:01 is not", INTERVAL),
    Bad("missed_after", "'0'", "LT007", "missed_after 00:00:00 is not between", INTERVAL),
    Bad("missed_after", "'101 years'", "LT007", "missed_after 101 years is not", INTERVAL),
    Bad("overlap", "'kill'", "LT007", "overlap 'kill' is not known", "Give one of"),
    Bad("jitter", "'-1 s'", "LT007", "jitter -00:00:01 is not between", INTERVAL),
    Bad("jitter", "'-1 year 361 days'", "LT007", "jitter -1 years +361 days", INTERVAL),
    Bad("jitter", "'101 years'", "LT007", "jitter 101 years is not between", INTERVAL),
    Bad("concurrency_key", "''", "LT004", "concurrency_key of 0 bytes is not", "Give a short"),
]


def _name(bad: Bad) -> str:
    return f"{bad.column}={bad.value}"


def _check(refusal: Refusal, bad: Bad) -> None:
    assert refusal.code == bad.code
    assert refusal.message.startswith(bad.message)
    assert refusal.hint and refusal.hint.startswith(bad.hint)
    assert refusal.context and "\n" not in refusal.context, "more than people can use"


@pytest.mark.parametrize("bad", BAD, ids=_name)
def test_a_bad_value_is_refused_by_insert_and_by_update(sql: Sql, bad: Bad) -> None:
    first, second = sql.insert(), sql.insert(priority=1)
    columns = {"command": "'{true}'", bad.column: bad.value}
    _check(
        sql.refusal(
            f"INSERT INTO long_task.task (state_id, {', '.join(columns)})"
            f" VALUES ('AW', {', '.join(columns.values())})"
        ),
        bad,
    )
    before = (sql.whole(first), sql.whole(second))
    _check(
        sql.refusal(
            f"UPDATE long_task.task SET name = 'changed', {bad.column} = CASE"
            f" WHEN priority = 1 THEN {bad.value} ELSE {bad.column} END"
        ),
        bad,
    )
    assert (sql.whole(first), sql.whole(second)) == before
    assert sql.value("SELECT count(*) FROM long_task.task") == 2


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad.hint == COMMAND], ids=_name)
def test_a_draft_may_be_unfinished_and_cannot_be_queued_before_it_is_finished(
    sql: Sql, bad: Bad
) -> None:
    (task_id,) = sql.row(
        f"INSERT INTO long_task.task (command) VALUES ({bad.value}) RETURNING id",
    )
    _check(sql.refusal("UPDATE long_task.task SET state_id = 'AW' WHERE id = %s", task_id), bad)
    assert sql.look(task_id) == "DR"
    sql.change(task_id, state_id="AW", command=["true"])
    assert sql.look(task_id) == "AW"


def test_a_bad_value_in_one_of_many_rows_refuses_all_of_them(sql: Sql) -> None:
    refusal = sql.refusal(
        "INSERT INTO long_task.task (state_id, command, max_attempts)"
        " SELECT 'AW', '{true}', 3 - i FROM generate_series(0, 3) AS i"
    )
    assert refusal.code == "LT004"
    assert sql.value("SELECT count(*) FROM long_task.task") == 0


def test_the_value_of_a_bad_env_entry_is_not_shown(sql: Sql) -> None:
    refusal = sql.refusal(
        """INSERT INTO long_task.task (env) VALUES ('{"PASSWORD": ["hunter2"]}')"""
    )
    assert "PASSWORD" in refusal.message
    assert "hunter2" not in str(refusal)


def test_a_worker_id_that_is_no_number_is_refused_by_its_type(sql: Sql) -> None:
    assert sql.refusal("INSERT INTO long_task.task (worker_id) VALUES ('one')").code == "22P02"


def test_limits_themselves_are_allowed(sql: Sql) -> None:
    task_id = sql.insert(
        timeout="100 years", kill_grace="0", retry_delay="100 years", max_attempts=2147483647,
        progress=1, env={"E": "x" * 1048567}, command=["x" * 1048574], start_after="infinity",
        stdin="x" * 16777216, cwd="x" * 4096, params={"p": "x" * 1048567},
    )  # fmt: skip
    assert sql.look(task_id) == "AD"


def test_a_template_of_a_schedule_must_have_a_command_that_can_be_run(sql: Sql) -> None:
    refusal = sql.refusal(
        "INSERT INTO long_task.task (command, next_start, shed_clone)"
        " VALUES ('{}', '2030-01-01', true)"
    )
    assert refusal.code == "LT005"
    task_id = sql.insert(state_id="DR", command=[], next_start="2030-01-01")
    assert sql.refusal("UPDATE long_task.task SET shed_clone = true").code == "LT005"
    sql.change(task_id, shed_clone=True, next_start=None)
    assert sql.refusal("UPDATE long_task.task SET next_start = '2030-01-01'").code == "LT005"


@pytest.mark.parametrize(
    ("period", "count"),
    [("MON", 1201), ("MON", 2147483647), ("WEE", 2147483647), ("DAY", 40000), ("HOU", 1000000)],
)
def test_a_schedule_of_more_than_a_hundred_years_is_refused(
    sql: Sql, period: str, count: int
) -> None:
    refusal = sql.refusal(
        "INSERT INTO long_task.task (shed_period_id, shed_period_count) VALUES (%s, %s)",
        period,
        count,
    )
    assert refusal.code == "LT007"
    assert refusal.message == f"a period of {count} {period} is longer than 100 years"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("attempt", "0"), ("attempt", "5"), ("base_attempt", "1"), ("pinned", "true"),
        ("queued_by", "'schedule'"), ("ready_seq", "0"), ("created", "now()"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("state", ["AE", "CS", "AW"])
def test_what_the_system_writes_is_refused_to_its_owner_too(
    sql: Sql, node: Node, column: str, value: str, state: str
) -> None:
    task_id = sql.insert(max_attempts=2, retry_delay="0")
    node.claim()
    if state != "AE":
        node.report(task_id, exit_code=1 if state == "AW" else 0)
    sql.force(task_id, started="2030-01-01")
    before = sql.whole(task_id)
    refusal = sql.refusal(f"UPDATE long_task.task SET {column} = {value}")
    assert (refusal.code, refusal.message) == (
        "LT004", f"{column} of task {task_id} is written by the system",
    )  # fmt: skip
    assert sql.whole(task_id) == before
    assert sql.run(f"UPDATE long_task.task SET {column} = {column}, name = 'same'") == 1
