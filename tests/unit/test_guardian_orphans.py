"""Whose are the processes whose parents ended: what is told of them while they come and go."""

import os
from pathlib import Path

from pg_tasks.guardian.attempt import Attempt, Escalation
from pg_tasks.guardian.capture import Capture
from pg_tasks.guardian.orphans import Orphans
from pg_tasks.guardian.tree import ProcessTree


def test_a_child_that_has_ended_unseen_may_have_left_a_process_that_is_no_child_yet(
    tmp_path: Path,
) -> None:
    # In a process without other children.
    judge = os.fork()
    if judge == 0:
        os._exit(0 if _told_until_it_is_reaped(tmp_path) == (True, False) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(judge, 0)[1]) == 0


def _told_until_it_is_reaped(run_dir: Path) -> tuple[bool, bool]:
    attempt = Attempt(7, 1, 0, 0.0, Escalation(1.0, None, 0.0), Capture(-1, 0, None), "")
    orphans = Orphans(ProcessTree(), str(run_dir))
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    orphans.look({}, {attempt.key: attempt})
    before = orphans.may_own_more(attempt)
    os.waitpid(child, 0)
    orphans.look({}, {attempt.key: attempt})
    return before, orphans.may_own_more(attempt)
