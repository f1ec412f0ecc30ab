"""What the doctor finds about tasks, workers and schedules, and that it is content afterwards."""

from collections.abc import Iterator

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.procedures.acting import Node, Sql, ended
from tests.procedures.complaints import about, ask, only
from tests.servers import Clock, Database, Server

FOR_EVER = 1e7
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
OF_THE_SERVER = {"not_durable", "checkpoints_often", "connections_few", "sessions_hidden"}
"""What is true of the server that the tests share."""


@pytest.fixture(scope="module")
def unused(server: Server) -> Iterator[Database]:
    """A database in which nobody else has left dead rows: the doctor would find them."""
    made = server.create_database()
    yield made
    made.close()
    server.drop(made.name)


@pytest.fixture
def connection(unused: Database) -> Iterator[Connection]:
    """A connection to it inside a transaction that is rolled back."""
    opened = unused.connect(autocommit=False)
    yield opened
    opened.close()


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """A database of the test's own."""
    made = server.create_database()
    yield made
    made.close()
    server.drop(made.name)


@pytest.fixture
def kept(node: Node) -> Node:
    """The node of worker 1 with a lease that outlasts what the clock is set to."""
    node.sync(lease=FOR_EVER)
    return node


def _about_us(sql: Sql) -> set[str]:
    return {finding.code for finding in ask(sql)} - OF_THE_SERVER


def test_the_doctor_finds_nothing_where_tasks_wait_run_and_have_ended(
    sql: Sql, stopped: Clock, kept: Node
) -> None:
    sql.insert(timeout="1 hour")
    running, done = kept.claim()[0], sql.insert()
    assert kept.claim() == [done]
    kept.report(done)
    sql.insert(start_after="2031-01-01")
    follower = sql.insert(state_id="DR")
    sql.run("INSERT INTO long_task.task_dependency VALUES (%s, %s)", follower, running)
    sql.change(follower, state_id="AW")
    sql.insert(state_id="DR", next_start="2031-01-01", shed_clone=True)
    sql.insert()
    stopped.advance(30)
    assert _about_us(sql) == set()


def test_a_group_without_a_node(sql: Sql, stopped: Clock) -> None:
    sql.insert(group_id=-5)
    assert about(sql, "group_without_node") == []
    stopped.advance(2 * MINUTE)
    finding = only(sql, "group_without_node")
    assert (finding.severity, finding.subject) == ("problem", "group -5")
    assert finding.advice == "Start a node: node.py <worker_id> -5"
    Node(sql, group_id=-5)
    assert _about_us(sql) == set()


def test_a_group_in_which_something_delayed_is_due_and_no_node(sql: Sql, stopped: Clock) -> None:
    sql.insert(group_id=5, start_after="2030-05-07")
    stopped.advance(HOUR)
    assert about(sql, "group_without_node") == []
    stopped.advance(DAY)
    assert only(sql, "group_without_node").subject == "group 5"


