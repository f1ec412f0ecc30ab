"""Which lease a node trusts until when, when it renews, and when it asks for a worker again."""

from pg_tasks.errors import DatabaseAway, LeaseLost
from pg_tasks.messages import Fence, KillAll
from pg_tasks.node.link import Hints
from tests.unit.played_session import Played, ask, connect, order, start_one


def test_an_idle_session_asks_nothing_before_half_of_its_lease_is_over(serving: Played) -> None:
    assert serving.turn() is None
    assert serving.session.wake_at() == 114.5
    serving.now = 114.4
    assert serving.turn() is None
    serving.now = 114.5
    assert ask(serving, "sync").values[6] == 30
    serving.synced()
    assert serving.sent() == [Fence(143.5)]


def test_a_session_that_runs_something_renews_when_it_is_told_to(serving: Played) -> None:
    serving.hear(worker=True)
    ask(serving, "sync")
    serving.synced(start=[order(1)])
    assert serving.session.wake_at() == 110.0
    serving.now = 110.0
    assert ask(serving, "sync").values[6] == 30


def test_what_is_claimed_late_is_claimed_under_a_lease_that_is_renewed(serving: Played) -> None:
    serving.now = 110.0
    serving.hear(group=True)
    assert ask(serving, "sync").values[6] == 30
    serving.synced(start=[order(1)])
    assert serving.sent()[0] == Fence(139.0)


def test_the_lease_is_trusted_from_the_moment_of_asking(serving: Played) -> None:
    serving.now = 115.0
    ask(serving, "sync")
    serving.now = 120.0
    serving.synced()
    assert serving.sent() == [Fence(144.0)]


def test_a_call_between_renewals_leaves_the_lease_as_it_is(serving: Played) -> None:
    serving.hear(worker=True)
    assert ask(serving, "sync").values[6] is None
    serving.synced()
    assert serving.sent() == []


def test_when_the_lease_runs_out_everything_is_killed_and_the_worker_asked_for_afresh(
    serving: Played,
) -> None:
    start_one(serving)
    serving.now = 110.0
    ask(serving, "sync")
    serving.answer(DatabaseAway())
    serving.now = 129.0
    serving.turn()
    assert serving.sent() == [KillAll("Lease lost", grace=0.0)]
    assert serving.session.lease is None
    ask(serving, "LISTEN")
    serving.answer((1, 1))
    assert serving.turn() is None
    serving.end(1)
    assert '"task_id":1' in ask(serving, "lock_worker").values[-3]


def test_a_lease_that_the_database_refuses_is_lost(serving: Played) -> None:
    start_one(serving)
    serving.hear(worker=True)
    ask(serving, "sync")
    serving.answer(LeaseLost())
    assert serving.sent() == [KillAll("Lease lost", grace=0.0)]
    assert serving.turn() is None
    serving.end(1)
    ask(serving, "lock_worker")


def test_an_end_that_waited_for_a_row_is_not_forgotten_with_the_lease(serving: Played) -> None:
    start_one(serving)
    serving.end(1)
    ask(serving, "sync")
    serving.synced(again=[1])
    serving.hear(worker=True)
    ask(serving, "sync")
    serving.answer(LeaseLost())
    assert '"task_id":1' in ask(serving, "lock_worker").values[-3]


def test_a_worker_that_another_node_holds_is_asked_for_again_when_it_may_be_free(
    played: Played,
) -> None:
    connect(played)
    played.answer((None, "node b", 4.0, "boot/1-7-7/b", "1/3/5", 35.0))
    assert played.turn() is None
    assert played.session.wake_at() == 104.0
    played.now = 104.0
    ask(played, "lock_worker")


def test_a_node_that_stands_by_asks_at_once_when_the_worker_is_announced(played: Played) -> None:
    connect(played)
    played.answer((None, "node b", 4.0, "boot/1-7-7/b", "1/3/5", 35.0))
    played.hear(worker=True)
    ask(played, "lock_worker")


def test_news_that_came_together_with_a_refusal_are_not_lost(played: Played) -> None:
    connect(played)
    played.link.heard = Hints(worker=True)
    played.answer((None, "node b", 4.0, "boot/1-7-7/b", "1/3/5", 35.0))
    ask(played, "lock_worker")


def test_a_node_looks_after_the_others_when_the_next_lease_may_be_lost(played: Played) -> None:
    connect(played)
    played.answer((7, None, None, None, None, None))
    call = ask(played, "sync")
    assert call.values[6] == 30, "the first call renews, to learn of the others"
    played.synced(watch=[["2/1/5", 4.0, 35.0]])
    assert played.session.wake_at() == played.now + 4
    assert played.cleared == 0
    played.now += 4
    assert ask(played, "sync").values[6] == 30
    assert played.cleared == 1
    played.synced(watch=[["2/1/9", 60.0, 35.0]])
    played.now += 14.5
    ask(played, "sync")
    assert played.cleared == 1
