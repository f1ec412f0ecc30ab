"""What the doctor finds about servers that can be made ill; then its advice is taken."""

import re
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
import pytest
from psycopg2.extensions import make_dsn, parse_dsn

from pg_tasks.install.embedded import EmbeddedServer
from pg_tasks.install.postgres_programs import programs_for
from tests.procedures.acting import Sql
from tests.procedures.complaints import about, ask, only, wait_for
from tests.servers import UNIX_ONLY, Database, Server, control
from tests.waiting import wait_until

FRAIL = {
    **UNIX_ONLY,
    "fsync": "on",
    "full_page_writes": "on",
    # What autovacuum would mend by itself, the tests want to see.
    "autovacuum_naptime": "1d",
    "autovacuum_freeze_max_age": "100000",
    "max_connections": "30",
    "max_prepared_transactions": "5",
    "max_replication_slots": "5",
    "shared_buffers": "1MB",
    "wal_level": "replica",
    "hot_standby_feedback": "on",
    "wal_receiver_status_interval": "1s",
}
BURNT = 170_000
"""Transaction numbers: more than a slot may hold back, and than half as much as FRAIL says."""


@pytest.fixture(scope="module")
def frail(server: Server) -> Iterator[Server]:
    """A server of the same version to which anything may be done; as durable as it should be."""
    with closing(psycopg2.connect(server.dsn_of("postgres"))) as connection:
        newer = connection.server_version >= 170000
    queue = {"max_notify_queue_pages": "64"} if newer else {}
    made = Server(server.embedded.bin_dir, {**FRAIL, **queue})
    yield made
    made.close()


@pytest.fixture
def ill(frail: Server) -> Iterator[Database]:
    """A database on it."""
    made = frail.create_database()
    yield made
    made.close()
    frail.drop(made.name)


@pytest.fixture
def patient(ill: Database) -> Sql:
    """Its owner."""
    return Sql(ill.connect())


@pytest.fixture
def other(ill: Database) -> Sql:
    """Somebody else with an open transaction."""
    return Sql(ill.connect(autocommit=False))


def take(sql: Sql, advice: str) -> None:
    """Does what a finding says, statement by statement."""
    for statement in advice.split("; "):
        sql.run(statement)


def burn(sql: Sql, count: int) -> None:
    """Uses up so many transaction numbers: each block that is left by an error takes one."""
    sql.run("CREATE TABLE IF NOT EXISTS public.burnt ()")
    sql.run(
        f"""
        DO $$ BEGIN
          FOR i IN 1 .. {count} LOOP
            BEGIN
              INSERT INTO public.burnt DEFAULT VALUES;
              RAISE SQLSTATE 'BURNT';
            EXCEPTION WHEN SQLSTATE 'BURNT' THEN NULL;
            END;
          END LOOP;
        END $$
        """
    )


def test_a_server_on_which_all_is_well(patient: Sql) -> None:
    patient.rows("SELECT pg_stat_reset_shared('bgwriter')")
    if patient.connection.server_version >= 170000:
        patient.rows("SELECT pg_stat_reset_shared('checkpointer')")
    assert wait_until(lambda: ask(patient), lambda found: not found) == []


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        ("fsync", "off", "not_durable"),
        ("full_page_writes", "off", "not_durable"),
        ("synchronous_commit", "off", "not_durable"),
        ("autovacuum", "off", "autovacuum_off"),
        ("track_counts", "off", "autovacuum_off"),
    ],
)
def test_a_setting_that_does_harm(patient: Sql, setting: str, value: str, code: str) -> None:
    take(patient, f"ALTER SYSTEM SET {setting} = {value}; SELECT pg_reload_conf()")
    (finding,) = wait_for(patient, code)
    assert (finding.severity, finding.subject) == ("problem", "server")
    assert finding.found.startswith(f"{setting} is off")
    take(patient, finding.advice.partition(". ")[0])
    wait_for(patient, code, there=False)
    take(patient, f"ALTER SYSTEM RESET {setting}; SELECT pg_reload_conf()")


def test_a_role_that_does_not_wait_for_its_commits(patient: Sql) -> None:
    patient.run("CREATE ROLE hasty LOGIN")
    patient.run("ALTER ROLE hasty SET synchronous_commit = off")
    finding = only(patient, "not_durable")
    assert (finding.severity, finding.subject) == ("problem", "role hasty")
    take(patient, finding.advice)
    assert about(patient, "not_durable") == []
    name = patient.value("SELECT current_database()")
    patient.run(f"ALTER ROLE hasty IN DATABASE {name} SET synchronous_commit = off")
    take(patient, only(patient, "not_durable").advice)
    assert about(patient, "not_durable") == []
    patient.run("DROP ROLE hasty")


