"""Rows at the edge of what can be written must not stand in the way of any other row."""

import json

import pytest

from tests.procedures.acting import Node, Sql, ended
from tests.servers import Clock

ZONES = ("America/New_York", "Pacific/Kiritimati", "UTC", None)
MIXED = "100000000 days -2400000000 hours"


@pytest.fixture(autouse=True)
def _clock_is_stopped(stopped: Clock) -> None:
    """Due and not due are told exactly."""


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("period", ["SEC", "MIN", "HOU", "DAY", "WEE", "MON"])
@pytest.mark.parametrize("count", [1, 1200, 2147483647, None])
def test_no_schedule_can_stop_a_node(
    sql: Sql, node: Node, zone: str | None, period: str, count: int | None
) -> None:
    for next_start in ("1900-01-01 00:00+00", "2030-05-06 07:08:09+00", "9999-12-31 00:00+00"):
        sql.run("SAVEPOINT written")
        sql.run(
            "INSERT INTO long_task.task (state_id, command, next_start, shed_period_id,"
            " shed_period_count, time_zone, shed_clone)"
            " SELECT 'AW', '{true}', %s, %s, %s, %s, clone"
            " FROM unnest('{true,false}'::boolean[]) AS clone"
            " WHERE %s IN ('SEC', 'MIN') OR COALESCE(%s, 1) <= 1200",
            next_start, period, count, zone, period, count,
        )  # fmt: skip
    waiting = sql.insert(priority=-1)
    assert waiting in node.claim(free=100)
    assert (
        sql.value("SELECT count(*) FROM long_task.task WHERE next_start <= long_task.clock()") == 0
    )


def test_a_schedule_that_is_due_is_not_checked_for_its_zone_again(sql: Sql, node: Node) -> None:
    task_id = sql.insert(next_start="2030-05-06 07:08:09+00", shed_period_id="DAY", time_zone="UTC")
    # The list of zones is read from a directory tree; a thousand times that would cost the lease.
    sql.force(task_id, time_zone="EST5EDT,M3.2.0,M11.1.0")
    node.sync()
    assert sql.look(task_id, "next_start > long_task.clock()")


def test_no_interval_can_stop_a_node(sql: Sql, node: Node) -> None:
    values = ["0", "1 microsecond", "100 years", "1200 months", "36000 days", MIXED]
    for value in values:
        sql.insert(kill_grace=value, retry_delay=value, max_attempts=2147483647)
    for value in set(values) - {"0", MIXED}:
        sql.insert(timeout=value)
    orders = node.sync(free=100).start
    assert len(orders) == 10
    node.sync(*(ended(order.task_id, exit_code=1, reason="timeout") for order in orders), free=0)
    assert sql.value("SELECT count(*) FROM long_task.task WHERE running_on IS NOT NULL") == 0
    # With forty failures behind them, the doubled delays would be beyond every interval.
    with sql.without_triggers():
        sql.run("UPDATE long_task.task SET state_id = 'AW', attempt = 40, start_after = null")
        sql.run("UPDATE long_task.task SET worker_id = null")
    orders = node.sync(free=100).start
    node.sync(*(ended(order.task_id, 41, exit_code=1) for order in orders), free=0)
    assert sql.value("SELECT count(*) FROM long_task.task WHERE running_on IS NOT NULL") == 0


def test_endless_delays_are_behind_everything(sql: Sql, node: Node) -> None:
    never, always = sql.insert(start_after="infinity"), sql.insert(start_after="-infinity")
    due = sql.insert(start_after="2030-05-06 07:08:10+00")
    answer = node.sync()
    assert [order.task_id for order in answer.start] == [always]
    assert answer.wake_in == 1
    assert sql.look(never) == "AD"
    assert sql.look(due) == "AD"
    assert "infinity" in sql.value("SELECT long_task.why(%s)", never)


def test_a_delay_until_the_end_of_time_stops_nobody(sql: Sql, node: Node) -> None:
    last = sql.insert(start_after="294276-12-31 23:59:59+00")
    task = sql.insert()
    assert node.claim() == [task]
    sql.run("UPDATE long_task.task SET state_id = 'AC' WHERE id = %s", task)
    answer = node.sync()
    assert [attend[0] for attend in answer.attend] == [task]
    assert sql.look(last) == "AD"
    assert sql.value(
        "SELECT long_task.time_to_place('294276-12-31') < long_task.time_to_place('infinity')"
    )


