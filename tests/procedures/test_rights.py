"""What a login role that has been granted one of the three roles can do, and what it cannot."""

import pytest

from tests.procedures.acting import Node, Sql

USER, READER, NODE = "long_task_user", "long_task_reader", "long_task_node"
DENIED = "42501"
READABLE = {
    "task", "task_state", "task_run", "worker_lease", "worker_stop", "worker", "worker_status",
    "group_status", "waiting", "running", "failed", "scheduled", "worker_standby", "worker_event",
    "task_dependency", "concurrency_limit", "group_limit", "workflow", "workflow_step",
    "workflow_edge", "workflow_run", "workflow_status", "workflow_step_status", "unsettled_task",
    "unsettled_key", "unsettled_workflow", "task_run_part", "retention", "history_retention",
    "task_archive", "task_kept", "maintenance",
}  # fmt: skip
WRITABLE = {
    "name", "state_id", "priority", "group_id", "worker_id", "command", "params", "env", "stdin",
    "cwd", "start_after", "timeout", "kill_grace", "max_attempts", "retry_delay", "next_start",
    "shed_period_id", "shed_period_count", "shed_clone", "shed_parent_id", "shed_enabled", "cron",
    "time_zone", "missed", "missed_after", "overlap", "jitter", "until", "concurrency_key",
    "needs", "unmet", "workflow",
}  # fmt: skip
WRITTEN_BY_TASKS = {"progress", "result", "error"}
CALLABLE = {
    READER: {
        "clock", "schema_version", "why", "why_waiting", "why_blocked", "refuse",
        "schedule_preview",
        "schedule_time_after", "next_start_after", "cron_time_after", "cron_local_after",
        "cron_days", "schedule_of", "next_starts", "preview_from", "parse_cron", "parse_cron_field",
        "wall_clock_time", "is_time_zone", "is_met", "needs_verdict", "why_unmet",
        "check_edge", "workflow_recovery_point", "assert_run", "workflow_graph", "quote_label",
        "doctor", "doctor_blocked", "doctor_indexes", "doctor_notifications", "doctor_overdue",
        "doctor_processes", "doctor_queues", "doctor_retention", "doctor_server", "doctor_sessions",
        "doctor_settings", "doctor_snapshots", "doctor_vacuum", "doctor_workers", "waiting_queues",
        "counted", "table_option", "lease_over_at", "history_label", "history_rows",
    },
    NODE: {"schema_version", "lock_worker", "renew_lease", "sync", "leave_worker", "maintain_step"},
}  # fmt: skip
CALLABLE[USER] = CALLABLE[READER] | {
    "announce", "announce_ready", "first_at_post", "sentries", "assert_attempt", "run_now",
    "new_workflow_version", "start_workflow", "resume_workflow", "cancel_workflow", "skip_task",
    "maintain", "maintain_step",
}  # fmt: skip


@pytest.fixture(params=[USER, READER, NODE])
def role(request: pytest.FixtureRequest, sql: Sql) -> str:
    """One of the roles, in the hands of a login role that has nothing else."""
    name = str(request.param)
    sql.run(f"CREATE ROLE somebody LOGIN IN ROLE {name}")
    return name


def _as_somebody(sql: Sql, role: str = "somebody") -> None:
    sql.run(f"SET LOCAL SESSION AUTHORIZATION {role}")


def _as_user(sql: Sql) -> None:
    sql.run(f"CREATE ROLE ann LOGIN IN ROLE {USER}")
    _as_somebody(sql, "ann")


def _relations(sql: Sql, privilege: str) -> set[str]:
    return set(
        sql.values(
            "SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'long_task'::regnamespace"
            " AND c.relkind IN ('r', 'p', 'v') AND has_table_privilege('somebody', c.oid, %s)",
            privilege,
        )
    )


def test_a_role_reads_what_it_is_granted_and_nothing_else(sql: Sql, role: str) -> None:
    assert _relations(sql, "SELECT") == (set() if role == NODE else READABLE)


