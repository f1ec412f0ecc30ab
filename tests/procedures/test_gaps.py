"""What was taken under a held snapshot is stepped over, and nothing that may be started with it."""

from collections.abc import Iterator

import pytest

from tests.procedures.acting import LEASE, Node, Report, Sql, ended
from tests.servers import Database

MANY = 2_000
AFTERWARDS = 3 * 50
SLOTS = 50


def work_off(node: Node, count: int, *, kind: str = "", slots: int = SLOTS) -> None:
    """Runs so many tasks to their end, and some more. ``kind``: a column and its value, by '='."""
    _work_off(node, count, kind, slots)
    later(node)
    _work_off(node, AFTERWARDS, kind, slots)


def later(node: Node) -> None:
    """What is committed within a moment of its number is never in a gap: let that pass."""
    node.sql.run("UPDATE test_clock.state SET shift = shift + '1 s'")


def _work_off(node: Node, count: int, kind: str, slots: int) -> None:
    column, _, value = kind.partition("=")
    node.sql.run(
        f"INSERT INTO long_task.task (state_id, command{column and ', ' + column})"
        f" SELECT 'AW', '{{true}}'{value and ', ' + value} FROM generate_series(1, {count})"
    )
    run_all(node, slots)


def run_all(node: Node, slots: int = SLOTS) -> None:
    """Claims and reports until a call finds nothing."""
    reports: list[Report] = []
    while True:
        started = node.sync(*reports, free=slots).start
        if not started:
            return
        reports = [ended(order.task_id, order.attempt) for order in started]


def gaps(node: Node, queue: str = "group") -> int:
    """How many the node's session knows of."""
    key = node.worker_id if queue.endswith("worker") else node.group_id
    known = "SELECT COALESCE(cardinality((long_task.queue_gaps_of(%s, %s)).gaps), 0)"
    return int(node.sql.value(known, queue, key))


def calls_until(node: Node, task_id: int, slots: int) -> int:
    """How many calls it takes to have the task, each of which ends what it has started."""
    reports: list[Report] = []
    for number in range(1, 1000):
        started = node.sync(*reports, free=slots).start
        if task_id in [order.task_id for order in started]:
            return number
        reports = [ended(order.task_id, order.attempt) for order in started]
    raise AssertionError("it was never started")


@pytest.fixture
def looking(database: Database) -> Iterator[Sql]:
    """Somebody who holds a snapshot."""
    session = Sql(database.connect(autocommit=False))
    session.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    session.value("SELECT count(*) FROM long_task.task")
    yield session
    session.connection.rollback()


@pytest.fixture
def node(serving: Sql) -> Node:
    return Node(serving)


def test_gaps_are_noted_while_a_snapshot_is_held_and_given_up_later(
    looking: Sql, node: Node
) -> None:
    work_off(node, MANY)
    assert gaps(node) == 1
    looking.connection.rollback()
    node.sql.run("VACUUM long_task.task")
    for _ in range(MANY):
        if not gaps(node):
            break
        node.sync()
    assert gaps(node) == 0
    assert node.sql.value("SELECT current_setting('long_task.gaps')") == ""
    work_off(node, MANY)
    assert gaps(node) == 0


@pytest.mark.parametrize("many", [2_000, 5_000, 5_500, 11_000, 20_000])
def test_an_idle_node_sleeps_when_it_has_looked_through_what_is_held(
    looking: Sql, node: Node, many: int
) -> None:
    """Whichever of its questions comes to the end of the gaps, which is chance."""
    work_off(node, many, slots=1_000)
    assert gaps(node)
    enough = 2 * many // 500 + 4
    assert None in [node.sync().wake_in for _ in range(enough)]


def test_a_gap_is_looked_through_from_its_start_before_an_idle_node_sleeps(
    database: Database, node: Node, person: Sql
) -> None:
    task_id = person.insert()
    work_off(node, 20_000, slots=1_000)
    while node.sync().wake_in is not None:
        pass
    person.connection.commit()
    calls = 0
    while (answer := node.sync()).wake_in is not None and not answer.start:
        calls += 1
    assert [order.task_id for order in answer.start] == [task_id], calls


