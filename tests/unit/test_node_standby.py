"""When a node without its worker asks for it again."""

import pytest

from pg_tasks.node.calls import Locked
from pg_tasks.node.remains import Proof
from pg_tasks.node.standby import Standby
from pg_tasks.node.watch import Watched

HELD = Locked(None, "node b", 25.0, "boot/1-7-7/b", Watched("1/5/7", 25.0, 35.0))


class Machine:
    """What a machine knows of the holder."""

    def __init__(self) -> None:
        self.proof = Proof.NONE
        self.asked: list[str] = []

    def judge(self, process: str) -> Proof:
        self.asked.append(process)
        return self.proof


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def standby(machine: Machine) -> Standby:
    """One that asks every 10 seconds at least."""
    return Standby(1, 10.0, machine.judge)


def test_it_asks_at_each_renewal_so_that_it_is_seen(standby: Standby) -> None:
    standby.refused(HELD, 100.0)
    assert (standby.ask_at, standby.dead_process) == (110.0, None)


def test_it_asks_as_soon_as_the_lease_may_be_over(standby: Standby) -> None:
    standby.refused(HELD._replace(held_lease=Watched("1/5/7", 3.0, 35.0)), 100.0)
    assert standby.watched(102.9) == []
    assert standby.watched(103.0) == ["1/5/7"]
    assert standby.ask_at == 103.0


def test_a_dead_holder_is_not_waited_for(standby: Standby, machine: Machine) -> None:
    machine.proof = Proof.DEAD
    standby.refused(HELD, 100.0)
    assert machine.asked == ["boot/1-7-7/b"]
    assert (standby.ask_at, standby.dead_process) == (100.0, "boot/1-7-7/b")


def test_a_holder_that_is_dying_is_looked_at_again_soon(standby: Standby, machine: Machine) -> None:
    machine.proof = Proof.DYING
    standby.refused(HELD, 100.0)
    assert 100.0 < standby.ask_at <= 100.1
    assert standby.dead_process is None


def test_what_was_proven_stays_proven_when_something_else_is_in_the_way(
    standby: Standby, machine: Machine
) -> None:
    machine.proof = Proof.DEAD
    standby.refused(HELD, 100.0)
    standby.refused(Locked(None, "an open transaction", 0.2, None, None), 101.0)
    assert (standby.ask_at, standby.dead_process) == (101.2, "boot/1-7-7/b")
    standby.served()
    assert standby.dead_process is None


def test_news_of_the_worker_make_it_ask_at_once_and_never_later(standby: Standby) -> None:
    standby.refused(HELD, 100.0)
    standby.hurry(104.0)
    assert standby.ask_at == 104.0
    standby.hurry(105.0)
    assert standby.ask_at == 104.0