def test_a_worker_to_whom_tasks_are_pinned_and_whom_nobody_serves(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    task_id = sql.insert(worker_id=7)
    sql.insert(worker_id=8, start_after="2030-05-07")
    stopped.advance(2 * MINUTE)
    finding = only(sql, "worker_absent")
    assert (finding.severity, finding.subject) == ("problem", "worker 7")
    sql.run(finding.advice.partition(": ")[2].partition("others run them: ")[2])
    assert about(sql, "worker_absent") == []
    assert sql.look(task_id, "worker_id") is None
    stopped.advance(2 * DAY)
    assert only(sql, "worker_absent").subject == "worker 8"
    Node(sql, worker_id=8)
    assert about(sql, "worker_absent") == []


def test_a_group_whose_workers_all_have_a_stop_code(sql: Sql, stopped: Clock, kept: Node) -> None:
    sql.insert()
    sql.run("UPDATE long_task.worker SET stop = 1")
    stopped.advance(2 * MINUTE)
    assert only(sql, "workers_held")[:3] == ("warning", "workers_held", "group 0")
    sql.run("UPDATE long_task.worker SET stop = 0")
    assert _about_us(sql) == set()


def test_a_group_whose_limit_is_zero(sql: Sql, stopped: Clock, kept: Node) -> None:
    sql.run("INSERT INTO long_task.group_limit VALUES (0, 0)")
    sql.insert()
    assert kept.claim() == []
    stopped.advance(2 * MINUTE)
    finding = only(sql, "group_limit_zero")
    assert finding.subject == "group 0"
    sql.run(finding.advice.partition(",")[0])
    assert _about_us(sql) == set()


@pytest.mark.parametrize("worker_id", [None, 1])
def test_a_key_whose_limit_is_zero(
    sql: Sql, stopped: Clock, kept: Node, worker_id: int | None
) -> None:
    sql.run("INSERT INTO long_task.concurrency_limit VALUES ('a ''key', 0)")
    task_id = sql.insert(concurrency_key="a 'key", worker_id=worker_id)
    assert kept.claim() == []
    finding = only(sql, "key_limit_zero")
    assert finding.subject == "concurrency_key 'a ''key'"
    sql.run(finding.advice.partition(", or")[0])
    assert about(sql, "key_limit_zero") == []
    assert kept.claim() == [task_id]


def test_a_task_that_waits_for_a_template(sql: Sql, stopped: Clock, kept: Node) -> None:
    template = sql.insert(state_id="DR", next_start="2031-01-01", shed_clone=True)
    task_id = sql.insert(state_id="DR")
    sql.run("INSERT INTO long_task.task_dependency VALUES (%s, %s)", task_id, template)
    sql.change(task_id, state_id="AW")
    finding = only(sql, "needs_template")
    assert (finding.severity, finding.subject) == ("problem", f"task {task_id}")
    sql.run(finding.advice)
    assert _about_us(sql) == set()
    assert kept.claim() == [task_id]


def test_a_task_that_waits_for_a_draft_for_days(sql: Sql, stopped: Clock, kept: Node) -> None:
    draft, task_id = sql.insert(state_id="DR"), sql.insert(state_id="DR")
    sql.run("INSERT INTO long_task.task_dependency VALUES (%s, %s)", task_id, draft)
    sql.change(task_id, state_id="AW")
    assert about(sql, "needs_draft") == []
    stopped.advance(2 * DAY)
    finding = only(sql, "needs_draft")
    assert finding.subject == f"task {task_id}"
    sql.run(finding.advice)
    assert about(sql, "needs_draft") == []


def test_a_task_that_waits_in_vain_and_was_told_to(sql: Sql, stopped: Clock, kept: Node) -> None:
    first, task_id = sql.insert(), sql.insert(state_id="DR", unmet="wait")
    sql.run("INSERT INTO long_task.task_dependency VALUES (%s, %s)", task_id, first)
    sql.change(task_id, state_id="AW")
    assert kept.claim() == [first]
    kept.report(first, exit_code=1)
    finding = only(sql, "needs_unmet")
    assert finding.subject == f"task {task_id}"
    assert f"needs success of task {first}, which failed" in finding.found
    sql.change(task_id, unmet="start")
    assert _about_us(sql) == set()


def test_a_schedule_that_nobody_moves_on(sql: Sql, stopped: Clock) -> None:
    sql.insert(state_id="DR", next_start="2030-05-08", shed_clone=True)
    first = sql.insert(state_id="DR", next_start="2030-05-07", shed_clone=True)
    stopped.advance(3 * DAY)
    finding = only(sql, "schedules_overdue")
    assert (finding.severity, finding.subject) == ("problem", f"task {first}")
    assert finding.found.startswith("Starts that are overdue: 2, ")
    assert finding.advice == "Start a node, of any group."
    Node(sql, group_id=9).sync()
    assert about(sql, "schedules_overdue") == []


@pytest.mark.parametrize("worker_id", [None, 1])
def test_a_delay_that_is_over_beside_a_node(
    sql: Sql, stopped: Clock, kept: Node, worker_id: int | None
) -> None:
    task_id = sql.insert(start_after="2030-05-07", worker_id=worker_id)
    stopped.advance(2 * DAY)
    assert only(sql, "delays_overdue").severity == "problem"
    assert kept.claim() == [task_id]
    assert _about_us(sql) == set()


def test_a_worker_that_has_failed_and_that_nobody_sees(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    task_id = sql.insert()
    assert node.claim() == [task_id]
    stopped.advance(2 * MINUTE)
    finding = only(sql, "worker_failed")
    assert (finding.severity, finding.subject) == ("problem", "worker 1")
    assert "count as running: 1;" in finding.found
    sql.run(finding.advice.partition("owner of the schema: ")[2])
    assert about(sql, "worker_failed") == []
    assert sql.look(task_id) == "CF"


def test_a_worker_that_has_failed_is_given_the_time_in_which_others_recover_it(
    sql: Sql, stopped: Clock, node: Node
) -> None:
    sql.insert()
    node.claim()
    other = Node(sql, worker_id=2)
    other.sync(lease=FOR_EVER)
    stopped.advance(50)
    assert about(sql, "worker_failed") == []
    stopped.advance(50)
    assert "Look for a transaction" in only(sql, "worker_failed").advice
    other.sync(lease=FOR_EVER)
    assert _about_us(sql) == set()


def test_tasks_that_run_on_a_worker_that_is_not_there(sql: Sql, stopped: Clock, node: Node) -> None:
    sql.insert()
    node.claim()
    sql.run("DELETE FROM long_task.worker_lease")
    assert only(sql, "worker_failed").subject == "worker 1"
    Node(sql)
    assert _about_us(sql) == set()


def test_a_worker_that_drains_and_does_not_come_to_an_end(
    sql: Sql, stopped: Clock, kept: Node
) -> None:
    task_id = sql.insert()
    kept.claim()
    sql.run("UPDATE long_task.worker SET stop = 2")
    stopped.advance(HOUR / 2)
    assert about(sql, "worker_drains") == []
    stopped.advance(HOUR)
    finding = only(sql, "worker_drains")
    assert (finding.severity, finding.subject) == ("warning", "worker 1")
    kept.report(task_id)
    assert _about_us(sql) == set()


@pytest.mark.parametrize(
    ("code", "after", "changes"),
    [
        ("timeout_passed", 8 * MINUTE, {}),
        ("process_not_killed", 6 * MINUTE, {"state_id": "AC"}),
        ("process_not_stopped", 2 * HOUR, {"state_id": "AS"}),
        ("process_not_left", 6 * MINUTE, {"state_id": "CS"}),
    ],
)
def test_a_process_that_should_have_ended(
    sql: Sql, stopped: Clock, kept: Node, code: str, after: float, changes: dict[str, str]
) -> None:
    task_id = sql.insert(timeout="2 minutes", kill_grace="1 s")
    sql.insert()
    assert len(kept.claim()) == 2
    if changes:
        sql.change(task_id, **changes)
    stopped.advance(4 * MINUTE)
    assert _about_us(sql) == set()
    stopped.advance(after - 4 * MINUTE)
    assert _about_us(sql) == {code}
    assert only(sql, code).subject == f"task {task_id}"
    kept.report(task_id)
    assert _about_us(sql) == set()


def test_nodes_of_which_there_are_many(sql: Sql, stopped: Clock) -> None:
    for worker_id in range(1, 101):
        Node(sql, worker_id=worker_id)
    assert about(sql, "nodes_many") == []
    Node(sql, worker_id=1, lock=False).lock()  # stands by
    assert only(sql, "nodes_many").found.startswith("101 nodes listen")
    sql.run("UPDATE long_task.worker_lease SET active = false WHERE worker_id > 50")
    assert about(sql, "nodes_many") == []


def test_what_a_held_row_leaves_over(database: Database, serving: Sql, person: Sql) -> None:
    clock, node = database.clock, Node(serving)
    first, task_id = serving.insert(), serving.insert(state_id="DR")
    serving.run("INSERT INTO long_task.task_dependency VALUES (%s, %s)", task_id, first)
    serving.change(task_id, state_id="AW")
    assert node.claim() == [first]
    person.run("SELECT FROM long_task.task WHERE id = %s FOR UPDATE", task_id)
    node.sync(ended(first), free=0, lease=FOR_EVER)
    assert about(serving, "left_unsettled") == []
    clock.advance(10 * MINUTE)
    finding = only(serving, "left_unsettled")
    assert (finding.severity, finding.subject) == ("problem", "table unsettled_task")
    assert only(serving, "snapshot_held").subject == f"pid {_pid(person)}"
    person.connection.rollback()
    node.settle()
    assert _about_us(serving) == set()
    assert node.claim() == [task_id]


def _pid(sql: Sql) -> int:
    return int(sql.value("SELECT pg_backend_pid()"))
