"""Two sessions at once: who waits for whom, who passes whom by, and who never does."""

import threading
from collections.abc import Callable

import pytest

from tests.procedures.acting import LEASE, RECOVERY_DELAY, Node, Sql, ended
from tests.servers import Database
from tests.waiting import wait_until

PAUSE = 0.2
HOLD = [
    "UPDATE long_task.task SET priority = 5 WHERE id = %s",
    "UPDATE long_task.task SET name = 'held' WHERE id = %s",
    "SELECT FROM long_task.task WHERE id = %s FOR UPDATE",
    "DELETE FROM long_task.task WHERE id = %s",
]


def _meanwhile(database: Database, session: Sql, action: Callable[[], object]) -> threading.Thread:
    """Starts what has to wait for a lock, and returns when it waits."""
    pid = session.connection.get_backend_pid()
    watch = Sql(database.connect())
    thread = threading.Thread(target=action)
    thread.start()
    wait_until(
        lambda: watch.values("SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s", pid),
        lambda seen: seen == ["Lock"],
        describe="a session that waits for a lock",
    )
    return thread


@pytest.mark.parametrize("hold", HOLD)
def test_a_claim_passes_by_a_row_that_a_person_holds_and_comes_back_for_it(
    serving: Sql, person: Sql, hold: str
) -> None:
    node = Node(serving)
    held, free = serving.insert(priority=-1), serving.insert()
    person.run(hold, held)
    answer = node.sync()
    assert [order.task_id for order in answer.start] == [free]
    # Once it looks at once, because the claim may have had no room for what is left.
    assert (answer.wake_in, node.sync().wake_in) == (0, PAUSE)
    person.connection.rollback()
    assert node.claim() == [held]


def test_a_reference_by_foreign_key_holds_nothing_up(serving: Sql, person: Sql) -> None:
    node = Node(serving)
    serving.run("CREATE TABLE note (task_id bigint REFERENCES long_task.task)")
    task_id = serving.insert()
    person.run("INSERT INTO note VALUES (%s)", task_id)
    assert node.claim() == [task_id]
    assert node.report(task_id) == []
    person.connection.rollback()
    serving.run("DROP TABLE note")


def test_two_nodes_that_claim_at_once_never_get_the_same_task(
    database: Database, serving: Sql
) -> None:
    Node(serving), Node(serving, worker_id=2)
    tasks = [serving.insert() for _ in range(6)]
    sessions = [Sql(database.connect(autocommit=False)) for _ in range(2)]
    nodes = [
        Node(session, worker_id=number, lock=False) for number, session in enumerate(sessions, 1)
    ]
    claimed = []
    for node in nodes:
        node.epoch = node.worker_id
        claimed.append(node.claim(free=3))
    assert claimed == [tasks[:3], tasks[3:]]
    for session in sessions:
        session.connection.commit()
    assert serving.values("SELECT running_on FROM long_task.task ORDER BY id") == [1, 1, 1, 2, 2, 2]


def test_one_start_of_a_schedule_is_made_by_one_of_two_nodes(
    database: Database, serving: Sql
) -> None:
    Node(serving), Node(serving, worker_id=2)
    serving.insert(state_id="DR", next_start="2020-01-01", shed_clone=True)
    first, second = (Sql(database.connect(autocommit=False)) for _ in range(2))
    for number, session in ((1, first), (2, second)):
        node = Node(session, worker_id=number, lock=False)
        node.epoch = number
        node.sync(free=0)
    first.connection.commit()
    second.connection.commit()
    assert serving.value("SELECT count(*) FROM long_task.task") == 2


@pytest.mark.parametrize("hold", HOLD)
def test_a_report_is_put_off_while_a_person_holds_its_row_and_others_are_not(
    serving: Sql, person: Sql, hold: str
) -> None:
    node = Node(serving)
    held, free = serving.insert(), serving.insert()
    node.claim()
    person.run(hold, held)
    reports = (ended(held, exit_code=3), ended(free))
    assert node.sync(*reports, free=0).again == {held}
    assert (serving.look(held), serving.look(free)) == ("AE", "CS")
    person.connection.commit()
    assert node.sync(reports[0], free=0).again == frozenset()
    expected = ("CC", "task deleted") if hold.startswith("DELETE") else ("CF", "exit code 3")
    assert serving.runs(held, "state_id, error") == [expected]


def test_a_cancel_that_is_not_committed_yet_wins_over_the_report(serving: Sql, person: Sql) -> None:
    node = Node(serving)
    task_id = serving.insert()
    node.claim()
    person.change(task_id, state_id="AC")
    assert node.report(task_id) == [task_id]
    person.connection.commit()
    assert node.report(task_id) == []
    assert serving.look(task_id) == "CC"


@pytest.mark.parametrize("column", ["start_after", "next_start"])
def test_what_is_due_and_held_is_looked_at_again_after_a_pause_and_not_at_once(
    serving: Sql, person: Sql, column: str
) -> None:
    node = Node(serving)
    task_id = serving.insert(state_id="DR")
    serving.force(
        task_id,
        state_id="AD" if column == "start_after" else "CS",
        **{column: "2020-01-01"},
    )
    person.run("UPDATE long_task.task SET name = 'held'")
    answer = node.sync()
    assert (answer.start, answer.wake_in) == ([], PAUSE)
    person.connection.rollback()
    assert node.claim() == [task_id]


