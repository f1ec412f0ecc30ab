"""A session of a node whose connection plays the database, and what a test says in its place."""

from typing import Any, cast

from pg_tasks.errors import LeaseLost, PgTasksError
from pg_tasks.messages import Fence
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


def start_one(serving: Played, task_id: int = 1) -> None:
    serving.hear(group=True)
    ask(serving, "sync")
    serving.synced(start=[order(task_id)])
    serving.sent()


def renewed(played: Played, **parts: object) -> None:
    played.now += 14.5
    ask(played, "sync")
    played.synced(**parts)