def test_what_is_queued_later_is_started_at_once_in_the_order_of_priority(
    looking: Sql, node: Node
) -> None:
    work_off(node, MANY, kind="priority=3")
    late, same, soon = (node.sql.insert(priority=number) for number in (5, 3, -5))
    assert node.claim() == [soon, same, late]


@pytest.mark.parametrize("slots", [1, SLOTS])
def test_an_earlier_number_that_is_committed_later_is_found(
    database: Database, node: Node, person: Sql, slots: int
) -> None:
    """The open transaction is itself what keeps the entries."""
    task_id = person.insert()
    work_off(node, MANY)
    assert gaps(node)
    if slots == 1:  # there is always something else to do
        node.sql.run(
            "INSERT INTO long_task.task (state_id, command)"
            " SELECT 'AW', '{true}' FROM generate_series(1, 100)"
        )
    person.connection.commit()
    # A call looks at a few hundred entries; one that has nothing else to do, at thousands.
    assert calls_until(node, task_id, slots) <= (40 if slots == 1 else 2)


def test_many_that_are_committed_later_are_all_found(
    database: Database, node: Node, person: Sql
) -> None:
    ids = []
    for _ in range(20):
        ids.append(person.insert())
        work_off(node, MANY // 20)
    assert gaps(node)
    person.connection.commit()
    found: list[int] = []
    for _ in range(100):
        answer = node.sync(*(ended(task_id) for task_id in found[-SLOTS:]), free=SLOTS)
        found += [order.task_id for order in answer.start]
        if answer.wake_in is None:
            break
    assert sorted(found) == ids


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"priority": 9}, {"priority": 0}),
        ({"group_id": 7}, {"group_id": 0}),
        ({"worker_id": 77}, {"worker_id": None}),
    ],
)
def test_one_that_a_person_moves_to_an_earlier_place_is_found(
    looking: Sql, node: Node, before: dict[str, object], after: dict[str, object]
) -> None:
    task_id = node.sql.insert(**before)
    if "priority" in before:
        with node.sql.without_triggers():
            node.sql.change(task_id, state_id="DR")
    work_off(node, MANY)
    assert gaps(node)
    with node.sql.without_triggers():
        node.sql.change(task_id, state_id="AW")
    node.sql.change(task_id, **after)
    assert calls_until(node, task_id, SLOTS) <= 2


def test_one_that_is_pinned_to_the_worker_later_is_found(looking: Sql, node: Node) -> None:
    task_id = node.sql.insert(worker_id=77)
    work_off(node, MANY, kind="worker_id=1")
    assert gaps(node, "worker")
    node.sql.change(task_id, worker_id=1)
    assert calls_until(node, task_id, SLOTS) <= 2


def test_one_that_is_repeated_or_queued_again_is_started_at_once(looking: Sql, node: Node) -> None:
    repeated = node.sql.insert(max_attempts=2, retry_delay="0")
    queued = node.sql.insert()
    assert node.claim() == [repeated, queued]
    node.report(queued)
    work_off(node, MANY)
    assert gaps(node)
    node.sql.change(queued, state_id="AW")
    again = node.sync(ended(repeated, exit_code=1), free=2)
    assert sorted(order.task_id for order in again.start) == [repeated, queued]


def test_one_whose_key_has_room_again_is_started_at_once(looking: Sql, node: Node) -> None:
    first, *others = (node.sql.insert(concurrency_key="k") for _ in range(4))
    assert node.claim() == [first]
    work_off(node, MANY)
    assert gaps(node)
    behind = node.sql.insert()
    running = first
    for task_id in others:
        (order,) = node.sync(ended(running), free=1).start
        assert order.task_id == task_id
        running = task_id
    assert node.claim() == [behind]


def test_one_that_a_person_held_all_the_time_is_started_at_once(
    looking: Sql, node: Node, person: Sql
) -> None:
    held = node.sql.insert()
    person.run("SELECT FROM long_task.task WHERE id = %s FOR UPDATE", held)
    work_off(node, MANY)
    assert gaps(node)
    person.connection.rollback()
    assert node.claim() == [held]


