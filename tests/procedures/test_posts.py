"""Where idle nodes stand, and who is told of what."""

import re
import time
from statistics import median

import pytest

from tests.procedures.acting import Node, Sql, ended
from tests.servers import Database
from tests.waiting import wait_until

ONE = "INSERT INTO long_task.task (state_id, command) VALUES ('AW', '{a}')"


class Idler:
    """The session of a node of group 0, as a node's own connection is prepared."""

    def __init__(self, database: Database, worker_id: int, slots: int = 1) -> None:
        self.sql = Sql(database.connect())
        self.sql.run("LISTEN long_task_group_0")
        self.sql.value("SELECT set_config('long_task.post', '-1', false)")
        self.node = Node(self.sql, worker_id, slots=slots)

    @property
    def post(self) -> int:
        return int(self.sql.value("SELECT current_setting('long_task.post')"))

    def heard(self) -> list[str]:
        """What was said on the group's channel since the last time."""
        self.sql.value("SELECT 1")
        notices = self.sql.connection.notifies
        said = sorted(notice.payload for notice in notices)
        notices.clear()
        return said


@pytest.fixture
def person(database: Database) -> Sql:
    return Sql(database.connect())


def test_nobody_is_told_of_a_task_while_nobody_is_idle(database: Database, person: Sql) -> None:
    idler = Idler(database, 1)
    person.run(ONE)
    assert idler.heard() == []
    assert idler.node.sync().start, "it had not slept yet"
    person.run(ONE)
    assert idler.heard() == [], "its slot is taken"


def test_idle_nodes_stand_in_a_row_and_the_first_ones_are_told(
    database: Database, person: Sql
) -> None:
    idlers = [Idler(database, number) for number in (1, 2, 3, 4)]
    assert [idler.node.sync().heed for idler in idlers] == ["sentries", "sentries", "2", "3"]
    person.run(ONE)
    assert [idler.heard() for idler in idlers] == [["sentries"]] * 4
    assert idlers[0].node.sync().start
    assert [idler.heard() for idler in idlers[1:]] == [["2"]] * 3, "another one in its place"
    assert idlers[2].node.sync().heed == "sentries"
    assert [idler.post for idler in idlers] == [-1, 1, 0, 3]


def test_one_that_is_full_calls_another_for_what_is_left(database: Database, person: Sql) -> None:
    idlers = [Idler(database, number) for number in (1, 2, 3, 4, 5)]
    for idler in idlers:
        idler.node.sync()
    person.run(ONE)
    person.run(ONE)
    idlers[0].heard()
    assert idlers[0].node.sync().start
    assert idlers[4].heard()[:2] == ["2", "3"]


@pytest.mark.parametrize("end", ["leave", "stop", "lose", "disconnect"])
def test_a_node_that_serves_no_more_has_no_post(database: Database, person: Sql, end: str) -> None:
    idler = Idler(database, 1)
    assert idler.node.sync().heed == "sentries"
    if end == "leave":
        idler.node.leave()
    elif end == "stop":
        person.run("INSERT INTO long_task.worker (id, stop) VALUES (1, 1)")
        assert idler.node.sync().heed is None
    elif end == "lose":
        idler.node.lock()
    else:
        idler.sql.connection.close()
    other = Idler(database, 2)
    assert other.node.sync().heed == "sentries"
    assert other.post == 0


def test_a_session_that_is_not_the_nodes_own_has_no_post(database: Database, person: Sql) -> None:
    node = Node(Sql(database.connect()))
    assert node.sync().heed is None
    idler = Idler(database, 2)
    idler.node.sync()
    assert idler.post == 0


