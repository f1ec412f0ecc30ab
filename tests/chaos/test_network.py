"""The network between node and database goes dark, for less and for more than the lease."""

from psycopg2.extensions import make_dsn

from tests.chaos.proxy import Proxy
from tests.chaos.witnesses import Witnesses
from tests.node.conftest import StartNode
from tests.node.running_node import QUIET_LEASE, SHORT_LEASE
from tests.node.tasks import Tasks, shell
from tests.servers import Database
from tests.waiting import wait_until

LONG_LEASE: dict[str, object] = {"lease_duration": 600, "lease_renewal": 0.2}


def test_a_node_without_network_runs_its_tasks_until_the_fence_and_not_longer(
    start_node: StartNode, launch: StartNode, witnesses: Witnesses, proxy: Proxy
) -> None:
    cut = start_node(1, 0, 4, dsn=proxy.dsn, call_timeout=1, connect_timeout=1, **SHORT_LEASE)
    ids = [
        witnesses.add(600, 0, helper=True, max_attempts=2, retry_delay="0", kill_grace="1 hour")
        for _ in range(4)
    ]
    for task in ids:
        witnesses.begins(task)
    standby = launch(recovery_delay=0.3)
    standby.says("event=standby")
    proxy.hold()
    cut.says("event=lease_lost")
    standby.serves()
    assert cut.tasks() == []
    proxy.release()
    cut.says("event=standby")
    witnesses.judge()
    for task in ids:
        assert [run.error for run in witnesses.tasks.runs(task)] == ["Worker failed", None]


def test_a_network_that_is_dark_for_less_than_the_lease_costs_nothing(
    start_node: StartNode, witnesses: Witnesses, proxy: Proxy
) -> None:
    node = start_node(1, 0, 8, dsn=proxy.dsn, call_timeout=0.5, connect_timeout=1, **LONG_LEASE)
    ids = witnesses.add_many(40, 0.1)
    for times in range(1, 4):
        wait_until(lambda times=times: len(witnesses.lines()) > 16 * times)  # type: ignore[misc]
        proxy.hold()
        wait_until(lambda times=times: node.log().count("event=database_away") >= times)  # type: ignore[misc]
        proxy.release()
    witnesses.judge()
    assert {(row.state_id, row.attempt) for row in witnesses.tasks.all_ended()} == {("CS", 1)}
    assert len(ids) == 40
    assert "event=lease_lost" not in node.log()


def test_ends_that_could_not_be_reported_before_the_lease_was_lost_still_count(
    start_node: StartNode, witnesses: Witnesses, proxy: Proxy
) -> None:
    """Nobody has taken the worker meanwhile, so what has happened is told, and not written off."""
    node = start_node(1, 0, 4, dsn=proxy.dsn, call_timeout=1, connect_timeout=1, **SHORT_LEASE)
    task = witnesses.add(0.5)
    witnesses.begins(task)
    proxy.hold()
    node.says("event=lease_lost")
    proxy.release()
    row = witnesses.tasks.ended(task)
    assert (row.state_id, row.exit_code, row.attempt) == ("CS", 0, 1)
    witnesses.judge()


def test_a_claim_whose_answer_was_lost_with_the_connection_is_one_attempt(
    start_node: StartNode, witnesses: Witnesses, proxy: Proxy
) -> None:
    start_node(1, 0, 8, dsn=proxy.dsn, **QUIET_LEASE)
    hits = 0
    while hits < 5:
        proxy.hold_answers()
        ids = witnesses.add_many(4, 0.05)
        wait_until(proxy.has_held)
        hits += all(witnesses.tasks.row(task).state_id == "AE" for task in ids)
        proxy.cut()
        proxy.release()
        assert {witnesses.tasks.ended(task).attempt for task in ids} == {1}
    witnesses.judge()


def test_a_report_whose_answer_was_lost_with_the_connection_counts_once(
    start_node: StartNode, witnesses: Witnesses, proxy: Proxy
) -> None:
    start_node(1, 0, 8, dsn=proxy.dsn, **QUIET_LEASE)
    hits = 0
    while hits < 5:
        task = witnesses.add(0.3, code=7, max_attempts=2, retry_delay="1 hour")
        witnesses.begins(task)
        proxy.hold_answers()
        wait_until(proxy.has_held)
        hits += witnesses.tasks.row(task).state_id == "AD"
        proxy.cut()
        proxy.release()
        witnesses.tasks.in_state(task, "AD")
        witnesses.tasks.set(task, state_id="AC")
        assert len(witnesses.tasks.runs(task)) == 1
    # One more call, so that whatever the node may still have to say about them has been said.
    witnesses.tasks.ended(witnesses.add(0))
    witnesses.judge()
    assert len(witnesses.lines()) == 2 * len(witnesses.tasks.sql("SELECT FROM long_task.task_run"))


def test_after_an_outage_for_all_nobody_judges_who_has_not_come_back_yet(
    start_node: StartNode, database: Database, tasks: Tasks, proxy: Proxy
) -> None:
    """What ended meanwhile is told by the node that knows it, though another one was back first."""
    # The delay is for the first one to come back in, whose waits grow to 5 s.
    lease = {"lease_duration": 6, "lease_renewal": 1, "lease_margin": 0.5, "recovery_delay": 30}
    impatient = {"call_timeout": 0.5, "connect_timeout": 1, **lease}
    detour = Proxy(database)
    try:
        first = start_node(1, 0, 1, dsn=as_runner(proxy.dsn), **impatient)
        second = start_node(2, 7, 1, dsn=as_runner(detour.dsn), **impatient)
        task = tasks.add(shell("while [ ! -e go ]; do sleep 0.02; done; exit 7"))
        wait_until(first.tasks)
        proxy.hold()
        detour.hold()
        (first.root / "go").touch()
        for node in (first, second):
            node.says("event=lease_lost")
        detour.release()
        wait_until(lambda: second.log().count("event=serving") == 2)
        proxy.release()
        row = tasks.ended(task)
    finally:
        detour.release()
        detour.close()
    assert (row.state_id, row.exit_code, row.error) == ("CF", 7, "exit code 7")


def as_runner(dsn: str) -> str:
    """The same as a role that is not the owner of the schema."""
    return make_dsn(dsn, user="runner")
