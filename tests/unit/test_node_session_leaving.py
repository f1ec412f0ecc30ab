"""What a node that is to leave asks its database."""

import json

import pytest

from pg_tasks.errors import DatabaseAway
from tests.unit.played_session import Played, ask, connect, order, start_one


@pytest.fixture(params=["signal", "stop code"])
def leaving(serving: Played, request: pytest.FixtureRequest) -> Played:
    """One that was told to leave while it runs something."""
    start_one(serving)
    if request.param == "signal":
        serving.session.leaving = True
    serving.hear(worker=True)
    ask(serving, "sync")
    serving.synced(stop=2)
    return serving


def test_a_node_that_is_to_leave_claims_nothing_and_leaves_when_it_is_idle(
    leaving: Played,
) -> None:
    leaving.end(1)
    assert ask(leaving, "sync").values[4] == 0
    leaving.synced(stop=2)
    ask(leaving, "leave_worker")
    assert not leaving.session.over
    leaving.answer((True,))
    assert leaving.session.over


def test_a_stop_code_that_is_taken_back_has_the_session_claim_again(serving: Played) -> None:
    start_one(serving)
    serving.hear(worker=True)
    ask(serving, "sync")
    serving.synced(stop=2)
    serving.hear(worker=True)
    assert ask(serving, "sync").values[4] == 0
    serving.synced(stop=0)
    assert ask(serving, "sync").values[4] == 1


def test_what_a_call_has_claimed_that_was_under_way_is_given_back_and_not_started(
    serving: Played,
) -> None:
    serving.hear(group=True)
    ask(serving, "sync")
    serving.session.leave()
    serving.dispatch.leave()
    serving.synced(start=[order(1)])
    assert serving.sent() == []
    (report,) = json.loads(ask(serving, "sync").values[3])
    assert (report["task_id"], report["given_back"]) == (1, True)


def test_a_node_without_a_worker_is_over_as_soon_as_it_is_to_leave(played: Played) -> None:
    connect(played)
    played.answer((None, "node b", 4.0, "boot/1-7-7/b", "1/3/5", 35.0))
    played.session.leaving = True
    played.turn()
    assert played.session.over


def test_a_leaving_node_that_lost_its_lease_hands_in_what_it_knows_first(
    leaving: Played,
) -> None:
    leaving.answer(DatabaseAway())
    leaving.end(1)
    leaving.now += 60
    leaving.turn()
    assert not leaving.session.over
    ask(leaving, "LISTEN")
    leaving.answer((1, 1, "UTF8"))
    assert '"task_id":1' in ask(leaving, "lock_worker").values[-3]
    leaving.answer((8, None, None, None, None, None))
    ask(leaving, "leave_worker")
    leaving.answer((True,))
    assert leaving.session.over and leaving.session.gave_back


def test_a_node_whose_leaving_is_put_off_asks_nothing_else(serving: Played) -> None:
    serving.session.leaving = True
    ask(serving, "leave_worker")
    serving.answer((None,))
    serving.hear(worker=True)
    assert serving.turn() is None
    wake = serving.session.wake_at()
    assert wake is not None
    serving.now = wake
    ask(serving, "leave_worker")


def test_a_node_that_is_told_to_stop_says_so_at_once(serving: Played) -> None:
    serving.hear(group=True)
    ask(serving, "sync")
    serving.synced(heed="sentries", start=[order(1)])
    assert serving.turn() is None
    serving.session.leave()
    call = ask(serving, "sync")
    assert call.values[4] == 0
