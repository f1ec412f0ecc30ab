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
    attempt = Attempt(7, 1, 0, 0.0, Escalation(1.0, None, 0.0), Capture(-1, 0, None), "")
    orphans = Orphans(ProcessTree(), str(tmp_path))
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    orphans.look({}, {attempt.key: attempt})
    assert orphans.may_own_more(attempt)
    os.waitpid(child, 0)
    orphans.look({}, {attempt.key: attempt})
    assert not orphans.may_own_more(attempt)
