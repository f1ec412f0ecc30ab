"""The node's connection: what is heard on it, beside the answers."""

import select
import socket
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from pg_tasks.errors import DatabaseAway, DatabaseRefused, LeaseLost
from pg_tasks.guardian.kernel import boottime
from pg_tasks.node.calls import Call, Row
from pg_tasks.node.link import Hints, Link, Phase
from tests.servers import Database
from tests.waiting import wait_until

SCHEDULE = "a_channel_for_schedules"
WORKER = "long_task_worker_1"
GROUP = "long_task_group_0"


@pytest.fixture
def link(database: Database) -> Iterator[Link]:
    """One that listens as a node does."""
    opened = Link(database.dsn, "a test", 10, 10)
    opened.open(boottime())
    wait_until(lambda: advance(opened) or opened.phase is Phase.READY)
    ask(opened, f'LISTEN "{WORKER}"; LISTEN "{GROUP}"; LISTEN "{SCHEDULE}"; SELECT 1')
    yield opened
    opened.close()


def advance(link: Link) -> Row | None:
    """Waits for the connection once, and lets it go on."""
    poll = select.poll()
    poll.register(link.fileno(), link.mask)
    return link.advance(boottime()) if poll.poll(100) else None


def ask(link: Link, sql: str) -> Row:
    link.ask(Call(sql), boottime())
    row = wait_until(lambda: advance(link), lambda answer: answer is not None)
    assert row is not None
    return row


def unread(link: Link) -> bytes:
    """What the server has sent and nobody has read."""
    connection = socket.fromfd(link.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)
    with connection, suppress(BlockingIOError):
        return connection.recv(65536, socket.MSG_PEEK)
    return b""


def test_texts_travel_in_utf8_whatever_anybody_has_set(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    dsn = f"{database.dsn} client_encoding=SQL_ASCII options='-c client_encoding=LATIN2'"
    with closing(Link(dsn, "a test", 10, 10)) as link:
        link.open(boottime())
        wait_until(lambda: advance(link) or link.phase is Phase.READY)
        assert ask(link, "SELECT '\u263a', current_setting('client_encoding')") == (
            "\u263a",
            "UTF8",
        )


def test_a_notification_is_heard_on_an_idle_connection(link: Link, database: Database) -> None:
    database.connect().cursor().execute(f'NOTIFY "{GROUP}"')
    wait_until(lambda: advance(link) or link.take_hints(WORKER, SCHEDULE) == Hints(group=True))


def test_a_notification_that_comes_together_with_an_answer_is_heard_with_it(
    link: Link, database: Database
) -> None:
    link.ask(Call("SELECT 17 FROM pg_sleep(0.2)"), boottime())
    wait_until(lambda: b"17" in unread(link), describe="the answer")
    database.connect().cursor().execute(f'NOTIFY "{WORKER}"')
    wait_until(lambda: WORKER.encode() in unread(link), describe="the notification")
    # The first of the two only finds out that everything was sent.
    assert (link.advance(boottime()) or link.advance(boottime())) == (17,)
    assert link.take_hints(WORKER, SCHEDULE) == Hints(worker=True)


def test_a_call_of_some_is_told_from_work_for_all(link: Link, database: Database) -> None:
    database.connect().cursor().execute(f"SELECT pg_notify('{GROUP}', '17')")
    called = Hints(calls=frozenset(["17"]))
    wait_until(lambda: advance(link) or link.take_hints(WORKER, SCHEDULE) == called)


def test_a_schedule_is_told_from_work_for_the_group(link: Link, database: Database) -> None:
    database.connect().cursor().execute(f'NOTIFY "{SCHEDULE}"')
    wait_until(lambda: advance(link) or link.take_hints(WORKER, SCHEDULE) == Hints(schedule=True))


def test_what_was_heard_is_told_once(link: Link, database: Database) -> None:
    database.connect().cursor().execute(f'NOTIFY "{GROUP}"')
    wait_until(lambda: advance(link) or link.take_hints(WORKER, SCHEDULE).group)
    assert link.take_hints(WORKER, SCHEDULE) == Hints()


def test_what_it_has_announced_itself_is_no_news(link: Link) -> None:
    ask(link, f"SELECT pg_notify('{GROUP}', '')")
    assert link.take_hints(WORKER, SCHEDULE) == Hints()


def test_an_answer_that_takes_too_long_ends_the_connection(link: Link) -> None:
    link.ask(Call("SELECT pg_sleep(100)"), boottime())
    assert link.deadline is not None
    with pytest.raises(DatabaseAway, match="no answer in time"):
        wait_until(lambda: link.advance(boottime() + 11))
    assert link.phase is Phase.CLOSED


def test_a_connection_that_is_ended_by_the_server_is_away(link: Link, database: Database) -> None:
    (pid,) = ask(link, "SELECT pg_backend_pid()")
    database.connect().cursor().execute(f"SELECT pg_terminate_backend({pid})")
    with pytest.raises(DatabaseAway):
        wait_until(lambda: advance(link))
    assert link.phase is Phase.CLOSED


@pytest.mark.parametrize("code", ["40001", "40P01", "53300", "55P03", "57014", "25006"])
def test_what_may_go_well_later_counts_as_away(link: Link, code: str) -> None:
    with pytest.raises(DatabaseAway):
        ask(link, f"DO $$ BEGIN RAISE 'no' USING ERRCODE = '{code}'; END $$; SELECT 1")


def test_what_will_never_go_well_is_refused(link: Link) -> None:
    with pytest.raises(DatabaseRefused, match="division by zero.*22012"):
        ask(link, "SELECT 1 / 0")


def test_a_lost_lease_leaves_the_connection_open(link: Link) -> None:
    with pytest.raises(LeaseLost, match="epoch 3 of worker 1 is over"):
        ask(link, "SELECT long_task.sync(1, 3, 1, NULL, 0, 0)")
    assert ask(link, "SELECT 5") == (5,)
