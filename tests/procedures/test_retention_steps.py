"""How it is tidied up: in small steps, one at a time, in nobody's way."""

from tests.procedures.acting import Node, Sql
from tests.procedures.keeping import ended, policy, step, tasks, tidy, tidy_by_steps
from tests.servers import Database

DAY = "1 day"
MOST = 200
LEFT = "SELECT count(*) FROM long_task.task"


def _many(sql: Sql, count: int, state_id: str = "CS", days: float = 2) -> None:
    """Tasks that have ended so many days ago."""
    sql.run(
        "INSERT INTO long_task.task (state_id, command)"
        " SELECT 'DR', '{true}' FROM generate_series(1, %s)", count,
    )  # fmt: skip
    with sql.without_triggers():
        sql.run(
            "UPDATE long_task.task SET state_id = %s,"
            " created = long_task.clock() - %s * interval '1 day',"
            " last_state_change = long_task.clock() - %s * interval '1 day' WHERE state_id = 'DR'",
            state_id, days, days,
        )  # fmt: skip


def test_a_step_takes_so_many_rows_and_no_more(sql: Sql) -> None:
    policy(sql, keep_succeeded=DAY)
    _many(sql, 1000)
    steps = tidy_by_steps(sql)
    assert sum(one["tasks"] for one in steps) == 1000
    assert max(one["tasks"] for one in steps) == MOST


def test_a_pause_is_asked_for_that_is_longer_than_the_step(sql: Sql) -> None:
    policy(sql, keep_succeeded=DAY)
    _many(sql, 500)
    assert all(one["again_in"] >= 0.01 for one in tidy_by_steps(sql)[:-1])


def test_rows_that_are_kept_are_passed_by_many_at_once(sql: Sql) -> None:
    policy(sql, keep_succeeded=DAY)
    _many(sql, 20_000, "CF")
    steps = tidy_by_steps(sql)
    assert sum(one["tasks"] for one in steps) == 0
    assert len(steps) < 20_000 / MOST


def test_a_step_reads_each_row_once_where_statistics_say_that_there_are_none(sql: Sql) -> None:
    """As they do when the table was vacuumed while it was empty."""
    policy(sql, keep_succeeded=DAY)
    _many(sql, 3000, "CF")
    sql.run(
        "UPDATE pg_class SET reltuples = 0, relpages = 5 WHERE oid = 'long_task.task'::regclass"
        " OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'long_task.task'::regclass)"
    )
    read = (
        "SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index"
        " WHERE indrelid = 'long_task.task'::regclass"
    )
    before = sql.value(read)
    tidy_by_steps(sql)
    assert sql.value(read) - before < 3000 * 3000 / 30


def test_rows_that_are_too_young_end_the_round(sql: Sql) -> None:
    policy(sql, keep_succeeded=DAY)
    for state, days, ends in (("CF", 2, False), ("CS", 0.5, True)):
        _many(sql, 5000, state, days)
        begin = sql.value("SELECT max(id) - 5000 FROM long_task.task")
        found = sql.row("SELECT next IS NULL, gone FROM long_task.sweep_tasks(%s, 1000)", begin)
        assert found == (ends, 0)


def test_a_row_from_the_future_ends_no_round(sql: Sql) -> None:
    policy(sql, keep_succeeded=DAY)
    for _ in range(3):
        _many(sql, 1000, days=-400)
        old = ended(sql)
    assert sum(one["tasks"] for one in tidy_by_steps(sql)) == 3
    assert old not in tasks(sql)


def test_a_task_with_thousands_of_dependencies_goes_by_itself(sql: Sql) -> None:
    policy(sql, keep_succeeded=DAY)
    needed = ended(sql)
    _many(sql, 3000)
    with sql.without_triggers():
        sql.run(
            "INSERT INTO long_task.task_dependency (task_id, needs_task_id, met)"
            " SELECT id, %s, true FROM long_task.task WHERE id <> %s", needed, needed,
        )  # fmt: skip
        sql.run(
            "UPDATE long_task.task SET has_needs = id <> %s, has_dependents = id = %s",
            needed,
            needed,
        )
    steps = [one["tasks"] for one in tidy_by_steps(sql) if one["tasks"]]
    assert steps[0] == 1
    assert sum(steps) == 3001


