"""Which attempts a node has, and which ends it still has to report."""

from pg_tasks.messages import Ended
from pg_tasks.node.roster import Key, Roster, without_process


def end(task_id: int, attempt: int = 1) -> Ended:
    return without_process(Key(task_id, attempt), "a test", NOW)


NOW = 10.0


def end_short(task_id: int) -> Ended:
    return end(task_id)._replace(pid=42, started=NOW - 0.002)


def roster_with(*task_ids: int, slots: tuple[int, ...] = (4,)) -> Roster:
    roster = Roster(slots)
    for task_id in task_ids:
        roster.order(Key(task_id, 1), NOW)
    return roster


def guardians(roster: Roster, *task_ids: int) -> list[int]:
    return [roster.guardian(Key(task_id, 1)) for task_id in task_ids]


def test_an_attempt_takes_a_slot_from_its_order_to_its_end() -> None:
    roster = roster_with(1, 2)
    assert (roster.live, roster.free) == (2, 2)
    assert roster.end(end(1))
    assert (roster.live, roster.free) == (1, 3)


def test_slots_are_never_less_than_none() -> None:
    assert roster_with(1, 2, 3, slots=(2,)).free == 0


def test_nothing_waits_for_a_slot_where_no_short_task_has_ended() -> None:
    roster = roster_with(1, 2, slots=(2,))
    assert roster.room(NOW) == 0
    roster.end(end(1)._replace(pid=42, started=NOW - 1))
    assert roster.room(NOW) == 1


def test_as_many_may_wait_for_a_slot_as_short_tasks_have_ended() -> None:
    roster = roster_with(1, 2, 3, slots=(2,))
    assert (roster.live, roster.running, roster.waiting) == (3, 2, 1)
    roster.end(end_short(1))
    roster.end(end_short(2))
    assert (roster.live, roster.running, roster.waiting) == (1, 1, 0)
    assert (roster.free, roster.room(NOW)) == (1, 3)


def test_where_some_wait_one_more_is_asked_for() -> None:
    """It may be better than those."""
    roster = roster_with(1, 2, 3, slots=(1,))
    roster.end(end_short(1))
    assert roster.room(NOW) == 1
    roster.order(Key(4, 1), NOW)
    assert roster.room(NOW) == 1
    assert roster.room(NOW + 1) == 0


def test_an_attempt_is_given_to_the_guardian_with_the_most_room() -> None:
    roster = roster_with(1, 2, 3, 4, 5, slots=(4, 2))
    assert guardians(roster, 1, 2, 3, 4, 5) == [0, 1, 0, 0, 1]
    assert (roster.slots, roster.free) == ([4, 2], 1)


def test_what_waits_for_a_slot_waits_where_slots_become_free() -> None:
    """The first guardian is full of long tasks, short ones come and go at the second."""
    roster = roster_with(1, 2, 3, 4, slots=(2, 2))
    short = [task_id for task_id in (1, 2, 3, 4) if guardians(roster, task_id) == [1]]
    for task_id in short:
        roster.end(end_short(task_id))
    assert (roster.free, roster.room(NOW)) == (2, 4)
    for task_id in range(5, 11):
        roster.order(Key(task_id, 1), NOW)
    assert guardians(roster, *range(5, 11)) == [1] * 6
    assert (roster.running, roster.waiting) == (4, 4)
    assert not roster.lasts(0.1, NOW)
    assert roster.lasts(0.05, NOW)


def test_a_free_slot_is_better_than_to_wait_where_tasks_are_short() -> None:
    roster = roster_with(1, 2, slots=(2, 2))
    for task_id in range(3, 103):
        roster.order(Key(task_id, 1), NOW)
        if guardians(roster, task_id) == [1]:
            roster.end(end_short(task_id))
    (long,) = [task_id for task_id in (1, 2) if guardians(roster, task_id) == [0]]
    roster.end(end(long))
    roster.order(Key(200, 1), NOW)
    roster.order(Key(201, 1), NOW)
    assert 0 in guardians(roster, 200, 201)


