"""What a node asks its database next, told by a connection that plays the database."""

import pytest

from pg_tasks.messages import Fence, Kill, Start, Stop
from tests.unit.played_session import Played, ask, connect, order, start_one


def test_a_session_greets_locks_and_synchronises(played: Played) -> None:
    connect(played)
    played.answer((7, None, None, None, None, None))
    assert played.sent() == [Fence(played.now + 29)]
    call = ask(played, "sync")
    assert call.values[:2] == (1, 7)
    assert call.values[7] == []


def test_what_is_claimed_is_started_and_takes_a_slot(serving: Played) -> None:
    serving.hear(group=True)
    ask(serving, "sync")
    serving.synced(start=[order(1), order(2)])
    assert [type(message) for message in serving.sent()] == [Start, Start]
    assert serving.roster.free == 0


def test_news_of_the_group_are_nothing_to_a_node_without_a_free_slot(serving: Played) -> None:
    serving.hear(group=True)
    ask(serving, "sync")
    serving.synced(start=[order(1), order(2)])
    serving.hear(group=True)
    assert serving.turn() is None
    serving.hear(worker=True)
    ask(serving, "sync")


def test_a_call_is_heeded_by_the_node_that_it_is_for(serving: Played) -> None:
    serving.hear(call="sentries")
    assert serving.turn() is None
    serving.hear(group=True)
    ask(serving, "sync")
    serving.synced(heed="17")
    serving.hear(call="sentries")
    serving.hear(call="18")
    assert serving.turn() is None
    serving.hear(call="17")
    ask(serving, "sync")
    serving.synced(heed="sentries", start=[order(1), order(2)])
    serving.hear(call="sentries")
    # It has no free slot, but stands at a post: the next call calls others in its place.
    ask(serving, "sync")
    serving.synced()
    serving.hear(call="sentries")
    assert serving.turn() is None


def test_a_schedule_is_the_business_of_a_node_without_a_free_slot(serving: Played) -> None:
    serving.hear(group=True)
    ask(serving, "sync")
    serving.synced(start=[order(1), order(2)])
    serving.hear(schedule=True)
    ask(serving, "sync")


def test_an_end_is_reported_at_once(serving: Played) -> None:
    start_one(serving)
    serving.end(1)
    assert '"task_id":1' in ask(serving, "sync").values[3]


def test_a_report_whose_row_is_in_use_is_repeated_after_a_while(serving: Played) -> None:
    start_one(serving)
    serving.end(1)
    ask(serving, "sync")
    serving.synced(again=[1])
    assert serving.turn() is None
    wake = serving.session.wake_at()
    assert wake is not None and wake < serving.now + 1
    serving.now = wake
    assert '"task_id":1' in ask(serving, "sync").values[3]


def test_a_time_that_the_database_names_wakes_the_session(serving: Played) -> None:
    serving.hear(worker=True)
    ask(serving, "sync")
    serving.synced(wake_in=2.5)
    assert serving.session.wake_at() == 102.5
    serving.now = 102.5
    ask(serving, "sync")


@pytest.mark.parametrize(("what", "request_type"), [("stop", Stop), ("kill", Kill)])
def test_what_is_to_be_said_to_a_process_is_said_once(
    serving: Played, what: str, request_type: type
) -> None:
    start_one(serving)
    for expected in ([request_type], []):
        serving.hear(worker=True)
        ask(serving, "sync")
        serving.synced(attend=[[1, 1, what]])
        assert [type(message) for message in serving.sent()] == expected


def test_an_attempt_that_was_cancelled_before_its_order_arrived_is_not_started(
    serving: Played,
) -> None:
    serving.hear(group=True)
    ask(serving, "sync")
    serving.synced(start=[order(1)], attend=[[1, 1, "kill"]])
    assert serving.sent() == []
    assert '"task_id":1' in ask(serving, "sync").values[3]