def test_what_is_not_due_is_not_done(sql: Sql) -> None:
    policy(sql, keep_succeeded=DAY)
    tidy_by_steps(sql)
    ended(sql)
    assert step(sql)["busy"] is False
    assert "tasks" not in step(sql)
    sql.run("UPDATE test_clock.state SET shift = '2 minutes'")
    assert step(sql)["turn"] > 1


def test_whoever_is_at_it_is_left_alone_until_nothing_is_heard_of_him(sql: Sql) -> None:
    policy(sql, keep_succeeded=DAY)
    first = step(sql)["turn"]
    assert step(sql).keys() == {"busy"}
    sql.run("UPDATE test_clock.state SET shift = '6 seconds'")
    second = step(sql)["turn"]
    assert second == first + 1
    assert step(sql, first) == {"busy": True}
    assert "turn" in step(sql, second)


def test_a_renewal_tells_a_node_that_something_is_due(sql: Sql, node: Node) -> None:
    assert not node.sync(lease=30).maintain
    policy(sql, keep_succeeded=DAY)
    assert not node.sync().maintain
    assert node.sync(lease=30).maintain
    tidy_by_steps(sql)
    assert not node.sync(lease=30).maintain


def test_two_at_once_do_the_work_of_one(database: Database, serving: Sql, person: Sql) -> None:
    policy(serving, keep_succeeded=DAY)
    _many(serving, 600)
    assert step(person)["busy"] is False
    assert step(serving) == {"busy": True}
    person.connection.commit()
    assert tidy(serving).tasks == 600


def test_what_is_held_is_passed_by_and_taken_later(serving: Sql, person: Sql) -> None:
    policy(serving, keep_succeeded=DAY)
    held, other = ended(serving), ended(serving)
    person.run("SELECT FROM long_task.task WHERE id = %s FOR UPDATE", held)
    assert tidy(serving).tasks == 1
    assert tasks(serving) == [held]
    person.connection.rollback()
    assert tidy(serving).tasks == 1
    assert other not in tasks(serving)


def test_what_was_queued_again_by_whoever_held_it_is_kept(serving: Sql, person: Sql) -> None:
    policy(serving, keep_succeeded=DAY)
    task_id = ended(serving)
    person.change(task_id, state_id="AW")
    assert tidy(serving).tasks == 0
    person.connection.commit()
    assert tidy(serving).tasks == 0
    assert serving.look(task_id) == "AW"


def test_a_step_that_is_not_committed_holds_up_no_claim_and_no_report(
    database: Database, serving: Sql, person: Sql
) -> None:
    policy(serving, keep_succeeded=DAY)
    node = Node(serving)
    old, running, ready = ended(serving), serving.insert(), serving.insert()
    assert node.claim(free=1) == [running]
    turn = step(person, 0)["turn"]
    while not (answer := step(person, turn))["tasks"]:
        assert answer["again_in"] is not None
    assert node.report(running) == []
    assert node.claim(free=1) == [ready]
    person.connection.rollback()
    assert old in tasks(serving)


def test_what_a_foreign_key_of_somebodys_own_holds_stays_and_is_told(serving: Sql) -> None:
    policy(serving, keep_succeeded=DAY)
    held, _ = ended(serving), ended(serving)
    serving.run("CREATE TABLE public.invoice (task_id bigint REFERENCES long_task.task)")
    try:
        serving.run("INSERT INTO public.invoice VALUES (%s)", held)
        done = tidy(serving)
        assert done.tasks == 1
        assert done.error and f"task {held} stays" in done.error
        assert tasks(serving) == [held]
        serving.run("DELETE FROM public.invoice")
        assert tidy(serving)[::4] == (1, None)
    finally:
        serving.run("DROP TABLE public.invoice")