def test_stop_code_3_passes_by_a_row_that_a_person_holds(serving: Sql, person: Sql) -> None:
    node = Node(serving)
    held, free = serving.insert(), serving.insert()
    node.claim()
    person.run(HOLD[0], held)
    serving.run("UPDATE long_task.worker SET stop = 3")
    assert node.attend() == [(free, 1, "kill")]
    person.connection.commit()
    assert node.attend() == [(held, 1, "kill"), (free, 1, "kill")]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE long_task.worker SET stop = 1",
        "UPDATE long_task.worker SET stop = 0",
        "INSERT INTO long_task.worker (id, stop) VALUES (1, 3)",
        "DELETE FROM long_task.worker WHERE id = 9",
    ],
)
def test_an_open_transaction_on_the_workers_stops_no_node(
    serving: Sql, person: Sql, statement: str
) -> None:
    node = Node(serving)
    Node(serving, worker_id=9).leave()
    task_id = serving.insert()
    person.run(statement)
    answer = node.sync(lease=LEASE)
    assert (answer.stop, [order.task_id for order in answer.start]) == (0, [task_id])


def test_a_worker_is_given_away_only_when_nobody_holds_a_row_of_its_tasks(
    database: Database, serving: Sql, person: Sql
) -> None:
    node = Node(serving)
    task_id = serving.insert()
    node.claim()
    person.run(HOLD[0], task_id)
    database.clock.advance(LEASE + RECOVERY_DELAY)
    other = Node(serving, lock=False)
    assert other.lock().held_lease is not None
    refused = other.lock()
    assert (refused.epoch, refused.retry_in) == (None, 0.2)
    assert serving.value("SELECT active FROM long_task.worker WHERE id = 1")
    person.connection.commit()
    assert other.lock().epoch == 2
    assert serving.look(task_id, "state_id, error") == ("CF", "Worker failed")


def test_what_the_old_holder_reports_counts_though_a_person_held_the_row(
    database: Database, serving: Sql, person: Sql
) -> None:
    node = Node(serving)
    task_id = serving.insert()
    node.claim()
    person.run(HOLD[0], task_id)
    database.clock.advance(LEASE + RECOVERY_DELAY)
    assert node.lock(ended(task_id, exit_code=3)).epoch is None
    person.connection.commit()
    assert node.lock(ended(task_id, exit_code=3)).epoch == 2
    assert serving.look(task_id, "state_id, error") == ("CF", "exit code 3")


def test_deleting_a_worker_and_taking_it_lock_in_the_same_order(
    database: Database, serving: Sql, person: Sql
) -> None:
    first = Node(serving)
    task_id = serving.insert()
    first.claim()
    # As if its node had left without a word about this task: the one way to have both at once.
    serving.run("UPDATE long_task.worker_lease SET active = false, locked_until = '-infinity'")
    serving.run("SET lock_timeout = 0")
    person.run(HOLD[0], task_id)
    deleting = Sql(database.connect())
    deletes = _meanwhile(
        database, deleting, lambda: deleting.run("DELETE FROM long_task.worker WHERE id = 1")
    )
    second = Node(serving, lock=False)
    locks = _meanwhile(database, serving, second.lock)
    person.connection.commit()
    deletes.join()
    locks.join()
    assert second.epoch is not None
    assert serving.look(task_id, "state_id, running_on") == ("CF", None)
    assert serving.value("SELECT active FROM long_task.worker WHERE id = 1")
    assert second.sync().stop == 0


def test_a_worker_that_a_node_takes_while_it_is_being_deleted_keeps_its_lease(
    database: Database, serving: Sql, person: Sql
) -> None:
    serving.run("INSERT INTO long_task.worker (id, stop) VALUES (1, 1)")
    serving.run("SET lock_timeout = 0")
    person.run("UPDATE long_task.worker SET stop = 0 WHERE id = 1")
    deleting = Sql(database.connect())
    deletes = _meanwhile(
        database, deleting, lambda: deleting.run("DELETE FROM long_task.worker WHERE id = 1")
    )
    # It may have to wait until the worker is deleted, and has it afterwards.
    node = Node(serving, lock=False)
    locks = threading.Thread(target=node.lock)
    locks.start()
    locks.join(PAUSE)
    person.connection.commit()
    deletes.join()
    locks.join()
    task_id = serving.insert()
    assert node.claim() == [task_id]


def test_two_nodes_that_ask_for_a_worker_at_once_do_not_both_get_it(
    database: Database, serving: Sql, person: Sql
) -> None:
    first, second = Node(person, lock=False), Node(serving, lock=False)
    serving.run("SET lock_timeout = 0")
    assert first.lock().epoch == 1
    waiting = _meanwhile(database, serving, second.lock)
    person.connection.commit()
    waiting.join()
    assert second.epoch is None