@pytest.mark.parametrize("privilege", ["INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER"])
def test_a_role_writes_whole_rows_of_what_it_is_granted_and_of_nothing_else(
    sql: Sql, role: str, privilege: str
) -> None:
    whole = {
        "worker", "concurrency_limit", "group_limit", "workflow_step", "workflow_edge", "retention",
    }  # fmt: skip
    deletable = whole | {"task", "task_dependency", "workflow"}
    granted = {"INSERT": whole, "UPDATE": whole, "DELETE": deletable}
    expected = granted.get(privilege, set()) if role == USER else set()
    assert _relations(sql, privilege) == expected


@pytest.mark.parametrize(
    ("privilege", "columns"), [("INSERT", WRITABLE), ("UPDATE", WRITABLE | WRITTEN_BY_TASKS)]
)
def test_a_user_writes_the_columns_that_are_a_persons_and_no_others(
    sql: Sql, role: str, privilege: str, columns: set[str]
) -> None:
    found = sql.values(
        "SELECT attname FROM pg_attribute"
        " WHERE attrelid = 'long_task.task'::regclass AND attnum > 0"
        " AND has_column_privilege('somebody', attrelid, attnum, %s)",
        privilege,
    )
    assert set(found) == (columns if role == USER else set())


def test_a_role_calls_what_it_is_granted_and_nothing_else(sql: Sql, role: str) -> None:
    found = sql.values(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'long_task'::regnamespace"
        " AND has_function_privilege('somebody', oid, 'EXECUTE')"
    )
    assert set(found) == CALLABLE[role]


def test_a_role_makes_nothing_in_the_schema(sql: Sql, role: str) -> None:
    _as_somebody(sql)
    assert sql.refusal("CREATE TABLE long_task.mine ()").code == DENIED


def test_somebody_without_a_role_cannot_even_look(sql: Sql) -> None:
    sql.run("CREATE ROLE stranger LOGIN")
    _as_somebody(sql, "stranger")
    for statement in (
        "SELECT id FROM long_task.task",
        "SELECT long_task.clock()",
        "SELECT long_task.schema_version()",
        "INSERT INTO long_task.task DEFAULT VALUES",
    ):
        assert sql.refusal(statement).code == DENIED


def test_a_user_lives_through_the_whole_life_of_a_task(sql: Sql) -> None:
    node = Node(sql)
    _as_user(sql)
    task_id = sql.insert(state_id="DR", start_after="2100-01-01")
    assert sql.look(task_id, "owner") == "ann"
    sql.change(task_id, state_id="AW")
    sql.change(task_id, start_after=None, priority=5, next_start="2100-01-01")
    assert "about to be started" in sql.value("SELECT long_task.why(%s)", task_id)
    sql.run("RESET SESSION AUTHORIZATION")
    assert node.claim() == [task_id]
    _as_somebody(sql, "ann")
    sql.change(task_id, progress=0.5, result={"a": 1})
    sql.change(task_id, state_id="AC")
    sql.run("UPDATE long_task.worker SET stop = 1 WHERE id = 1")
    sql.run("DELETE FROM long_task.task WHERE id = %s", task_id)
    sql.run("RESET SESSION AUTHORIZATION")
    assert node.attend() == [(task_id, 1, "kill")]
    _as_somebody(sql, "ann")
    sql.run("INSERT INTO long_task.worker (id, stop) VALUES (2, 1)")
    sql.run("DELETE FROM long_task.worker WHERE id = 2")
    for view in sorted(READABLE):
        sql.rows(f"SELECT * FROM long_task.{view}")


def test_a_user_may_ask_what_a_task_waits_for_that_has_to_wait_for_others(sql: Sql) -> None:
    node = Node(sql)
    _as_user(sql)
    _, keyed = (sql.insert(concurrency_key="db") for _ in range(2))
    needed = sql.insert(state_id="DR")
    blocked = sql.insert()
    sql.run(
        "INSERT INTO long_task.task_dependency (task_id, needs_task_id) VALUES (%s, %s)",
        blocked,
        needed,
    )
    sql.run("RESET SESSION AUTHORIZATION")
    node.claim()
    _as_somebody(sql, "ann")
    assert "concurrency_key" in sql.value("SELECT long_task.why(%s)", keyed)
    assert f"task {needed}" in sql.value("SELECT long_task.why(%s)", blocked)


