"""What a node does when its database does not answer, or refuses."""

from collections.abc import Callable

import pytest

from pg_tasks.errors import (
    DatabaseAway,
    DatabaseRefused,
    PgTasksError,
    SchemaMismatch,
    SchemaMissing,
)
from tests.unit.played_session import Played, ask, connect, connect_again, order, start_one


def test_a_report_is_handed_in_again_after_the_connection_failed(serving: Played) -> None:
    start_one(serving)
    serving.end(1)
    ask(serving, "sync")
    serving.answer(DatabaseAway())
    connect_again(serving)
    call = ask(serving, "sync")
    assert '"task_id":1' in call.values[3]
    assert call.values[7] == [1]


def test_a_claim_whose_answer_was_lost_is_started_once(serving: Played) -> None:
    start_one(serving)
    serving.hear(group=True)
    ask(serving, "sync")
    serving.answer(DatabaseAway())
    connect_again(serving)
    assert ask(serving, "sync").values[7] == [1]
    serving.synced(start=[order(1), order(2)])
    assert [message.task_id for message in serving.sent()] == [2]


@pytest.mark.parametrize("error", [DatabaseAway, DatabaseRefused])
def test_trouble_at_the_first_connection_is_raised(
    played: Played, error: Callable[[], PgTasksError]
) -> None:
    played.turn()
    ask(played, "LISTEN")
    with pytest.raises(PgTasksError):
        played.answer(error())


def test_a_first_connection_to_a_database_without_the_schema_says_so(played: Played) -> None:
    played.turn()
    ask(played, "LISTEN")
    with pytest.raises(SchemaMismatch, match="database jobs has no schema of pg_tasks"):
        played.answer(SchemaMissing("no such function (SQLSTATE 42883)", "jobs"))


def test_a_function_that_is_missing_later_ends_no_node(serving: Played) -> None:
    start_one(serving)
    serving.hear(worker=True)
    ask(serving, "sync")
    serving.answer(SchemaMissing("no such function (SQLSTATE 42883)", "jobs"))
    connect_again(serving)
    assert not serving.session.over


def test_a_database_that_refuses_the_first_lock_is_raised(played: Played) -> None:
    connect(played)
    with pytest.raises(DatabaseRefused):
        played.answer(DatabaseRefused())


def test_a_first_lock_that_has_to_wait_too_long_is_repeated(played: Played) -> None:
    connect(played)
    played.answer(DatabaseAway())
    assert played.session.wake_at() == 101.0
    played.now = 101.0
    connect(played)


def test_later_trouble_is_met_with_longer_and_longer_waits(serving: Played) -> None:
    waits = []
    serving.hear(worker=True)
    ask(serving, "sync")
    for _ in range(3):
        serving.answer(DatabaseAway())
        wake = serving.session.wake_at()
        assert wake is not None
        waits.append(wake - serving.now)
        serving.now = wake
        serving.turn()
        ask(serving, "LISTEN")
    assert waits == [1.0, 2.0, 4.0]


def test_a_host_that_says_nothing_is_no_reason_to_give_up_while_there_are_others(
    played: Played,
) -> None:
    played.turn()
    ask(played, "LISTEN")
    played.link.has_untried_host = True
    played.answer(DatabaseAway("no answer in time"))
    played.link.has_untried_host = False
    played.now += 60
    played.turn()
    ask(played, "LISTEN")
    with pytest.raises(DatabaseAway):
        played.answer(DatabaseAway("no answer in time"))