def test_the_ends_of_the_numbers_are_numbers(sql: Sql) -> None:
    least, most = -2147483648, 2147483647
    for group_id in (least, most):
        last = sql.insert(group_id=group_id, priority=most)
        first = sql.insert(group_id=group_id, priority=least)
        assert Node(sql, worker_id=group_id, group_id=group_id).claim() == [first, last]


def test_large_values_travel_whole(sql: Sql, node: Node) -> None:
    megabytes = 'ü\\"\t' * 1_000_000
    megabyte = megabytes[:400_000]
    arguments = ["true", *(str(number) for number in range(20_000))]
    task_id = sql.insert(
        params={"p": megabyte}, env={"E": megabyte}, stdin=megabytes, command=arguments
    )
    other = sql.insert()
    orders = node.sync().start
    assert [order.task_id for order in orders] == [task_id, other]
    assert orders[0].command == arguments
    assert orders[0].stdin == megabytes
    assert orders[0].env == {"E": megabyte}
    assert orders[0].params is not None
    assert json.loads(orders[0].params) == {"p": megabyte}
    node.report(task_id, output=megabytes, result=json.dumps(megabytes))
    assert sql.look(task_id, "state_id, output = stdin, result #>> '{}' = stdin") == (
        "CS", True, True,
    )  # fmt: skip
    node.report(other)


def test_a_claim_takes_no_more_at_once_than_an_answer_can_hold(sql: Sql, node: Node) -> None:
    tasks = [
        sql.insert(stdin="\x01" * 6_000_000, worker_id=number % 2 or None) for number in range(4)
    ]
    small = sql.insert()
    answer = node.sync(free=10)
    assert [order.task_id for order in answer.start] == tasks[:3]
    assert answer.wake_in == 0
    answer = node.sync(free=7)
    assert [order.task_id for order in answer.start] == [tasks[3], small]
    assert answer.wake_in is None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("command", "array_fill(repeat(chr(1), 1000), '{1040}')"),
        ("params", "jsonb_build_object('p', repeat(chr(1), 170000))"),
        ("params", "to_jsonb(array_fill(1e130000, '{8}'))"),
        ("env", "jsonb_build_object('E', repeat(chr(1), 170000))"),
    ],
)
def test_what_is_not_in_stdin_counts_too(sql: Sql, node: Node, column: str, value: str) -> None:
    columns = {"state_id": "'AW'", "command": "'{true}'", column: value}
    sql.run(
        f"INSERT INTO long_task.task ({', '.join(columns)})"
        f" SELECT {', '.join(columns.values())} FROM generate_series(1, 40)"
    )
    taken = len(node.claim(free=40))
    assert 16 <= taken <= 20
    assert len(node.claim(free=40 - taken)) == taken


def test_the_longest_task_of_all_does_not_stop_its_group(sql: Sql, node: Node) -> None:
    sql.run(
        "INSERT INTO long_task.task (state_id, command, stdin, params, env, cwd)"
        " SELECT 'AW', ARRAY[repeat(chr(1), 1048574)], repeat(chr(1), length),"
        " jsonb_build_object('p', repeat(chr(1), 174760)),"
        " jsonb_build_object('E', repeat(chr(1), 174760)), repeat(chr(1), 4096)"
        " FROM unnest('{13000000,16777216}'::integer[]) AS length"
    )
    first, second = node.sync(free=2).start
    assert (len(first.stdin or ""), len(second.stdin or "")) == (13_000_000, 16_777_216)


def test_strange_texts_are_texts(sql: Sql, node: Node) -> None:
    strange = "%s %TASK ' \" \\ \x01 \u2028 \U0001f600 {} NULL $$ ; --"
    task_id = sql.insert(
        name=strange, command=[strange, "", "NULL", strange], stdin=strange, cwd=strange,
        env={strange.replace("=", ""): strange}, params={strange: strange},
    )  # fmt: skip
    (order,) = node.sync().start
    assert order.command == [strange, "", "NULL", strange]
    node.report(task_id, exit_code=1, error=strange, output=strange)
    assert sql.look(task_id, "error, output") == (f"exit code 1; {strange}", strange)
    assert strange in sql.value("SELECT long_task.why(%s)", task_id)


def test_an_attempt_at_the_end_of_its_numbers_stops_nobody(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    sql.force(task_id, attempt=2147483646)
    assert node.claim() == [task_id]
    assert node.report(task_id, 2147483647) == []
    assert sql.look(task_id) == "CS"