def test_transactions_that_do_not_see_what_they_have_to(ill: Database, patient: Sql) -> None:
    patient.run(f"ALTER DATABASE {ill.name} SET default_transaction_isolation = 'repeatable read'")
    newcomer = Sql(ill.connect())
    finding = only(newcomer, "isolation_level")
    assert finding.severity == "warning"
    take(newcomer, finding.advice)
    assert about(Sql(ill.connect()), "isolation_level") == []


def test_a_snapshot_that_is_held_for_long(ill: Database, patient: Sql, other: Sql) -> None:
    clock = ill.clock
    other.run("SET application_name = 'report'")
    other.connection.commit()
    other.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    other.rows("SELECT count(*) FROM long_task.task")
    assert about(patient, "snapshot_held") == []
    clock.advance(600)
    finding = only(patient, "snapshot_held")
    assert finding.severity == "warning"
    assert "application report has been open since" in finding.found
    assert "state idle in transaction" in finding.found
    clock.advance(7200)
    assert only(patient, "snapshot_held").severity == "problem"
    (call,) = re.findall(r"SELECT pg_terminate_backend\(\d+\)", finding.advice)
    patient.rows(call)
    wait_for(patient, "snapshot_held", there=False)


def test_a_transaction_that_is_forgotten(ill: Database, patient: Sql, other: Sql) -> None:
    other.rows("SELECT count(*) FROM long_task.task")
    ill.clock.advance(600)
    finding = only(patient, "idle_in_transaction")
    assert finding.severity == "warning"
    other.connection.rollback()
    assert about(patient, "idle_in_transaction") == []


def test_a_reader_is_told_what_is_hidden_from_him(ill: Database, patient: Sql, other: Sql) -> None:
    patient.run("CREATE ROLE bob LOGIN IN ROLE long_task_reader")
    bob = Sql(ill.connect(user="bob"))
    note = only(bob, "sessions_hidden")
    assert (note.severity, note.subject) == ("note", "bob")
    # That of the other alone: so many numbers wake autovacuum, whose clock is the real one.
    held = "snapshot_held", f"pid {other.connection.get_backend_pid()}"
    other.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    other.rows("SELECT count(*) FROM long_task.task")
    ill.clock.advance(7200)
    assert about(bob, *held) == []
    burn(patient, BURNT)
    assert "since when is hidden from bob" in only(bob, *held).found
    assert "has been open since" in only(patient, *held).found
    patient.run(note.advice.partition(",")[0])
    assert about(bob, "sessions_hidden") == []
    assert "has been open since" in only(bob, *held).found
    other.connection.rollback()
    assert about(bob, *held) == []
    bob.connection.close()
    patient.run("DROP ROLE bob")


def test_a_transaction_that_is_prepared_and_not_ended(
    ill: Database, patient: Sql, other: Sql
) -> None:
    other.insert(state_id="DR")
    other.run("PREPARE TRANSACTION 'left behind'")
    assert about(patient, "transaction_prepared") == []
    ill.clock.advance(600)
    finding = only(patient, "transaction_prepared")
    assert (finding.severity, finding.subject) == ("warning", "prepared transaction left behind")
    take(patient, finding.advice.rpartition("or ")[2].rstrip("."))
    assert about(patient, "transaction_prepared") == []


@pytest.mark.any_version
def test_a_standby_that_holds_a_snapshot_by_itself_and_through_its_slot(
    frail: Server, ill: Database, patient: Sql
) -> None:
    patient.rows("SELECT pg_create_physical_replication_slot('seat')")
    with _read_on_standby(frail, ill, "--slot=seat"):
        burn(patient, BURNT)
        slot = wait_for(patient, "slot_holds_snapshot")[0]
        assert (slot.severity, slot.subject) == ("warning", "replication slot seat")
    active = "SELECT active FROM pg_replication_slots"
    wait_until(lambda: patient.value(active), lambda used: not used)
    slot = only(patient, "slot_holds_snapshot")
    assert slot.severity == "problem"
    take(patient, slot.advice.partition(": ")[2])
    assert about(patient, "slot_holds_snapshot") == []
    with _read_on_standby(frail, ill) as reading:
        burn(patient, BURNT)
        standby = wait_for(patient, "standby_holds_snapshot")[0]
        assert standby.severity == "warning"
        reading.connection.rollback()
        wait_for(patient, "standby_holds_snapshot", there=False)


