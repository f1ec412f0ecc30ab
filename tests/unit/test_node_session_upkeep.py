"""When a node tidies up."""

from pg_tasks.errors import DatabaseRefused
from tests.unit.played_session import Played, ask, connect_again, renewed


def test_a_node_tidies_up_when_it_is_told_to_with_the_pauses_it_is_asked_for(
    serving: Played,
) -> None:
    renewed(serving, maintain=True)
    assert ask(serving, "maintain_step").values == (None,)
    serving.answer(({"turn": 7, "again_in": 0.5, "busy": False},))
    assert serving.turn() is None
    assert serving.session.wake_at() == serving.now + 0.5
    serving.now += 0.5
    assert ask(serving, "maintain_step").values == (7,)
    serving.answer(({"turn": 7, "again_in": None, "busy": False},))
    assert serving.turn() is None
    assert serving.session.wake_at() == 114.5 + 14.5


def test_tidying_up_comes_between_other_calls_and_before_no_renewal(serving: Played) -> None:
    renewed(serving, maintain=True)
    serving.hear(worker=True)
    ask(serving, "maintain_step")
    serving.answer(({"turn": 7, "again_in": 0.0, "busy": False},))
    serving.now += 14.5
    assert ask(serving, "sync").values[6] == 30
    serving.synced()
    ask(serving, "maintain_step")


def test_a_node_that_leaves_tidies_up_no_more(serving: Played) -> None:
    renewed(serving, maintain=True)
    serving.session.leaving = True
    ask(serving, "leave_worker")


def test_tidying_up_that_fails_is_left_to_others_for_a_while(serving: Played) -> None:
    renewed(serving, maintain=True)
    ask(serving, "maintain_step")
    serving.answer(DatabaseRefused("no"))
    connect_again(serving)
    ask(serving, "sync")
    serving.synced(maintain=True)
    failed_at = serving.now
    call = None
    while call is None:
        renewed(serving, maintain=True)
        call = serving.turn()
    assert "maintain_step" in call.sql
    assert serving.now - failed_at >= 600
