"""What holds when the database is away, restarts, cuts connections or lets the node wait."""

import os
import random
import signal
import socket
from pathlib import Path

import psutil
import psycopg2
import pytest

from tests.node.conftest import StartNode
from tests.node.running_node import QUIET_LEASE, SHORT_LEASE, RunningNode
from tests.node.tasks import Tasks, program, shell
from tests.servers import Database, Server, control
from tests.waiting import wait_until


def start_again(server: Server, tasks: Tasks) -> None:
    server.embedded.start()
    tasks.reconnect()


def end_connections(tasks: Tasks) -> int:
    """Cuts the connection of every node on the tasks' database; how many there were."""
    ended = tasks.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE 'pg_tasks worker%' AND datname = current_database()"
    )
    return len(ended)


def check_witnesses(directory: Path, ids: list[int], tasks: Tasks) -> None:
    """Every attempt began and ended once, one after the other, and is in the history."""
    for task in ids:
        runs = tasks.runs(task)
        assert [run.attempt for run in runs] == list(range(1, tasks.row(task).attempt + 1))
        assert (directory / str(task)).read_text().split("\n")[:-1] == [
            f"{what} {run.attempt}" for run in runs for what in ("begin", "end")
        ]


def test_a_crash_of_the_server_costs_no_task_and_no_end(
    own_server: Server, own_node: RunningNode, own_tasks: Tasks, tmp_path: Path
) -> None:
    ids = own_tasks.add_many([program("witness", tmp_path, 0.05)] * 100)
    wait_until(lambda: len(list(tmp_path.glob("[0-9]*"))) > 20, describe="some to run")
    for _ in range(2):
        control(own_server.embedded, "stop", "-m", "immediate")
        start_again(own_server, own_tasks)
    rows = own_tasks.all_ended()
    assert {row.state_id for row in rows} == {"CS"}
    assert {row.attempt for row in rows} == {1}
    check_witnesses(tmp_path, ids, own_tasks)


def test_a_task_that_ends_while_the_database_is_away_is_reported_later_as_it_was(
    own_server: Server, own_node: RunningNode, own_tasks: Tasks, tmp_path: Path
) -> None:
    task = own_tasks.add(
        shell(
            'while [ ! -e go ]; do sleep 0.02; done; echo told; echo 5 > "$PG_TASKS_RESULT"; exit 7'
        )
    )
    (process,) = wait_until(lambda: [one for one in own_node.tasks() if one.name() == "sh"])
    control(own_server.embedded, "stop", "-m", "immediate")
    own_node.says("event=database_away")
    (own_node.root / "go").touch()
    wait_until(lambda: not process.is_running(), describe="the end of the process")
    start_again(own_server, own_tasks)
    row = own_tasks.ended(task)
    assert (row.state_id, row.exit_code, row.output, row.result) == ("CF", 7, "told\n", 5)
    (started,) = own_tasks.sql("SELECT pg_postmaster_start_time() AS at")
    assert own_tasks.runs(task)[0].finished < started.at


def test_what_was_cancelled_while_the_node_was_cut_off_is_killed_when_it_is_back(
    own_server: Server, own_node: RunningNode, own_tasks: Tasks
) -> None:
    task = own_tasks.add(["sleep", "1000"])
    wait_until(own_node.tasks)
    control(own_server.embedded, "stop", "-m", "immediate")
    start_again(own_server, own_tasks)
    own_tasks.set(task, state_id="AC")
    assert own_tasks.ended(task).state_id == "CC"