def test_a_guardian_that_is_set_aside_is_given_nothing_where_another_has_room() -> None:
    roster = roster_with(1, slots=(4, 4))
    (silent,) = guardians(roster, 1)
    assert not roster.set_aside(silent, True)
    assert (roster.free, roster.room(NOW), roster.running) == (4, 4, 1)
    for task_id in range(2, 10):
        roster.order(Key(task_id, 1), NOW)
    assert guardians(roster, *range(2, 10)) == [1 - silent] * 8
    assert (roster.free, roster.room(NOW)) == (0, 0)
    assert roster.set_aside(silent, False)
    assert not roster.set_aside(silent, False)
    assert (roster.free, roster.room(NOW)) == (3, 3)


def test_nothing_is_claimed_for_guardians_that_are_all_set_aside() -> None:
    roster = roster_with(1, 2, slots=(1,))
    roster.end(end_short(1))
    roster.set_aside(0, True)
    assert (roster.free, roster.room(NOW), roster.waiting) == (0, 0, 0)
    assert not roster.lasts(1.0, NOW)
    roster.order(Key(3, 1), NOW)  # claimed before that was known
    assert guardians(roster, 3) == [0]


def test_an_end_is_handed_in_once_when_it_was_taken_in() -> None:
    roster = roster_with(1)
    roster.end(end(1))
    assert roster.due
    assert roster.take_reports() == [end(1)]
    assert not roster.due
    assert not roster.empty
    assert not roster.settle(())
    assert roster.empty
    assert roster.take_reports() == []


def test_ends_are_handed_in_again_when_the_call_failed_the_oldest_first() -> None:
    roster = roster_with(1, 2)
    roster.end(end(1))
    roster.take_reports()
    roster.end(end(2))
    roster.take_back()
    assert roster.take_reports() == [end(1), end(2)]


def test_an_end_whose_row_was_in_use_waits_for_its_turn() -> None:
    roster = roster_with(1, 2)
    roster.end(end(1))
    roster.end(end(2))
    roster.take_reports()
    assert roster.settle([2])
    assert not roster.due
    assert not roster.empty
    roster.retry()
    assert roster.take_reports() == [end(2)]


def test_an_end_that_waits_is_kept_when_other_calls_go_well() -> None:
    roster = roster_with(1, 2)
    roster.end(end(1))
    roster.take_reports()
    roster.settle([1])
    roster.end(end(2))
    roster.take_reports()
    assert roster.settle(())
    roster.retry()
    assert roster.take_reports() == [end(1)]


def test_the_end_of_an_attempt_that_was_not_ordered_is_nothing() -> None:
    roster = roster_with(1)
    assert not roster.end(end(1, attempt=2))
    assert not roster.end(end(5))
    assert not roster.due
    assert roster.live == 1


def test_a_second_end_of_the_same_attempt_is_nothing() -> None:
    roster = roster_with(1)
    assert roster.end(end(1))
    roster.take_reports()
    assert not roster.end(end(1))


def test_an_attempt_is_known_until_its_end_was_taken_in() -> None:
    roster = roster_with(1, 2, 3, 4)
    for task_id in (1, 2):
        roster.end(end(task_id))
    roster.take_reports()
    roster.settle([1])
    roster.end(end(3))
    roster.take_reports()
    roster.order(Key(5, 1), NOW)
    roster.end(end(5))
    assert sorted(roster.known_tasks()) == [1, 3, 4, 5]
    assert all(roster.is_known(Key(task_id, 1)) for task_id in (1, 3, 4, 5))
    assert not roster.is_known(Key(2, 1))
    assert not roster.is_known(Key(1, 2))


def test_a_process_is_told_the_same_thing_once() -> None:
    roster = roster_with(1)
    assert roster.tell(Key(1, 1), "stop")
    assert not roster.tell(Key(1, 1), "stop")
    assert roster.tell(Key(1, 1), "kill")
    assert not roster.tell(Key(1, 1), "kill")


def test_a_process_that_is_gone_is_told_nothing() -> None:
    roster = roster_with(1)
    roster.end(end(1))
    assert not roster.tell(Key(1, 1), "kill")
    assert not roster.tell(Key(1, 2), "kill")


def test_an_attempt_that_never_was_a_process_is_reported_too() -> None:
    roster = Roster([1])
    roster.report_unstarted(end(9))
    assert roster.take_reports() == [end(9)]