def test_dead_rows_that_nobody_clears_away(patient: Sql) -> None:
    with patient.without_triggers():
        patient.run(
            "INSERT INTO long_task.task (command) SELECT '{true}' FROM generate_series(1, 15000)"
        )
        patient.run("DELETE FROM long_task.task")
    patient.rows("SELECT pg_stat_force_next_flush()")
    (finding,) = wait_for(patient, "vacuum_behind")
    assert (finding.severity, finding.subject) == ("warning", "table task")
    assert finding.found.startswith("15000 dead rows")
    take(patient, finding.advice.partition(". ")[0])
    wait_for(patient, "vacuum_behind", there=False)


def test_dead_rows_of_history_are_those_of_a_partition(patient: Sql) -> None:
    _write_history(patient, 15_000)
    patient.run("DELETE FROM long_task.task_run")
    patient.rows("SELECT pg_stat_force_next_flush()")
    (finding,) = wait_for(patient, "vacuum_behind")
    today = patient.value("SELECT current_date::text")
    assert finding.subject == f"table task_run_0 (history from {today} until now)"
    take(patient, finding.advice.partition(". ")[0])
    wait_for(patient, "vacuum_behind", there=False)


def test_statistics_that_are_of_another_table(patient: Sql) -> None:
    patient.run(
        "INSERT INTO long_task.worker_event (kind, worker_id, epoch)"
        " SELECT 'left', 1, 1 FROM generate_series(1, 110000)"
    )
    patient.rows("SELECT pg_stat_force_next_flush()")
    (finding,) = wait_for(patient, "statistics_old")
    assert (finding.severity, finding.subject) == ("warning", "table worker_event")
    take(patient, finding.advice)
    wait_for(patient, "statistics_old", there=False)


def test_a_table_that_autovacuum_leaves_out(patient: Sql) -> None:
    patient.run("ALTER TABLE long_task.task SET (autovacuum_enabled = false)")
    finding = only(patient, "autovacuum_off")
    assert (finding.severity, finding.subject) == ("warning", "table task")
    take(patient, finding.advice)
    assert about(patient, "autovacuum_off") == []


def test_transaction_numbers_that_run_out(ill: Database, patient: Sql, other: Sql) -> None:
    other.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    other.rows("SELECT 1")
    burn(patient, BURNT)
    finding = only(patient, "wraparound_near")
    assert (finding.severity, finding.subject) == ("warning", f"database {ill.name}")
    other.connection.rollback()
    patient.run("VACUUM (FREEZE)")
    wait_for(patient, "wraparound_near", there=False)


def test_an_index_that_is_mostly_empty(patient: Sql) -> None:
    """A megabyte stands for 32."""
    source = patient.value("SELECT pg_get_functiondef('long_task.doctor_indexes()'::regprocedure)")
    assert source.count("32 * 1024 * 1024") == 1
    patient.run(source.replace("32 * 1024 * 1024", "1024 * 1024"))
    with patient.without_triggers():
        patient.run(
            "INSERT INTO long_task.task (state_id, wants_key, concurrency_key)"
            " SELECT 'AB', true, string_agg(md5(n || '-' || part), '')"
            " FROM generate_series(1, 4000) AS n, generate_series(1, 15) AS part GROUP BY n"
        )
        patient.run("VACUUM ANALYZE long_task.task")
        assert about(patient, "index_bloated") == []
        patient.run("DELETE FROM long_task.task WHERE id % 20 > 0")
    # What is counted after an ANALYZE would be taken for changes since then.
    patient.rows("SELECT pg_stat_force_next_flush()")
    patient.run("VACUUM ANALYZE long_task.task")
    (finding,) = wait_for(patient, "index_bloated")
    assert (finding.severity, finding.subject) == ("warning", "index task_key_wanted")
    take(patient, finding.advice)
    assert about(patient, "index_bloated") == []


def test_an_index_that_was_not_finished(patient: Sql) -> None:
    patient.run(
        "INSERT INTO long_task.worker_event (kind, worker_id, epoch)"
        " SELECT 'left', 1, 1 FROM generate_series(1, 2)"
    )
    patient.refusal("CREATE UNIQUE INDEX CONCURRENTLY mine ON long_task.worker_event (kind)")
    finding = only(patient, "index_invalid")
    assert (finding.severity, finding.subject) == ("warning", "index mine")
    take(patient, finding.advice.partition(",")[0])
    assert about(patient, "index_invalid") == []