@pytest.mark.parametrize("delay", ["0", "0.01 seconds"])
def test_connections_cut_at_random_moments_lose_nothing_and_double_nothing(
    start_node: StartNode, tasks: Tasks, tmp_path: Path, delay: str
) -> None:
    start_node(1, 0, 8)
    seconds = [0.0, 0.01, 0.03]
    ids = tasks.add_many(
        [program("witness", tmp_path, seconds[n % 3], n % 2) for n in range(80)],
        max_attempts=3,
        retry_delay=delay,
    )
    moments = random.Random(delay)

    def cut_and_look() -> bool:
        if moments.random() < 0.3:
            end_connections(tasks)
        return not tasks.sql(
            "SELECT 1 FROM long_task.task"
            " WHERE state_id LIKE 'A%' OR running_on IS NOT NULL LIMIT 1"
        )

    wait_until(cut_and_look, describe="every task to end", limit=120)
    rows = tasks.all_ended()
    assert [(row.state_id, row.attempt) for row in rows] == [("CS", 1), ("CF", 3)] * 40
    check_witnesses(tmp_path, ids, tasks)


def test_a_row_that_somebody_holds_locked_stalls_nobody_else(
    node: RunningNode, tasks: Tasks, database: Database
) -> None:
    running = tasks.add(shell("while [ ! -e go ]; do sleep 0.02; done; exit 3"))
    tasks.in_state(running, "AE")
    waiting = tasks.add(["true"], state_id="DR", priority=-1)
    with database.connect(autocommit=False) as person, person.cursor() as cursor:
        cursor.execute("UPDATE long_task.task SET state_id = 'AW' WHERE id = %s", (waiting,))
        cursor.execute("SELECT FROM long_task.task WHERE id = %s FOR UPDATE", (running,))
        (node.root / "go").touch()
        wait_until(lambda: not node.tasks(), describe="the end of the process")
        for other in tasks.add_many([["true"]] * 20):
            assert tasks.ended(other).state_id == "CS"
        assert tasks.row(running).state_id == "AE"
    assert tasks.ended(running).exit_code == 3
    assert tasks.ended(waiting).state_id == "CS"


def test_a_task_that_was_locked_when_a_slot_was_free_is_started_in_the_end(
    start_node: StartNode, tasks: Tasks, database: Database
) -> None:
    start_node(lease_renewal=0.3)
    with database.connect(autocommit=False) as person, person.cursor() as cursor:
        cursor.execute(
            "INSERT INTO long_task.task (state_id, command) VALUES ('DR', '{true}') RETURNING id"
        )
        (task,) = cursor.fetchone() or (0,)
        person.commit()
        cursor.execute("SELECT FROM long_task.task WHERE id = %s FOR UPDATE", (task,))
        person.commit()
        tasks.set(task, state_id="AW")
        cursor.execute("SELECT FROM long_task.task WHERE id = %s FOR UPDATE", (task,))
    assert tasks.ended(task).state_id == "CS"


def test_a_delayed_task_that_somebody_holds_locked_keeps_no_node_busy(
    start_node: StartNode, tasks: Tasks, database: Database
) -> None:
    node = start_node(**QUIET_LEASE)
    count_looks(tasks)
    (soon,) = tasks.sql("SELECT long_task.clock() + interval '0.2 seconds' AS at")
    task = tasks.add(["true"], start_after=soon.at)
    with database.connect(autocommit=False) as person, person.cursor() as cursor:
        cursor.execute("SELECT FROM long_task.task WHERE id = %s FOR UPDATE", (task,))
        wait_until(lambda: tasks.sql("SELECT long_task.clock() > %s AS due", soon.at)[0].due)
        before = looks(tasks)
        tasks.sql("SELECT pg_sleep(1)")
        # Five calls, of a few looks each; a node that did not pause would come to hundreds.
        assert looks(tasks) - before < 60
        assert node.process.poll() is None
    assert tasks.ended(task).state_id == "CS"


def count_looks(tasks: Tasks) -> None:
    """From now on whoever asks for the time is counted: every call of a node does."""
    tasks.sql("CREATE SEQUENCE public.looks")
    tasks.sql("GRANT ALL ON SEQUENCE public.looks TO PUBLIC")
    tasks.sql(
        "CREATE OR REPLACE FUNCTION long_task.clock() RETURNS timestamptz LANGUAGE sql AS"
        " 'SELECT clock_timestamp() FROM nextval(''public.looks'')'"
    )