def test_what_a_session_has_claimed_and_taken_back_is_not_in_a_gap(
    looking: Sql, node: Node
) -> None:
    work_off(node, MANY)
    node.sql.run(
        "INSERT INTO long_task.task (state_id, command)"
        f" SELECT 'AW', '{{true}}' FROM generate_series(1, {MANY})"
    )
    node.sql.run("BEGIN")
    claimed = node.claim(MANY)
    node.sql.run("ROLLBACK")
    assert len(claimed) == MANY
    assert node.claim(MANY) == claimed


def test_two_nodes_start_each_task_once(database: Database, looking: Sql, node: Node) -> None:
    other = Node(Sql(database.connect()), worker_id=2)
    work_off(node, MANY)
    node.sql.run(
        "INSERT INTO long_task.task (state_id, command, priority)"
        f" SELECT 'AW', '{{true}}', n % 3 FROM generate_series(1, {MANY}) AS n"
    )
    turns = {node: list[Report](), other: list[Report]()}
    started: list[int] = []
    while True:
        before = len(started)
        for each, reports in turns.items():
            orders = each.sync(*reports, free=7).start
            started += [order.task_id for order in orders]
            turns[each] = [ended(order.task_id, order.attempt) for order in orders]
        if len(started) == before:
            break
    assert len(started) == len(set(started)) == MANY
    assert gaps(node) and gaps(other)


def test_a_delayed_one_that_is_committed_after_its_time_is_released(
    looking: Sql, database: Database, node: Node, person: Sql
) -> None:
    delay = "start_after=now() - interval '1 min' + n * interval '1 ms'"
    late = person.insert(start_after="2100-01-01")
    person.force(late, start_after="2020-01-01")
    insert_delayed(node, delay)
    run_all(node)
    later(node)
    node.sync()
    assert gaps(node, "delayed_group")
    person.connection.commit()
    assert calls_until(node, late, SLOTS) <= 3


def test_a_start_that_is_committed_after_its_time_is_made(
    looking: Sql, database: Database, node: Node, person: Sql
) -> None:
    late = person.insert(state_id="DR")
    person.force(late, state_id="CS", next_start="2020-01-01")
    with node.sql.without_triggers():
        node.sql.run(
            "INSERT INTO long_task.task (state_id, command, next_start)"
            " SELECT 'CS', '{true}', now() - interval '1 min' + n * interval '1 ms'"
            f" FROM generate_series(1, {MANY}) AS n"
        )
    run_all(node)
    later(node)
    node.sync()
    known = "SELECT cardinality((long_task.queue_gaps_of('schedule', 0)).gaps)"
    assert node.sql.value(known)
    person.connection.commit()
    assert calls_until(node, late, SLOTS) <= 3


def insert_delayed(node: Node, delay: str) -> None:
    column, _, value = delay.partition("=")
    with node.sql.without_triggers():
        node.sql.run(
            f"INSERT INTO long_task.task (state_id, command, {column})"
            f" SELECT 'AD', '{{true}}', {value} FROM generate_series(1, {MANY}) AS n"
        )


def test_a_call_that_finds_all_empty_lets_the_node_sleep(looking: Sql, node: Node) -> None:
    work_off(node, MANY)
    for _ in range(10):
        if node.sync(lease=LEASE).wake_in is None:
            break
    assert gaps(node)
    assert node.sync().wake_in is None


def test_who_leaves_its_post_steps_over_gaps(looking: Sql, database: Database, node: Node) -> None:
    Node(Sql(database.connect()), 2)  # whom it might call
    work_off(node, 5 * MANY, slots=1_000)
    assert gaps(node)
    node.sql.run("BEGIN")
    node.sql.rows("SELECT pg_advisory_lock(hashtext('long_task.post') + 5, 0)")
    read = "SELECT pg_stat_get_xact_tuples_returned('long_task.task_ready'::regclass)"
    before = node.sql.value(read)
    node.sql.rows("SELECT set_config('long_task.post', '5', false), long_task.leave_post(0)")
    assert node.sql.value(read) - before < MANY / 2
    node.sql.run("ROLLBACK")