def test_who_has_found_all_posts_taken_finds_one_of_those_that_are_left_in_time(
    database: Database,
) -> None:
    crowd = Sql(database.connect())
    name = "hashtext('long_task.post')"
    taken = f"SELECT pg_advisory_lock({name} + n, 0) FROM generate_series(0, 63) AS n"
    crowd.run(taken)
    idler = Idler(database, 1)
    assert idler.node.sync().heed is None
    crowd.run(f"SELECT pg_advisory_unlock({name} + n, 0) FROM generate_series(32, 63) AS n")
    syncs = 0
    while idler.post < 0:
        assert idler.node.sync(known=[], lease=30).wake_in is None, "it sleeps until its renewal"
        syncs += 1
        assert syncs < 20
    assert idler.post >= 32
    crowd.run(f"SELECT pg_advisory_unlock({name} + 1, 0)")
    assert idler.node.sync(known=[], lease=30).heed == "sentries", "theirs is never passed over"


def test_behind_a_pooler_whoever_listens_is_always_told(database: Database, person: Sql) -> None:
    idler = Idler(database, 1)
    person.run(ONE)
    assert idler.heard() == []
    ear = Sql(database.connect())
    ear.value("SELECT pg_advisory_lock_shared(hashtext('long_task.ear'), 0)")
    person.run(ONE)
    assert idler.heard() == ["sentries"]


def test_nobody_falls_asleep_beside_a_task_that_told_nobody_and_is_not_committed(
    database: Database,
) -> None:
    idler = Idler(database, 1)
    writer = Sql(database.connect())
    # One message, so that the statement looks like a transaction of its own, which is left open.
    writer.run(f"BEGIN; {ONE}")
    waits = [idler.node.sync().wake_in or 0.0 for _ in range(4)]
    assert min(waits) > 0
    assert waits == sorted(waits), "it looks less and less often"
    assert idler.post < 0
    writer.run("COMMIT")
    assert idler.heard() == []
    assert idler.node.sync().start


def test_a_transaction_of_several_statements_tells_whoever_is_idle_when_it_ends(
    database: Database,
) -> None:
    writer = Sql(database.connect())
    writer.run("BEGIN")
    writer.run(ONE)
    idler = Idler(database, 1)
    assert idler.node.sync().heed == "sentries"
    writer.run("COMMIT")
    assert idler.heard() == ["sentries"]


def test_of_many_tasks_all_idle_nodes_are_told(database: Database, person: Sql) -> None:
    idlers = [Idler(database, number) for number in (1, 2, 3)]
    for idler in idlers:
        idler.node.sync()
    person.run(
        ONE.replace("VALUES ('AW', '{a}')", "SELECT 'AW', '{a}' FROM generate_series(1, 99)")
    )
    assert [idler.heard() for idler in idlers] == [[""]] * 3


def calls_of_triggers(person: Sql, statement: str) -> dict[str, int]:
    lines = person.values(f"EXPLAIN (ANALYZE, COSTS OFF) {statement}")
    found = [re.match(r"Trigger (\w+):.* calls=(\d+)", line.strip()) for line in lines]
    return {match[1]: int(match[2]) for match in found if match}


def test_a_plain_row_calls_no_trigger_of_its_own(person: Sql) -> None:
    many = " SELECT 'AW', '{a,b}' FROM generate_series(1, 100)"
    into = "INSERT INTO long_task.task (state_id, command"
    assert calls_of_triggers(person, f"{into}){many}") == {"announce_tasks": 1}
    plain = many.replace("'{a,b}'", "'{a,b}', 3, '10 s', 1, 5, 'x'")
    columns = "priority, retry_delay, max_attempts, group_id, name"
    assert calls_of_triggers(person, f"{into}, {columns}){plain}") == {"announce_tasks": 1}


@pytest.mark.parametrize(
    ("column", "value", "trigger"),
    [
        ("timeout", "'1 s'", "check_task"),
        ("params", "'{}'", "check_task_input"),
        ("missed", "'skip'", "check_task_policy"),
        ("time_zone", "'UTC'", "check_task_schedule"),
        ("start_after", "now()", "enter_task"),
    ],
)
def test_what_a_row_asks_for_is_looked_at_by_one_trigger(
    person: Sql, column: str, value: str, trigger: str
) -> None:
    statement = (
        f"INSERT INTO long_task.task (state_id, command, {column}) VALUES ('AW', '{{a}}', {value})"
    )
    assert calls_of_triggers(person, statement) == {trigger: 1, "announce_tasks": 1}