def looks(tasks: Tasks) -> int:
    (counted,) = tasks.sql("SELECT last_value AS count FROM public.looks")
    return int(counted.count)


def test_without_any_notification_tasks_are_found_at_the_next_call(
    start_node: StartNode, tasks: Tasks
) -> None:
    node = start_node(lease_renewal=0.2)
    tasks.sql(
        "CREATE OR REPLACE FUNCTION long_task.announce(p_group_id integer, p_worker_id integer)"
        " RETURNS void LANGUAGE sql AS ''"
    )
    assert tasks.ended(tasks.add(["true"])).state_id == "CS"
    task = tasks.add(["sleep", "1000"])
    wait_until(node.tasks)
    tasks.set(task, state_id="AC")
    assert tasks.ended(task).state_id == "CC"


def test_notifications_without_a_reason_do_no_harm(node: RunningNode, tasks: Tasks) -> None:
    task = tasks.add(shell("sleep 0.3; echo once"))
    for number in range(500):
        channel = "long_task_group_0" if number % 2 else "long_task_worker_1"
        tasks.sql("SELECT pg_notify(%s, %s)", channel, f"nothing {number}")
    row = tasks.ended(task)
    assert (row.state_id, row.attempt, row.output) == ("CS", 1, "once\n")
    assert tasks.ended(tasks.add(["true"])).state_id == "CS"


def test_a_node_that_lost_its_connection_listens_again(start_node: StartNode, tasks: Tasks) -> None:
    node = start_node(**QUIET_LEASE)
    for count in range(1, 4):
        assert end_connections(tasks) == 1
        wait_until(lambda: node.log().count("event=database_away"), lambda seen: seen >= count)  # noqa: B023
        assert tasks.ended(tasks.add(["true"])).state_id == "CS"


def test_an_idle_node_asks_nothing(start_node: StartNode, tasks: Tasks) -> None:
    start_node(**QUIET_LEASE)
    tasks.ended(tasks.add(["true"]))
    count_looks(tasks)
    tasks.ended(tasks.add(["true"]))
    before = looks(tasks)
    tasks.sql("SELECT pg_sleep(1)")
    assert looks(tasks) == before


def test_a_connection_that_a_person_holds_up_is_given_up_and_made_again(
    start_node: StartNode, tasks: Tasks, database: Database
) -> None:
    node = start_node(call_timeout=1)
    with database.connect(autocommit=False) as person, person.cursor() as cursor:
        cursor.execute("LOCK TABLE long_task.task IN ACCESS EXCLUSIVE MODE")
        cursor.execute("SELECT pg_notify('long_task_group_0', '')")
        cursor.execute("NOTIFY long_task_group_0")
        with psycopg2.connect(database.dsn) as other, other.cursor() as second:
            second.execute("NOTIFY long_task_group_0")
        node.says("event=database_away")
    assert tasks.ended(tasks.add(["true"])).state_id == "CS"


def test_a_table_that_is_locked_for_longer_than_a_lease_costs_no_process(
    start_node: StartNode, tasks: Tasks, database: Database
) -> None:
    node = start_node(**SHORT_LEASE)
    task = tasks.add(["sleep", "1000"])
    (process,) = wait_until(node.tasks)
    with database.connect(autocommit=False) as person, person.cursor() as cursor:
        cursor.execute("LOCK TABLE long_task.task IN ACCESS EXCLUSIVE MODE")
        renewed = "SELECT locked_until FROM long_task.worker_lease"
        (first,) = tasks.sql(renewed)
        for _ in range(3):
            before = tasks.sql(renewed)[0].locked_until
            wait_until(lambda: tasks.sql(renewed)[0].locked_until > before)  # noqa: B023
        wait_until(
            lambda: tasks.sql("SELECT clock_timestamp() > %s AS over", first.locked_until)[0].over
        )
    assert process.is_running()
    tasks.set(task, state_id="AC")
    assert tasks.ended(task).state_id == "CC"
    assert "event=lease_lost" not in node.log()


