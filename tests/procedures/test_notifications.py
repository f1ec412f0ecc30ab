"""Which channel is notified by which statement, and which statements notify nobody."""

import pytest

from tests.procedures.acting import Node, Sql, ended
from tests.servers import Clock, Database, Server


class Ear:
    """Hears what is notified to the channels of some groups and workers, and of schedules.

    It stands as an idle node of each group would.
    """

    def __init__(self, database: Database) -> None:
        self._connection = database.connect()
        with self._connection.cursor() as cursor:
            for number in (0, 1, 5):
                cursor.execute(f"LISTEN long_task_group_{number}; LISTEN long_task_worker_{number}")
                cursor.execute("SET long_task.post = -1")
                cursor.execute("SELECT long_task.take_post(%s)", (number,))
            cursor.execute("LISTEN long_task_schedule")

    def heard(self) -> set[str]:
        """The channels that were notified since the last time."""
        # An answer of the server carries every notification of what was committed before.
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        found = {notice.channel.removeprefix("long_task_") for notice in self._connection.notifies}
        payloads = {notice.payload for notice in self._connection.notifies}
        assert payloads <= {"", "sentries"}
        self._connection.notifies.clear()
        return found


@pytest.fixture
def person(database: Database) -> Sql:
    """A person whose statements are committed."""
    return Sql(database.connect())


@pytest.fixture
def ear(database: Database) -> Ear:
    """It hears what the person does."""
    return Ear(database)


def test_an_insert_wakes_those_who_may_run_it(person: Sql, ear: Ear) -> None:
    person.insert(group_id=5)
    assert ear.heard() == {"group_5"}
    person.insert(worker_id=1, group_id=5)
    assert ear.heard() == {"worker_1"}
    person.insert(start_after="2100-01-01")
    assert ear.heard() == {"group_0"}
    person.run(
        "INSERT INTO long_task.task (state_id, command, group_id, worker_id) VALUES"
        " ('AW', '{a}', 0, null), ('AW', '{a}', 5, null),"
        " ('AW', '{a}', 0, 5), ('DR', '{a}', 1, null)"
    )
    assert ear.heard() == {"group_0", "group_5", "worker_5"}


def test_drafts_and_rows_that_nobody_has_to_do_with_wake_nobody(person: Sql, ear: Ear) -> None:
    task_id = person.insert(state_id="DR")
    person.change(task_id, command=["false"], group_id=5, priority=9, worker_id=1)
    person.insert(state_id="DR", shed_period_id="DAY")
    person.run("INSERT INTO long_task.task (state_id, command) SELECT 'AW', '{a}' WHERE false")
    person.run("DELETE FROM long_task.task WHERE id = %s", task_id)
    assert ear.heard() == set()


def test_queueing_wakes_those_who_may_run_it(person: Sql, ear: Ear) -> None:
    task_id = person.insert(state_id="DR", group_id=5)
    person.change(task_id, state_id="AW")
    assert ear.heard() == {"group_5"}
    person.change(task_id, worker_id=1)
    assert ear.heard() == {"worker_1"}
    person.change(task_id, worker_id=None, group_id=0)
    assert ear.heard() == {"group_0"}
    person.change(task_id, start_after="2100-01-01")
    assert ear.heard() == {"group_0"}
    person.change(task_id, start_after=None)
    assert ear.heard() == {"group_0"}
    person.change(task_id, state_id="AC")
    assert ear.heard() == set()
    person.change(task_id, state_id="AW")
    assert ear.heard() == {"group_0"}


def test_a_schedule_wakes_all_nodes_if_its_start_is_the_first_of_all(person: Sql, ear: Ear) -> None:
    first = person.insert(state_id="DR", next_start="2100-01-01")
    assert ear.heard() == {"schedule"}
    later = person.insert(state_id="DR", next_start="2100-01-02", group_id=5)
    same = person.insert(state_id="DR", next_start="2100-01-01")
    assert ear.heard() == set()
    person.change(later, next_start="2099-01-01")
    assert ear.heard() == {"schedule"}
    person.change(later, shed_enabled=False)
    person.change(first, next_start="2099-06-01", shed_enabled=False)
    assert ear.heard() == set()
    person.change(first, shed_enabled=True)
    assert ear.heard() == {"schedule"}
    person.change(same, priority=3, name="n", group_id=5)
    person.change(first, next_start=None)
    assert ear.heard() == set()
    person.change(same, cron="@hourly")
    assert ear.heard() == {"schedule"}


def test_a_start_that_is_soon_wakes_all_nodes_even_if_another_comes_before(
    person: Sql, ear: Ear
) -> None:
    person.insert(state_id="DR", next_start="2020-01-01")
    ear.heard()
    person.run(
        "INSERT INTO long_task.task (command, next_start) VALUES ('{a}', now() + '30 seconds')"
    )
    assert ear.heard() == {"schedule"}


def test_it_is_decided_at_the_end_of_a_transaction_whether_a_start_is_the_first(
    database: Database, person: Sql, ear: Ear
) -> None:
    first = person.insert(state_id="DR", next_start="2100-01-01", shed_period_id="DAY")
    other = Sql(database.connect(autocommit=False))
    other.insert(state_id="DR", next_start="2100-01-02")
    person.change(first, next_start="2101-01-01")
    ear.heard()
    other.connection.commit()
    assert ear.heard() == {"schedule"}


