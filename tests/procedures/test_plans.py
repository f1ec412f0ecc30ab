"""What a call touches does not grow with the rows that are none of its business."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import pytest

from tests.procedures.acting import Node, Sql, ended
from tests.servers import Database

CROWD = 5_000
CALLS = 20
OTHERS = {
    "drafts": ("state_id", "'DR'"),
    "delayed": ("state_id, start_after", "'AW', now() + interval '1 hour'"),
    "endlessly delayed": ("state_id, start_after", "'AW', 'infinity'"),
    "pinned elsewhere": ("state_id, worker_id", "'AW', 77"),
    "pinned elsewhere and delayed": (
        "state_id, worker_id, start_after",
        "'AW', 77, now() + interval '1 hour'",
    ),
    "of another group": ("state_id, group_id", "'AW', 5"),
    "due in another group": (
        "state_id, group_id, start_after",
        "'AW', 5, now() + interval '1 s'",
    ),
    "scheduled": ("state_id, next_start", "'DR', now() + interval '1 hour'"),
    "paused": ("state_id, next_start, shed_enabled", "'DR', now(), false"),
    "behind": ("state_id, priority", "'AW', 9"),
}


DEEP = {
    "blocked": ("state_id, has_needs", "'AB', true"),
    "many priorities": ("state_id, priority", "'AW', n % 1000"),
    "history": ("state_id, attempt, finished", "'CS', 1, now()"),
}


class Touched:
    """What was touched in long_task.task."""

    rows_by_scan = 0
    entries = 0
    by_index: Mapping[str, int] = MappingProxyType({})


@contextmanager
def _touched(sql: Sql, watch: Sql) -> Iterator[Touched]:
    before = _counts(sql, watch)
    found = Touched()
    yield found
    after = _counts(sql, watch)
    found.rows_by_scan = after.pop("") - before.pop("")
    grown = {name: count - before[name] for name, count in after.items() if count > before[name]}
    found.by_index = grown
    found.entries = sum(grown.values())


def _counts(sql: Sql, watch: Sql) -> dict[str, int]:
    """Entries read of each index so far; under the empty name, the rows read without one."""
    sql.rows("SELECT pg_stat_force_next_flush()")
    return dict(
        watch.rows(
            "SELECT '', seq_tup_read FROM pg_stat_user_tables"
            " WHERE relid = 'long_task.task'::regclass"
            " UNION ALL SELECT indexrelname, idx_tup_read FROM pg_stat_user_indexes"
            " WHERE relid = 'long_task.task'::regclass"
        )
    )


@pytest.fixture
def planned_early(database: Database) -> Node:
    """A node whose session has made its plans while the table was empty.

    With statistics that say so: of a table that is known to be small, all is read at once.
    """
    session = Sql(database.connect())
    with session.without_triggers():
        session.run(
            "INSERT INTO long_task.task (command, state_id, start_after)"
            " SELECT '{true}', 'AD', now() FROM generate_series(1, 5000)"
        )
    session.run("ANALYZE long_task.task; TRUNCATE long_task.task")
    node = Node(session)
    for _ in range(8):
        task_id = session.insert(max_attempts=2, retry_delay="0")
        delayed = session.insert()
        session.force(delayed, state_id="AD", start_after="2020-01-01")
        template = session.insert(state_id="DR", next_start="2020-01-01")
        node.sync(lease=1e6, known=[])
        for attempt in (1, 2):
            node.sync(ended(task_id, attempt, exit_code=1), ended(delayed))
        session.run("DELETE FROM long_task.task WHERE id = %s", template)
        node.sync(ended(4711))
        # Not TRUNCATE, which would have all plans made anew.
        session.run("DELETE FROM long_task.task")
    return node


def _gather(people: Sql, others: Iterable[tuple[str, str]]) -> None:
    for columns, values in others:
        people.run(
            f"INSERT INTO long_task.task (command, {columns})"
            f" SELECT '{{true}}', {values} FROM generate_series(1, {CROWD})"
        )
    with people.without_triggers():
        people.run(
            "INSERT INTO long_task.task (command, attempt, finished, state_id)"
            f" SELECT '{{true}}', 1, now(), 'CS' FROM generate_series(1, {CROWD})"
        )
    # What the triggers have read for these rows is not to be counted later, as something touched.
    people.rows("SELECT pg_stat_force_next_flush()")


def test_a_call_touches_its_own_rows_however_many_others_there_are(
    database: Database, planned_early: Node
) -> None:
    people, watch = Sql(database.connect()), Sql(database.connect())
    _gather(people, OTHERS.values())
    own = [people.insert() for _ in range(3)]
    delayed = people.insert()
    people.force(delayed, state_id="AD", start_after="2020-01-01")
    retried = people.insert(max_attempts=2, retry_delay="0")
    node = planned_early
    with _touched(node.sql, watch) as touched:
        claimed = node.claim(free=5)
        people.change(own[0], state_id="AC")
        assert node.attend() == [(own[0], 1, "kill")]
        answer = node.sync(*(ended(task_id, exit_code=1) for task_id in claimed), free=1, lease=60)
    assert sorted(claimed) == sorted([*own, delayed, retried])
    assert [order.task_id for order in answer.start] == [retried]
    assert touched.rows_by_scan == 0
    assert {"task_ready", "task_delayed", "task_pkey"} <= touched.by_index.keys()
    # Seven rows are claimed, reported or released; each is looked up a few times.
    assert touched.entries < 200, touched.by_index


def test_an_idle_call_touches_next_to_nothing(database: Database, planned_early: Node) -> None:
    people, watch = Sql(database.connect()), Sql(database.connect())
    _gather(people, (other for kind, other in OTHERS.items() if kind != "behind"))
    with _touched(planned_early.sql, watch) as touched:
        assert planned_early.sync(lease=1000).start == []
    assert touched.rows_by_scan == 0
    assert touched.entries < 10


def test_processes_that_just_go_on_are_not_looked_at(
    database: Database, planned_early: Node
) -> None:
    people, watch = Sql(database.connect()), Sql(database.connect())
    with people.without_triggers():
        people.run(
            "INSERT INTO long_task.task (command, attempt, running_on, worker_id, state_id)"
            f" SELECT '{{true}}', 1, 1, 1, 'AE' FROM generate_series(1, {CROWD})"
        )
    cancelled = people.value("SELECT max(id) FROM long_task.task")
    people.change(cancelled, state_id="AC")
    with _touched(planned_early.sql, watch) as touched:
        assert planned_early.attend() == [(cancelled, 1, "kill")]
    assert touched.rows_by_scan == 0
    assert touched.entries < 10


@pytest.mark.parametrize("situation", ["nothing", "blocked", "many priorities", "history"])
def test_a_claim_touches_little_more_than_it_takes(
    database: Database, planned_early: Node, situation: str
) -> None:
    """Twenty thousand more of them, and the rows touched are the same."""
    people, watch = Sql(database.connect()), Sql(database.connect())
    with people.without_triggers():
        if situation in DEEP:
            columns, values = DEEP[situation]
            people.run(
                f"INSERT INTO long_task.task (command, {columns})"
                f" SELECT '{{true}}', {values} FROM generate_series(1, 4 * {CROWD}) AS n"
            )
    own = [people.insert(priority=-1) for _ in range(16)]
    people.rows("SELECT pg_stat_force_next_flush()")
    with _touched(planned_early.sql, watch) as touched:
        assert planned_early.claim(free=16) == own
        planned_early.sync(*(ended(task_id) for task_id in own), free=0)
    assert touched.rows_by_scan == 0
    assert touched.entries < 16 * 12, touched.by_index


def test_it_touches_the_same_when_statistics_say_that_there_are_a_hundred_million(
    database: Database, planned_early: Node
) -> None:
    """The session is another one: its plans are made by these statistics."""
    people, watch = Sql(database.connect()), Sql(database.connect())
    people.run(
        "INSERT INTO long_task.task (state_id, command)"
        f" SELECT 'AW', '{{true}}' FROM generate_series(1, {CROWD})"
    )
    tables = "oid IN ('long_task.task'::regclass, 'long_task.task_run'::regclass)"
    people.run("ANALYZE long_task.task, long_task.task_run")
    kept = people.rows(f"SELECT reltuples, relpages, oid FROM pg_class WHERE {tables}")
    people.run(f"UPDATE pg_class SET reltuples = 1e8, relpages = 5000000 WHERE {tables}")
    try:
        node = planned_early
        node.sql = Sql(database.connect())
        with _touched(node.sql, watch) as touched:
            claimed = node.claim(free=16)
            node.sync(*(ended(task_id) for task_id in claimed), free=0, lease=60)
    finally:
        for tuples, pages, oid in kept:
            people.run(
                "UPDATE pg_class SET reltuples = %s, relpages = %s WHERE oid = %s",
                tuples, pages, oid,
            )  # fmt: skip
    assert len(claimed) == 16
    assert touched.rows_by_scan == 0
    assert touched.entries < 16 * 12, touched.by_index


@pytest.mark.any_version
def test_a_call_touches_the_same_however_much_came_and_went_under_a_held_snapshot(
    database: Database, planned_early: Node
) -> None:
    people, watch = Sql(database.connect()), Sql(database.connect())
    looking = Sql(database.connect(autocommit=False))
    looking.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    looking.value("SELECT count(*) FROM long_task.task")
    node = planned_early
    for _ in range(2):
        for delayed in (False, True):
            _come_and_go(people, node, delayed=delayed)
        # What came within the last 0.1 s is in no gap, and the call that finds a gap notes it.
        for _ in range(2):
            node.sql.run("UPDATE test_clock.state SET shift = shift + '1 s'")
            node.sync()
    people.rows("SELECT pg_stat_force_next_flush()")
    with _touched(node.sql, watch) as touched:
        for _ in range(CALLS):
            task_id = people.insert()
            assert node.claim(free=2) == [task_id]
            node.sync(ended(task_id), free=2)
    looking.connection.rollback()
    assert touched.rows_by_scan == 0
    # Of the ready 8 * CROWD entries are dead, of the delayed half as many, and each call would read
    # them all. What is read is what gaps are looked into by: at most CROWD of a queue in a call.
    assert touched.entries < 2 * CALLS * (8 + 4) * CROWD / 4, touched.by_index


def _come_and_go(people: Sql, node: Node, *, delayed: bool) -> None:
    """Tasks that are queued and end, or are delayed, released and end."""
    with people.without_triggers():
        people.run(
            "INSERT INTO long_task.task (command, state_id, start_after)"
            " SELECT '{true}', %s, clock_timestamp() FROM generate_series(1, 2 * %s)",
            "AD" if delayed else "AW",
            CROWD,
        )
    with people.without_triggers():  # reports of them all would take most of the test's time
        while node.sync(free=1000).start:
            people.run(
                "UPDATE long_task.task SET state_id = 'CS', running_on = NULL"
                " WHERE running_on IS NOT NULL"
            )