def names(node: RunningNode) -> list[str]:
    """Of its tasks' processes; none if one of them has ended in between."""
    try:
        return [one.name() for one in node.tasks()]
    except psutil.NoSuchProcess:
        return []


def test_a_call_that_arrives_when_the_node_has_connected_again_does_nothing(
    start_node: StartNode, tasks: Tasks, database: Database
) -> None:
    node = start_node(1, 0, 2, call_timeout=1)
    tasks.add_many([shell("while [ ! -e go ]; do sleep 0.02; done")] * 2)
    tasks.add_many([["sleep", "1000"]] * 4)
    wait_until(lambda: "sh" in names(node))
    # Idle, so that it is stopped with no lock held, and with nothing to tell a client that is gone.
    (backend,) = wait_until(
        lambda: tasks.sql(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'pg_tasks worker%'"
            " AND datname = current_database() AND state = 'idle'"
            " AND state_change < clock_timestamp() - interval '0.2 s'"
        )
    )
    os.kill(backend.pid, signal.SIGSTOP)
    try:
        (node.root / "go").touch()
        node.says("event=database_away")
        wait_until(lambda: names(node) == ["sleep"] * 2)
    finally:
        os.kill(backend.pid, signal.SIGCONT)
    wait_until(
        lambda: not tasks.sql("SELECT FROM pg_stat_activity WHERE pid = %s", backend.pid),
        describe="what was left behind to be read",
    )
    states = "SELECT state_id, count(*) FROM long_task.task GROUP BY 1 ORDER BY 1"
    assert tasks.sql(states) == [("AE", 2), ("AW", 2), ("CS", 2)]


def test_a_node_that_finds_rows_of_its_worker_locked_waits_for_them_instead_of_giving_up(
    launch: StartNode, tasks: Tasks, database: Database
) -> None:
    first = launch(**SHORT_LEASE).serves()
    task = tasks.add(["sleep", "1000"])
    wait_until(first.tasks)
    first.signal(signal.SIGKILL)
    with database.connect(autocommit=False) as person, person.cursor() as cursor:
        cursor.execute("SELECT 1 FROM long_task.task WHERE id = %s FOR UPDATE", (task,))
        second = launch(**SHORT_LEASE, call_timeout=1)
        second.says("somebody's open transaction")
    second.serves()
    assert tasks.ended(task).error == "Worker failed"


def test_a_host_that_says_nothing_does_not_keep_a_node_from_the_next_one(
    launch: StartNode, tasks: Tasks, database: Database
) -> None:
    place = psycopg2.extensions.parse_dsn(database.dsn)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dsn = psycopg2.extensions.make_dsn(
            database.dsn,
            host=f"127.0.0.1,{place['host']}",
            port=f"{silent.getsockname()[1]},{place['port']}",
        )
        launch(dsn=dsn, connect_timeout=1).serves()
        assert tasks.ended(tasks.add(["true"])).state_id == "CS"


def test_a_trigger_that_calls_what_is_not_there_ends_no_node(
    start_node: StartNode, tasks: Tasks
) -> None:
    node = start_node(slots=2)
    running = tasks.add(["sleep", "2"])
    wait_until(lambda: tasks.row(running).state_id == "AE", describe="it runs")
    tasks.sql(
        "CREATE FUNCTION public.audit() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN PERFORM public.no_such_function(); RETURN NULL; END'"
    )
    tasks.sql("CREATE TRIGGER audit AFTER UPDATE ON long_task.task EXECUTE FUNCTION public.audit()")
    later = tasks.add(["true"])
    wait_until(lambda: "event=call_refused" in node.log(), describe="it is refused")
    tasks.sql("DROP TRIGGER audit ON long_task.task")
    assert tasks.ended(later).state_id == "CS"
    assert tasks.ended(running).state_id == "CS"