def test_a_constraint_that_is_put_off_is_no_trap(serving: Sql) -> None:
    policy(serving, keep_succeeded=DAY)
    held = ended(serving)
    serving.run(
        "CREATE TABLE public.invoice"
        " (task_id bigint REFERENCES long_task.task DEFERRABLE INITIALLY DEFERRED)"
    )
    try:
        serving.run("INSERT INTO public.invoice VALUES (%s)", held)
        assert tidy(serving).tasks == 0
        assert tasks(serving) == [held]
    finally:
        serving.run("DROP TABLE public.invoice")


def test_an_old_snapshot_is_refused(person: Sql) -> None:
    person.connection.rollback()
    person.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    assert person.refusal("SELECT long_task.maintain_step()").code == "LT004"


def test_the_default_isolation_of_a_session_is_no_hindrance(serving: Sql) -> None:
    policy(serving, keep_succeeded=DAY)
    ended(serving)
    serving.run("SET default_transaction_isolation = 'serializable'")
    assert tidy(serving).tasks == 1
    serving.run("RESET default_transaction_isolation")


def test_maintain_is_refused_in_a_transaction_block(person: Sql) -> None:
    assert person.refusal("CALL long_task.maintain()").code == "2D000"


def test_a_role_that_may_write_tasks_writes_policies_and_tidies_up(
    database: Database, serving: Sql
) -> None:
    serving.run("CREATE ROLE tidying LOGIN IN ROLE long_task_user")
    try:
        ann = Sql(database.connect(user="tidying"))
        ended(serving)
        policy(ann, keep_succeeded=DAY)
        assert tidy(ann).tasks == 1
        ann.connection.close()
    finally:
        serving.run("DROP ROLE tidying")


def test_a_step_that_fails_is_told_and_the_rest_of_the_round_goes_on(
    serving: Sql, person: Sql
) -> None:
    policy(serving, keep_succeeded=DAY)
    task_id = ended(serving)
    person.run("LOCK TABLE long_task.task")
    serving.run("SET lock_timeout = '50ms'")
    done = tidy(serving)
    assert done.tasks == 0
    assert done.error == "canceling statement due to lock timeout"
    person.connection.rollback()
    assert tidy(serving)[::4] == (1, None)
    assert task_id not in tasks(serving)


def test_what_somebody_holds_that_goes_with_a_task_stays_and_nobody_waits_for_it(
    serving: Sql, person: Sql
) -> None:
    policy(serving, keep_succeeded=DAY)
    _many(serving, 30)
    first = serving.value("SELECT min(id) FROM long_task.task")
    serving.run(
        "CREATE TABLE mine (note text, task_id bigint REFERENCES long_task.task ON DELETE CASCADE)"
    )
    try:
        serving.run("INSERT INTO mine VALUES ('x', %s)", first)
        person.run("UPDATE mine SET note = 'y'")
        # Without a limit of its own it would end with that of the session, and nothing would go.
        serving.run("SET lock_timeout = 0; SET statement_timeout = '20s'")
        gone = [one["tasks"] for one in tidy_by_steps(serving)]
        assert sum(gone) == 29
        assert f"task {first} stays" in serving.value("SELECT error FROM long_task.maintenance")
        person.connection.rollback()
        assert sum(one["tasks"] for one in tidy_by_steps(serving)) == 1
    finally:
        person.connection.rollback()
        serving.run("RESET statement_timeout; DROP TABLE mine")


def test_a_policy_that_is_not_committed_keeps_nobody_waiting(serving: Sql, person: Sql) -> None:
    policy(serving, keep_succeeded=DAY)
    person.run("UPDATE long_task.retention SET keep_succeeded = '1 hour'")
    assert step(serving, 0)["busy"]
    person.connection.rollback()
    assert not step(serving, 0)["busy"]
