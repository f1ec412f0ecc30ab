"""What a node asks its database next, told by a connection that plays the database."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from pg_tasks.errors import DatabaseAway, DatabaseRefused, LeaseLost, PgTasksError
from pg_tasks.messages import Fence, Kill, KillAll, Start, Stop
from pg_tasks.node.backoff import Backoff
from pg_tasks.node.calls import Call, Identity, Row
from pg_tasks.node.contact import Contact
from pg_tasks.node.dispatch import Dispatch
from pg_tasks.node.lease import Terms
from pg_tasks.node.link import Hints, Link, Phase
from pg_tasks.node.remains import Proof
from pg_tasks.node.roster import Key, Roster, without_process
from pg_tasks.node.session import Rules, Session
from pg_tasks.node.standby import Standby

IDENTITY = Identity(1, 0, 2, "a node", "a host", 42, "boot/1-42-7/a", "1.0")
RULES = Rules(Terms(30, 10, 1), 5, 15)


class PlayedLink:
    """Takes calls and gives back whatever a test puts there."""

    def __init__(self) -> None:
        self.phase = Phase.CLOSED
        self.deadline: float | None = None
        self.has_untried_host = False
        self.database = "played"
        self.asked: list[Call] = []
        self.heard = Hints()
        self.answer: Row | PgTasksError | None = None

    def open(self, now: float) -> None:
        self.phase = Phase.READY

    def ask(self, call: Call, now: float) -> None:
        self.asked.append(call)
        self.phase = Phase.BUSY

    def advance(self, now: float) -> Row | None:
        answer, self.answer = self.answer, None
        if isinstance(answer, PgTasksError):
            self.phase = Phase.READY if isinstance(answer, LeaseLost) else Phase.CLOSED
            raise answer
        self.phase = Phase.READY
        return answer

    def take_hints(self, worker_channel: str, schedule_channel: str) -> Hints:
        heard, self.heard = self.heard, Hints()
        return heard


class Played:
    """A session, its connection, and the clock."""

    def __init__(self) -> None:
        self.link = PlayedLink()
        self.roster = Roster([IDENTITY.slots])
        backoff = Backoff(1.0, 8.0, lambda: 0.0)
        standby = Standby(IDENTITY.worker_id, RULES.terms.renewal, self._judge)
        link = cast(Link, self.link)
        self.dispatch = Dispatch(self.roster, IDENTITY.worker_id, 10, 10)
        self.session = Session(
            link,
            Contact(link, backoff),
            self.roster,
            self.dispatch,
            IDENTITY,
            RULES,
            standby,
            self._clear,
        )
        self.cleared = 0
        self.now = 100.0
        self.proof = Proof.NONE

    def _judge(self, process: str) -> Proof:
        return self.proof

    def _clear(self) -> int:
        self.cleared += 1
        return 0

    def turn(self) -> Call | None:
        """One turn; what was asked in it."""
        before = len(self.link.asked)
        self.session.turn(self.now)
        return self.link.asked[before] if len(self.link.asked) > before else None

    def answer(self, answer: Row | PgTasksError) -> None:
        self.link.answer = answer
        self.session.advance(self.now)

    def synced(self, **parts: object) -> None:
        empty = {
            "start": None,
            "attend": None,
            "again": None,
            "stop": 0,
            "wake_in": None,
            "watch": None,
            "heed": None,
        }
        self.answer(({**empty, **parts},))

    def hear(
        self,
        *,
        group: bool = False,
        worker: bool = False,
        schedule: bool = False,
        call: str | None = None,
    ) -> None:
        """A notification on an idle connection."""
        calls = frozenset([] if call is None else [call])
        self.link.heard = Hints(group, worker, schedule, calls)
        self.session.advance(self.now)

    def sent(self) -> list[Any]:
        return list(self.dispatch.take())

    def end(self, task_id: int, attempt: int = 1) -> None:
        self.session.ended(without_process(Key(task_id, attempt), "a test", self.now))


def order(task_id: int, attempt: int = 1) -> dict[str, object]:
    return {
        "task_id": task_id, "attempt": attempt, "group_id": 0, "command": ["true"], "cwd": None,
        "env": None, "params": None, "stdin": None, "timeout": None, "kill_grace": None,
        "scheduled_for": None,
    }  # fmt: skip


@pytest.fixture
def played() -> Played:
    """A session that has not begun."""
    return Played()


@pytest.fixture
def serving(played: Played) -> Played:
    """One that holds its worker, and has nothing to do."""
    connect(played)
    played.answer((7, None, None, None, None, None))
    ask(played, "sync")
    played.synced()
    played.sent()
    return played


def ask(played: Played, name: str) -> Call:
    call = played.turn()
    assert call is not None
    assert name in call.sql
    return call


def connect(played: Played) -> None:
    played.turn()
    ask(played, "LISTEN")
    played.answer((1, 1))
    ask(played, "lock_worker")


def connect_again(played: Played) -> None:
    """The connection is lost, and the worker held over another one."""
    played.now += 1
    played.turn()
    ask(played, "LISTEN")
    played.answer((1, 1))
    ask(played, "renew_lease")
    played.sent()
    played.answer(("",))
    assert played.sent() == [Fence(played.now + 29)]


def test_a_session_greets_locks_and_synchronises(played: Played) -> None:
    connect(played)
    played.answer((7, None, None, None, None, None))
    assert played.sent() == [Fence(played.now + 29)]
    call = ask(played, "sync")
    assert call.values[:2] == (1, 7)
    assert call.values[7] == []


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


def renewed(played: Played, **parts: object) -> None:
    played.now += 14.5
    ask(played, "sync")
    played.synced(**parts)


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


def start_one(serving: Played, task_id: int = 1) -> None:
    serving.hear(group=True)
    ask(serving, "sync")
    serving.synced(start=[order(task_id)])
    serving.sent()


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


@pytest.mark.parametrize("tell", ["signal", "stop code"])
def test_a_node_that_is_to_leave_claims_nothing_and_leaves_when_it_is_idle(
    serving: Played, tell: str
) -> None:
    start_one(serving)
    if tell == "signal":
        serving.session.leaving = True
    serving.hear(worker=True)
    ask(serving, "sync")
    serving.synced(stop=2)
    serving.end(1)
    assert ask(serving, "sync").values[4] == 0
    serving.synced(stop=2)
    ask(serving, "leave_worker")
    assert not serving.session.over
    serving.answer((True,))
    assert serving.session.over


def test_a_stop_code_that_is_taken_back_has_the_session_claim_again(serving: Played) -> None:
    start_one(serving)
    serving.hear(worker=True)
    ask(serving, "sync")
    serving.synced(stop=2)
    serving.hear(worker=True)
    assert ask(serving, "sync").values[4] == 0
    serving.synced(stop=0)
    assert ask(serving, "sync").values[4] == 1


def test_what_was_claimed_when_everything_is_ended_is_not_started(serving: Played) -> None:
    serving.hear(group=True)
    ask(serving, "sync")
    serving.session.leaving = True
    serving.dispatch.refuse("Node stopped")
    serving.synced(start=[order(1)])
    assert serving.sent() == []
    assert "Node stopped" in ask(serving, "sync").values[3]


def test_a_node_without_a_worker_is_over_as_soon_as_it_is_to_leave(played: Played) -> None:
    connect(played)
    played.answer((None, "node b", 4.0, "boot/1-7-7/b", "1/3/5", 35.0))
    played.session.leaving = True
    played.turn()
    assert played.session.over


@pytest.mark.parametrize("error", [DatabaseAway, DatabaseRefused])
def test_trouble_at_the_first_connection_is_raised(
    played: Played, error: Callable[[], PgTasksError]
) -> None:
    played.turn()
    ask(played, "LISTEN")
    with pytest.raises(PgTasksError):
        played.answer(error())


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


@pytest.mark.parametrize("tell", ["signal", "stop code"])
def test_a_leaving_node_that_lost_its_lease_hands_in_what_it_knows_first(
    serving: Played, tell: str
) -> None:
    start_one(serving)
    if tell == "signal":
        serving.session.leaving = True
    serving.hear(worker=True)
    ask(serving, "sync")
    serving.synced(stop=2)
    serving.answer(DatabaseAway())
    serving.end(1)
    serving.now += 60
    serving.turn()
    assert not serving.session.over
    ask(serving, "LISTEN")
    serving.answer((1, 1, "UTF8"))
    assert '"task_id":1' in ask(serving, "lock_worker").values[-3]
    serving.answer((8, None, None, None, None, None))
    ask(serving, "leave_worker")
    serving.answer((True,))
    assert serving.session.over and serving.session.gave_back


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