def test_a_user_gets_the_errors_of_the_schema_and_not_those_of_missing_rights(sql: Sql) -> None:
    _as_user(sql)
    task_id = sql.insert(state_id="DR")
    assert sql.refusal("UPDATE long_task.task SET state_id = 'AC'").code == "LT003"
    assert sql.refusal("UPDATE long_task.task SET env = '[]'").code == "LT004"
    assert sql.refusal("UPDATE long_task.task SET time_zone = 'Mars'").code == "LT007"
    assert sql.refusal("UPDATE long_task.task SET command = null, state_id = 'AW'").code == "LT005"
    assert sql.refusal("INSERT INTO long_task.worker (id, stop) VALUES (1, 7)").code == "LT004"
    assert sql.refusal("SELECT long_task.why(0)").code == "LT006"
    assert sql.look(task_id) == "DR"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE long_task.task SET running_on = 1",
        "UPDATE long_task.task SET attempt = 7",
        "UPDATE long_task.task SET owner = 'root'",
        "UPDATE long_task.task SET exit_code = 0",
        "INSERT INTO long_task.task (owner) VALUES ('root')",
        "INSERT INTO long_task.task (id) OVERRIDING SYSTEM VALUE VALUES (1)",
        "TRUNCATE long_task.task",
        "UPDATE long_task.worker_stop SET stop = 1",
        "UPDATE long_task.worker_lease SET active = false",
        "DELETE FROM long_task.task_run",
        "INSERT INTO long_task.history_retention (keep) VALUES ('1 day')",
        "DELETE FROM long_task.task_archive",
        "SELECT * FROM long_task.deleted_attempt",
        "SELECT long_task.leave_worker(1, 1, 1)",
        "SELECT long_task.recover_worker_tasks(1)",
        "SELECT long_task.finish_attempts(1, '[]')",
    ],
)
def test_a_user_cannot_write_what_is_the_nodes(sql: Sql, statement: str) -> None:
    _as_user(sql)
    sql.insert()
    assert sql.refusal(statement).code == DENIED


def test_a_reader_changes_nothing(sql: Sql) -> None:
    task_id = sql.insert()
    sql.run(f"CREATE ROLE bob LOGIN IN ROLE {READER}")
    _as_somebody(sql, "bob")
    for statement in (
        "INSERT INTO long_task.task DEFAULT VALUES",
        "UPDATE long_task.task SET state_id = 'AC'",
        "DELETE FROM long_task.task",
        "UPDATE long_task.worker SET stop = 1",
    ):
        assert sql.refusal(statement).code == DENIED
    assert sql.value("SELECT long_task.why(%s)", task_id) == "There is no live worker in group 0."
    for view in sorted(READABLE):
        sql.rows(f"SELECT * FROM long_task.{view}")


def test_a_node_serves_a_worker_and_reads_no_table(sql: Sql) -> None:
    task_id = sql.insert(next_start="2000-01-01", shed_clone=True)
    sql.insert(start_after="2000-01-01")
    sql.run(f"CREATE ROLE machine LOGIN IN ROLE {NODE}")
    _as_somebody(sql, "machine")
    node = Node(sql)
    assert task_id in node.claim()
    node.report(task_id, exit_code=3, result='"\\u0000"')
    assert sql.rows("SELECT * FROM long_task.schema_version()") == [(1, 1)]
    assert sql.refusal("SELECT id FROM long_task.task").code == DENIED
    assert sql.refusal("SELECT * FROM long_task.worker").code == DENIED
    assert sql.refusal("SELECT long_task.claim_tasks(1, 0, 1)").code == DENIED
    assert node.leave()