def test_the_triggers_cost_a_plain_row_little_beside_the_row_itself(person: Sql) -> None:
    """By turns in one run; what is usual is a quarter."""
    times: dict[str, list[float]] = {"origin": [], "replica": []}
    for _ in range(5):
        for role, found in times.items():
            person.run(f"SET session_replication_role = {role}")
            began = time.perf_counter()
            person.run(
                "INSERT INTO long_task.task (state_id, command)"
                " SELECT 'AW', '{a,b}' FROM generate_series(1, 5000)"
            )
            found.append(time.perf_counter() - began)
    assert median(times["origin"]) < 3 * median(times["replica"])


def without_sentries(database: Database, person: Sql, count: int) -> list[Idler]:
    """Idlers at their posts, of whom the first two have died."""
    idlers = [Idler(database, number) for number in range(count)]
    for idler in idlers:
        idler.node.sync()
    pids = [idler.sql.connection.get_backend_pid() for idler in idlers[:2]]
    for idler in idlers[:2]:
        idler.sql.connection.close()
    alive = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY (%s)"
    wait_until(lambda: person.value(alive, pids) == 0, describe="the sentries to be gone")
    return idlers[2:]


def test_when_all_sentries_died_one_behind_them_is_called(database: Database, person: Sql) -> None:
    behind = without_sentries(database, person, 4)
    person.run(ONE)
    assert [idler.heard() for idler in behind] == [["2"], ["2"]]
    assert behind[0].node.sync().start


def test_when_all_sentries_died_a_transaction_calls_one_behind_them_too(
    database: Database, person: Sql
) -> None:
    behind = without_sentries(database, person, 4)
    writer = Sql(database.connect(autocommit=False))
    writer.run("SELECT 1")
    writer.run(ONE)
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = %s"
    assert person.value(locks, writer.connection.get_backend_pid()) == 0, "it holds no post"
    writer.connection.commit()
    assert [idler.heard() for idler in behind] == [["2", "sentries"]] * 2
    assert behind[0].node.sync().start


def test_who_moves_up_before_a_transaction_ends_is_called_by_it(
    database: Database, person: Sql
) -> None:
    (idler,) = without_sentries(database, person, 3)
    writer = Sql(database.connect(autocommit=False))
    writer.value("SELECT 1")
    writer.run(ONE)
    idler.node.sync()
    assert idler.post == 0
    idler.heard()
    writer.connection.commit()
    assert "sentries" in idler.heard()


@pytest.mark.parametrize("statement", ["insert", "update"])
def test_one_statement_may_be_about_more_groups_than_there_are_locks(
    person: Sql, statement: str
) -> None:
    person.run(
        "INSERT INTO long_task.task (state_id, command, group_id)"
        " SELECT %s, '{a}', n FROM generate_series(1, 3000) AS n",
        "AW" if statement == "insert" else "DR",
    )
    if statement == "update":
        person.run("UPDATE long_task.task SET state_id = 'AW'")
    assert person.value("SELECT count(*) FROM long_task.task WHERE state_id = 'AW'") == 3000


def test_of_many_groups_in_one_statement_each_is_told_or_watched(
    database: Database, person: Sql
) -> None:
    """The same as with one, whether its posts are held or not."""
    late = Sql(database.connect())
    late.run("LISTEN long_task_group_3000")
    late.value("SELECT set_config('long_task.post', '-1', false)")
    late.value("SELECT long_task.take_post(3000)")
    person.run(
        "INSERT INTO long_task.task (state_id, command, group_id)"
        " SELECT 'AW', '{a}', n FROM generate_series(1, 3000) AS n"
    )
    late.value("SELECT 1")
    assert [notice.payload for notice in late.connection.notifies] == ["sentries"]


def test_one_behind_the_sentries_asks_seldom_for_a_post_that_somebody_holds(
    database: Database, person: Sql
) -> None:
    behind = without_sentries(database, person, 4)
    writer = Sql(database.connect())
    writer.run(f"BEGIN; {ONE}")
    assert behind[0].node.sync().wake_in == 0.2
    writer.run("COMMIT")
    assert behind[0].heard() == ["2"]
    assert behind[0].node.sync().start