def test_an_index_of_history_that_was_not_finished(patient: Sql) -> None:
    _write_history(patient, 2)
    patient.refusal("CREATE UNIQUE INDEX CONCURRENTLY mine ON long_task.task_run_0 (attempt)")
    # That of the whole is invalid until each partition has one.
    patient.run("CREATE INDEX ours ON ONLY long_task.task_run (attempt)")
    finding = only(patient, "index_invalid")
    assert finding.subject.startswith("index mine (history from ")
    take(patient, finding.advice.partition(",")[0])
    assert about(patient, "index_invalid") == []


def test_connections_of_which_there_are_few(ill: Database, patient: Sql) -> None:
    assert about(patient, "connections_few") == []
    taken = [ill.connect() for _ in range(22)]
    assert [finding.severity for finding in wait_for(patient, "connections_few")] == ["warning"]
    taken += [ill.connect() for _ in range(4)]
    assert only(patient, "connections_few").severity == "problem"
    for connection in taken:
        connection.close()
    wait_for(patient, "connections_few", there=False)


def test_memory_that_is_small_beside_the_tables(frail: Server, ill: Database) -> None:
    sql = Sql(ill.connect())
    with sql.without_triggers():
        sql.run(
            "INSERT INTO long_task.task (command) SELECT '{true}' FROM generate_series(1, 20000)"
        )
    assert only(sql, "shared_buffers_small").severity == "warning"
    sql.run("ALTER SYSTEM SET shared_buffers = '256MB'")
    control(frail.embedded, "restart")
    sql = Sql(ill.connect())
    assert about(sql, "shared_buffers_small") == []
    sql.run("ALTER SYSTEM RESET shared_buffers")
    control(frail.embedded, "restart")


def test_checkpoints_that_come_too_often(patient: Sql) -> None:
    for _ in range(11):
        patient.run("CHECKPOINT")
    (finding,) = wait_for(patient, "checkpoints_often")
    assert finding.severity == "warning"
    take(patient, finding.advice)
    wait_for(patient, "checkpoints_often", there=False)


def test_notifications_that_pile_up(ill: Database, patient: Sql, other: Sql) -> None:
    if patient.connection.server_version < 170000:
        pytest.skip("the queue is of 8 GiB, and cannot be made smaller")
    other.run("LISTEN something")
    other.connection.commit()
    other.rows("SELECT 1")
    for _ in range(8):
        patient.rows(
            "SELECT pg_notify('something', n || repeat('x', 7900)) FROM generate_series(1, 5) n"
        )
    finding = only(patient, "notifications_pile_up")
    assert finding.severity == "problem"
    pid = other.connection.get_backend_pid()
    patient.rows("SELECT pg_terminate_backend(%s)", pid)
    wait_for(patient, "notifications_pile_up", there=False)


def _write_history(sql: Sql, count: int) -> None:
    sql.run(
        "INSERT INTO long_task.task_run (task_id, attempt, group_id, worker_id, started, finished,"
        " state_id, started_by, part) SELECT n, 1, 0, 1, now(), now(), 'CS', '', 0"
        " FROM generate_series(1, %s) AS n", count,
    )  # fmt: skip


@contextmanager
def _read_on_standby(primary: Server, database: Database, *options: str) -> Iterator[Sql]:
    """Somebody with a snapshot on a standby; it is stopped and removed in the end."""
    bin_dir, directory = primary.embedded.bin_dir, primary.directory / "standby"
    directory.mkdir()
    programs = programs_for(bin_dir, directory)
    programs.give(directory)
    place = parse_dsn(primary.embedded.dsn)
    programs.run(
        "pg_basebackup",
        *(f"--host={place['host']}", f"--port={place['port']}", f"--username={place['user']}"),
        *(f"--pgdata={directory / 'postgresql'}", "--write-recovery-conf", "--checkpoint=fast"),
        *options,
    )
    standby = EmbeddedServer(directory, bin_dir, settings=FRAIL)
    standby.start()
    reading = psycopg2.connect(make_dsn(standby.dsn, dbname=database.name))
    try:
        reading.set_session("REPEATABLE READ")
        sql = Sql(reading)
        assert sql.value("SELECT count(*) FROM long_task.task") == 0
        yield sql
    finally:
        # Before the snapshot is let go, which it would tell the primary.
        standby.stop()
        reading.close()
        shutil.rmtree(directory)
