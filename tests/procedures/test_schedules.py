"""Schedules by interval: what is started, when, how often, and where."""

import pytest

from tests.procedures.acting import Node, Sql
from tests.servers import Clock

NOW = "2030-05-06 07:08:09+00:00"


@pytest.fixture(autouse=True)
def _clock_is_stopped(stopped: Clock) -> None:
    """At NOW."""


def _completed(sql: Sql, node: Node, **columns: object) -> int:
    task_id = sql.insert(**columns)
    node.claim()
    node.report(task_id)
    return task_id


def _seconds_to_next_start(sql: Sql, task_id: int) -> float | None:
    seconds = sql.look(task_id, "extract(epoch FROM next_start - long_task.clock())")
    return None if seconds is None else float(seconds)


def test_an_ended_task_is_queued_at_its_time_and_not_before(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    task_id = _completed(sql, node)
    sql.change(
        task_id, next_start="2030-05-06 07:08:19+00:00", shed_period_id="MIN", shed_period_count=2
    )
    stopped.advance(9)
    assert node.claim() == []
    stopped.advance(1)
    (order,) = node.sync().start
    assert (order.task_id, order.attempt) == (task_id, 2)
    assert _seconds_to_next_start(sql, task_id) == 120
    assert sql.look(task_id, "queued_by") == "schedule"
    node.report(task_id, 2)
    assert sql.runs(task_id, "started_by") == [("person",), ("schedule",)]


@pytest.mark.parametrize("state", ["CS", "CF", "CC"])
def test_every_ended_state_is_queued_again(sql: Sql, node: Node, state: str) -> None:
    task_id = sql.insert()
    sql.force(task_id, state_id=state)
    sql.change(task_id, next_start=NOW)
    assert node.claim() == [task_id]


@pytest.mark.parametrize("state", ["DR", "AE", "AS", "AC"])
def test_a_start_is_skipped_while_the_task_is_active_or_a_draft(
    sql: Sql, node: Node, state: str
) -> None:
    task_id = sql.insert()
    sql.force(task_id, state_id=state, running_on=None if state == "DR" else 9)
    sql.change(task_id, next_start=NOW, shed_period_id="HOU")
    assert node.claim() == []
    assert sql.look(task_id) == state
    assert _seconds_to_next_start(sql, task_id) == 3600


def test_a_start_is_skipped_while_the_task_waits(sql: Sql, node: Node) -> None:
    task_id = sql.insert(next_start=NOW, shed_period_id="HOU")
    place = sql.look(task_id, "ready_seq")
    node.sync(free=0)
    assert sql.look(task_id, "state_id, queued_by, ready_seq") == ("AW", "person", place)


def test_without_a_period_there_is_one_start(sql: Sql, node: Node, stopped: Clock) -> None:
    task_id = _completed(sql, node)
    sql.change(task_id, next_start=NOW)
    assert node.claim() == [task_id]
    node.report(task_id, 2)
    assert sql.look(task_id, "next_start") is None
    stopped.advance(20)
    assert node.claim() == []


def test_missed_starts_count_once(sql: Sql, node: Node, stopped: Clock) -> None:
    task_id = _completed(sql, node)
    sql.change(task_id, next_start=NOW, shed_period_id="HOU", shed_period_count=2)
    stopped.advance(7 * 3600 + 60)
    node.sql.run("UPDATE long_task.worker_lease SET locked_until = 'infinity'")
    assert node.claim() == [task_id]
    assert _seconds_to_next_start(sql, task_id) == 3600 - 60


def test_nothing_drifts(sql: Sql, node: Node, stopped: Clock) -> None:
    node.sync(lease=100000)
    task_id = _completed(sql, node)
    sql.change(task_id, next_start=NOW, shed_period_id="MIN", shed_period_count=10)
    for attempt in range(2, 6):
        stopped.advance(7)  # every start is found late
        assert node.claim() == [task_id]
        node.report(task_id, attempt)
        assert _seconds_to_next_start(sql, task_id) == 593
        stopped.advance(593)


def test_a_paused_schedule_starts_nothing_and_goes_on_when_it_is_resumed(
    sql: Sql, node: Node
) -> None:
    task_id = _completed(sql, node)
    sql.change(task_id, next_start=NOW, shed_period_id="HOU", shed_enabled=False)
    answer = node.sync()
    assert (answer.start, answer.wake_in) == ([], None)
    sql.change(task_id, shed_enabled=True)
    assert node.claim() == [task_id]


def test_a_copy_is_queued_for_each_start_and_the_template_stays(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    copied = {
        "name": "n", "priority": 3, "command": ["a", "%TASK"], "params": {"p": 1},
        "env": {"E": "e"}, "stdin": "in", "cwd": "dir", "timeout": "5 s",
        "kill_grace": "6 s", "max_attempts": 4, "retry_delay": "7 s",
    }  # fmt: skip
    template = sql.insert(
        **copied, state_id="DR", next_start=NOW, shed_period_id="HOU", shed_clone=True
    )
    starts = []
    for _ in range(2):
        node.sync(lease=10000)
        starts += node.sync(lease=10000).start or []
        stopped.advance(3600)
    copies = sql.values(
        "SELECT id FROM long_task.task WHERE shed_parent_id = %s ORDER BY id", template
    )
    assert len(copies) == 2
    assert sql.look(template, "state_id, shed_clone, attempt") == ("DR", True, 0)
    columns = ", ".join(copied)
    same = sql.look(copies[0], columns)
    assert same == sql.look(template, columns)
    assert sql.look(copies[0], "state_id, queued_by, next_start, shed_clone, attempt, owner") == (
        "AE", "schedule", None, False, 1, sql.look(template, "owner"),
    )  # fmt: skip


def test_copies_are_made_whatever_the_state_of_the_template(sql: Sql, node: Node) -> None:
    template = sql.insert(next_start=NOW, shed_clone=True)
    assert len(node.claim()) == 2
    assert sql.look(template) == "AE"


def test_the_worker_that_ran_a_task_last_is_not_its_worker_for_ever(sql: Sql, node: Node) -> None:
    task_id = _completed(sql, node)
    template = _completed(sql, node)
    sql.change(task_id, next_start=NOW)
    sql.change(template, next_start=NOW, shed_clone=True)
    started = Node(sql, worker_id=2).claim()
    assert task_id in started
    assert len(started) == 2


def test_a_scheduled_task_that_a_person_pinned_stays_pinned(sql: Sql, node: Node) -> None:
    before, after = _completed(sql, node, worker_id=1), _completed(sql, node)
    template = sql.insert(state_id="DR", worker_id=7, next_start=NOW, shed_clone=True)
    sql.change(before, next_start=NOW)
    sql.change(after, next_start=NOW, worker_id=7)
    node.sync(free=0)
    assert sql.look(before, "state_id, worker_id") == ("AW", 1)
    assert sql.look(after, "state_id, worker_id") == ("AW", 7)
    assert sql.values(
        "SELECT worker_id FROM long_task.task WHERE shed_parent_id = %s", template
    ) == [7]


def test_any_node_fires_for_any_group(sql: Sql, node: Node) -> None:
    task_id = sql.insert(group_id=9)
    sql.change(task_id, state_id="AC")
    sql.change(task_id, next_start=NOW)
    node.sync(free=0)
    assert sql.look(task_id) == "AW"


def test_the_node_is_told_when_a_schedule_is_due(sql: Sql, node: Node) -> None:
    sql.insert(state_id="DR", group_id=9, next_start="2030-05-06 07:08:29+00:00")
    assert node.sync().wake_in == 20
    sql.insert()
    answer = node.sync(free=1)
    assert (len(answer.start), answer.wake_in) == (1, 20), "also one that has no slot left"


def test_one_that_ended_itself_is_fired_and_waits_for_its_process(sql: Sql, node: Node) -> None:
    task_id = sql.insert()
    node.claim()
    sql.change(task_id, state_id="CS", next_start=NOW)
    assert node.claim() == []
    assert sql.look(task_id, "state_id, running_on") == ("AW", 1)


def test_a_new_next_start_is_a_new_anchor(sql: Sql, node: Node) -> None:
    task_id = sql.insert(
        state_id="DR", next_start="2030-05-01 00:00:05+00:00", shed_period_id="MIN"
    )
    sql.change(task_id, next_start="2030-05-01 00:00:55+00:00")
    node.sync()
    assert _seconds_to_next_start(sql, task_id) == 46


def test_the_settings_of_a_session_do_not_make_a_person_a_schedule(sql: Sql) -> None:
    sql.run("SET LOCAL long_task.started_by = 'schedule'")
    task_id = sql.insert(state_id="DR")
    sql.change(task_id, state_id="AW")
    assert sql.look(task_id, "queued_by") == "person"


def test_who_queued_it_is_told_each_time_anew(sql: Sql, node: Node, stopped: Clock) -> None:
    task_id = _completed(sql, node)
    sql.change(task_id, next_start=NOW, shed_period_id="SEC")
    for attempt in (2, 3):
        assert node.claim() == [task_id]
        assert sql.look(task_id, "queued_by") == "schedule"
        node.report(task_id, attempt)
        stopped.advance(1)
    sql.change(task_id, state_id="AW", next_start=None)
    assert sql.look(task_id, "queued_by") == "person"


def test_a_start_that_is_skipped_leaves_no_trace(sql: Sql, node: Node) -> None:
    for clone in (True, False):
        task_id = sql.insert(state_id="DR", next_start=NOW, shed_period_id="HOU", shed_clone=clone)
        node.sync(free=0)
        assert sql.look(task_id, "queued_by") == "person"
        assert _seconds_to_next_start(sql, task_id) == 3600


def _lose_zone(sql: Sql, task_id: int) -> None:
    """As an update of PostgreSQL may."""
    sql.force(task_id, time_zone="Gone/Away", next_start=NOW, shed_period_id="DAY")


def test_a_schedule_that_cannot_be_evaluated_is_paused_and_disturbs_no_other(
    sql: Sql, node: Node
) -> None:
    sql.run("ALTER TABLE long_task.task ADD CHECK (name <> 'bad' OR state_id = 'DR')")
    lost, good = _completed(sql, node), _completed(sql, node)
    copied = sql.insert(state_id="DR", shed_clone=True, next_start=NOW, name="bad")
    _lose_zone(sql, lost)
    sql.change(good, next_start=NOW)
    assert node.claim() == [good]
    reasons = {lost: 'time zone "Gone/Away" not recognized', copied: "new row for relation"}
    for task_id, reason in reasons.items():
        enabled, error = sql.look(task_id, "shed_enabled, shed_error")
        assert not enabled
        assert error.startswith(reason)
        assert f" Its schedule was paused by the system: {error}." in sql.value(
            "SELECT long_task.why(%s)", task_id
        )
    assert sql.look(lost, "state_id, queued_by, error") == ("CS", "person", None)
    assert node.sync().wake_in is None
    found = sql.rows("SELECT id, status, error IS NOT NULL FROM long_task.scheduled ORDER BY id")
    assert found == [(lost, "failed", True), (copied, "failed", True)]


def test_a_schedule_that_was_mended_goes_on(sql: Sql, node: Node) -> None:
    task_id = _completed(sql, node)
    _lose_zone(sql, task_id)
    node.sync()
    sql.change(task_id, time_zone="Europe/Berlin", shed_enabled=True)
    assert sql.look(task_id, "shed_error") is None
    assert node.claim() == [task_id]


@pytest.mark.parametrize("state", ["53100", "40P01", "55P03", "08001", "XX000"])
def test_an_error_that_is_not_a_rows_own_pauses_nothing_and_stops_no_other(
    sql: Sql, node: Node, state: str
) -> None:
    good = _completed(sql, node)
    template = sql.insert(
        state_id="DR", shed_clone=True, next_start=NOW, shed_period_id="DAY", name="bad"
    )
    sql.change(good, next_start=NOW)
    _refuse(sql, "INSERT", state)
    answer = node.sync()
    assert [order.task_id for order in answer.start] == [good]
    assert answer.wake_in == 0.2
    assert sql.look(template, "shed_enabled, shed_error") == (True, None)
    sql.run("DROP TRIGGER trouble ON long_task.task")
    assert len(node.claim()) == 1


def test_a_schedule_that_cannot_even_be_paused_stops_no_other(sql: Sql, node: Node) -> None:
    bad, good = _completed(sql, node), _completed(sql, node)
    sql.change(bad, name="bad", next_start=NOW)
    sql.change(good, next_start=NOW)
    _refuse(sql, "UPDATE", "P0001")
    assert node.claim() == [good]


def _refuse(sql: Sql, what: str, state: str) -> None:
    """A trigger of somebody else's, which raises an error about rows named bad."""
    sql.run(
        "CREATE FUNCTION public.trouble() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION 'trouble' USING ERRCODE = '{state}'; END $$"
    )
    sql.run(
        f"CREATE TRIGGER trouble BEFORE {what} ON long_task.task"
        " FOR EACH ROW WHEN (NEW.name = 'bad') EXECUTE FUNCTION public.trouble()"
    )


def test_copies_of_long_tasks_are_made_a_few_at_a_time(sql: Sql, stopped: Clock) -> None:
    template = sql.insert(
        state_id="DR", shed_clone=True, next_start=NOW, shed_period_id="SEC", missed="run each",
        stdin="x" * 3_000_000,
    )  # fmt: skip
    others = [
        sql.insert(state_id="DR", shed_clone=True, next_start=NOW, stdin="x" * 6_000_000)
        for _ in range(3)
    ]
    stopped.advance(5)
    # Each batch writes 8 MiB of copies, or one.
    for batch in range(1, 9):
        sql.run("SELECT long_task.fire_tasks(ARRAY[%s], long_task.clock())", template)
        made = sql.value("SELECT count(*) FROM long_task.task WHERE shed_parent_id = %s", template)
        assert made == min(2 * batch, 6)
    sql.run("SET LOCAL statement_timeout = '60s'")
    while sql.value("SELECT long_task.fire_schedules(200)") == 0:
        pass
    assert len(sql.rows("SELECT FROM long_task.task WHERE shed_parent_id = ANY (%s)", others)) == 3


def test_many_that_are_due_are_fired_in_the_order_of_their_times(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    sql.run(
        "INSERT INTO long_task.task (command, state_id, next_start, shed_clone)"
        " SELECT '{true}', 'DR', long_task.clock() + n % 1777 * interval '1 ms', true"
        " FROM generate_series(1, 3000) AS n"
    )
    stopped.advance(2)
    made, before = 0, -1
    while made > before:
        node.sync(free=0)
        before, made = made, sql.value("SELECT count(*) FROM long_task.task WHERE state_id = 'AW'")
    assert made == 3000
    times = sql.values(
        "SELECT scheduled_for FROM long_task.task WHERE state_id = 'AW' ORDER BY ready_seq"
    )
    assert times == sorted(times)


def test_what_the_program_is_given_is_not_read_to_fire_a_schedule(
    sql: Sql, node: Node, stopped: Clock
) -> None:
    """A year of missed minutes takes some forty looks at the schedule of each task."""
    tasks = [_completed(sql, node) for _ in range(10)]
    sql.run(
        "UPDATE long_task.task SET cron = '* * * * *', next_start = '2029-01-01',"
        " stdin = (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 200000) AS n)"
    )
    sql.run("SET LOCAL statement_timeout = '5s'")
    node.sync(free=0)
    assert sql.values("SELECT id FROM long_task.task WHERE state_id = 'AW' ORDER BY id") == tasks