def test_the_end_that_a_start_has_waited_for_wakes_all_nodes(person: Sql, ear: Ear) -> None:
    task_id = person.insert(next_start="2020-01-01", overlap="queue one")
    person.value("SELECT long_task.fire_schedules(100)")
    assert person.look(task_id, "state_id, shed_waiting") == ("AW", True)
    ear.heard()
    person.change(task_id, state_id="AC")
    assert ear.heard() == {"schedule"}


@pytest.mark.parametrize(
    "change", [{"overlap": "clone"}, {"next_start": "2099-01-01"}, {"shed_clone": True}]
)
def test_a_start_that_need_not_wait_any_more_wakes_all_nodes(
    person: Sql, ear: Ear, change: dict[str, object]
) -> None:
    task_id = person.insert(next_start="2020-01-01", missed="run each")
    person.value("SELECT long_task.fire_schedules(100)")
    assert person.look(task_id, "shed_waiting") is True
    ear.heard()
    person.change(task_id, **change)
    assert ear.heard() == {"schedule"}


def test_a_start_that_has_waited_is_made_without_waking_those_who_cannot_run_it(
    person: Sql, ear: Ear
) -> None:
    task_id = person.insert(
        group_id=5, next_start="2020-01-01", shed_period_id="HOU", missed="run each"
    )
    person.value("SELECT long_task.fire_schedules(100)")
    assert person.look(task_id, "shed_waiting") is True
    person.change(task_id, state_id="AC")
    ear.heard()
    person.value("SELECT long_task.fire_schedules(100)")
    assert person.look(task_id) == "AW"
    assert ear.heard() == {"group_5"}


def test_a_start_that_has_come_wakes_those_who_may_run_it_and_no_others(
    person: Sql, ear: Ear
) -> None:
    task_id = person.insert(group_id=5)
    person.change(task_id, state_id="AC")
    person.change(task_id, next_start="2020-01-01")
    person.insert(group_id=1, state_id="DR", next_start="2020-01-01", shed_clone=True)
    ear.heard()
    person.value("SELECT long_task.fire_schedules(100)")
    assert ear.heard() == {"group_5", "group_1"}


@pytest.mark.parametrize("state", ["AC", "AS", "CS", "CF"])
def test_a_word_to_a_running_task_wakes_the_worker_that_runs_it(
    person: Sql, ear: Ear, state: str
) -> None:
    node = Node(person)
    task_id = person.insert(group_id=0)
    node.claim()
    ear.heard()
    person.change(task_id, state_id=state)
    assert ear.heard() == {"worker_1"}


@pytest.mark.parametrize("statement", ["DELETE FROM long_task.task", "TRUNCATE long_task.task"])
def test_a_running_row_that_is_removed_wakes_the_worker(
    person: Sql, ear: Ear, statement: str
) -> None:
    node = Node(person)
    person.insert()
    node.claim()
    person.insert()
    ear.heard()
    person.run(statement)
    assert ear.heard() == {"worker_1"}


def test_a_stop_code_wakes_the_worker(person: Sql, ear: Ear) -> None:
    person.run("INSERT INTO long_task.worker (id, stop) VALUES (5, 1)")
    assert ear.heard() == {"worker_5"}
    person.run("UPDATE long_task.worker SET stop = 0")
    assert ear.heard() == {"worker_5"}


def test_claims_progress_and_ends_wake_nobody(person: Sql, ear: Ear) -> None:
    node = Node(person)
    task_id = person.insert()
    ear.heard()
    node.claim()
    person.change(task_id, progress=0.5, priority=3)
    node.report(task_id)
    node.sync(lease=30)
    assert ear.heard() == set()


def test_a_retry_and_a_release_wake_the_group(person: Sql, ear: Ear, database: Database) -> None:
    node = Node(person)
    task_id = person.insert(max_attempts=2)
    node.claim()
    ear.heard()
    node.report(task_id, exit_code=1)
    assert ear.heard() == {"group_0"}
    database.clock.advance(11)
    node.sync(free=0)
    assert person.look(task_id) == "AW"
    assert ear.heard() == {"group_0"}


def test_a_task_that_was_held_back_by_its_process_wakes_the_group_when_that_is_gone(
    person: Sql, ear: Ear
) -> None:
    node = Node(person)
    task_id = person.insert()
    node.claim()
    person.change(task_id, state_id="CS")
    person.change(task_id, state_id="AW", worker_id=None)
    ear.heard()
    node.sync(ended(task_id), free=0)
    assert ear.heard() == {"group_0"}


def test_a_node_that_leaves_wakes_those_who_stand_by(person: Sql, ear: Ear) -> None:
    node = Node(person)
    node.leave()
    assert ear.heard() == {"worker_1"}


def test_nobody_hears_of_what_was_rolled_back(server: Server, database: Database, ear: Ear) -> None:
    undone = Sql(database.connect(autocommit=False))
    undone.insert()
    undone.connection.rollback()
    assert ear.heard() == set()


def test_the_clock_of_the_tests_is_the_clock_of_the_schema(database: Database) -> None:
    clock: Clock = database.clock
    clock.set("2031-01-01")
    assert clock.now().year == 2031


def test_a_running_task_that_leaves_its_group_leaves_room_there(person: Sql, ear: Ear) -> None:
    task = person.insert(group_id=5, worker_id=1)
    assert Node(person).claim() == [task]
    ear.heard()
    person.run("UPDATE long_task.task SET group_id = 1 WHERE id = %s", task)
    assert "group_5" in ear.heard()