def test_who_has_looked_in_vain_looks_anew_after_it_was_busy(
    database: Database, person: Sql
) -> None:
    idler = Idler(database, 1)
    idler.sql.value("SELECT set_config('long_task.post', '-9', false)")
    person.run(ONE)
    assert idler.node.sync().start
    assert idler.post == -1


def test_the_last_one_of_a_row_is_told_when_all_before_it_have_left(
    database: Database, person: Sql
) -> None:
    idlers = [Idler(database, number) for number in (1, 2, 3, 4)]
    for idler in idlers:
        idler.node.sync()
    for idler in idlers[:3]:
        idler.node.leave()
    assert "3" in idlers[3].heard(), "it is called by those who leave"
    person.run(ONE)
    assert idlers[3].heard() == ["3"]
    assert idlers[3].node.sync().start


def test_one_that_is_full_calls_across_posts_that_were_left(
    database: Database, person: Sql
) -> None:
    idlers = [Idler(database, number) for number in (1, 2, 3, 4)]
    for idler in idlers:
        idler.node.sync()
    for idler in idlers[:2]:
        idler.node.leave()
    assert idlers[2].node.sync().heed == "sentries"
    person.run(ONE)
    person.run(ONE)
    idlers[3].heard()
    assert idlers[2].node.sync().start
    assert idlers[3].heard() == ["3"]


@pytest.mark.parametrize(
    ("doing", "waits"), [("nothing", "off"), ("a claim", "on"), ("a report", "on")]
)
def test_only_a_renewal_of_who_does_nothing_does_not_wait_for_the_disk(
    database: Database, person: Sql, doing: str, waits: str
) -> None:
    idler = Idler(database, 1, slots=2)
    reports = []
    if doing != "nothing":
        person.run(ONE)
    if doing == "a report":
        reports = [ended(order.task_id, order.attempt) for order in idler.node.sync().start]
    idler.sql.run("BEGIN")
    idler.node.sync(*reports, known=[], lease=30)
    assert idler.sql.value("SHOW synchronous_commit") == waits
    idler.sql.run("COMMIT")
    assert idler.sql.value("SHOW synchronous_commit") == "on"


def test_who_gives_tasks_back_waits_for_the_disk(database: Database) -> None:
    idler = Idler(database, 1)
    idler.node.watched = ["another's lease"]
    idler.sql.run("BEGIN")
    idler.node.sync(known=[], lease=30)
    assert idler.sql.value("SHOW synchronous_commit") == "on"


def test_where_only_its_limit_holds_a_group_back_idle_nodes_sleep_and_are_told(
    database: Database, person: Sql
) -> None:
    idlers = [Idler(database, number) for number in (1, 2)]
    person.run("INSERT INTO long_task.group_limit (group_id, max_running) VALUES (0, 0)")
    person.run(ONE)
    person.run(ONE)
    for idler in idlers:
        idler.node.sync()
        assert idler.node.sync().wake_in is None
        idler.heard()
    person.run("UPDATE long_task.group_limit SET max_running = 1")
    assert [idler.heard() for idler in idlers] == [[""], [""]]
    (order,) = idlers[0].node.sync().start
    assert idlers[1].node.sync().wake_in is None
    idlers[0].node.sync(ended(order.task_id, order.attempt), free=0)
    assert idlers[1].heard(), "there is room"
    assert idlers[1].node.sync().start


def test_a_node_looks_after_a_pinned_task_of_a_group_that_it_is_told_nothing_of(
    database: Database, person: Sql
) -> None:
    idler = Idler(database, 1)
    person.run("INSERT INTO long_task.group_limit (group_id, max_running) VALUES (0, 0), (5, 0)")
    person.run(ONE)
    person.insert(group_id=5, worker_id=1)
    idler.node.sync()
    assert idler.node.sync().wake_in == 0.2
