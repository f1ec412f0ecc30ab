"""A minute of ``make chaos``."""

import random
import sys
from pathlib import Path

from tests.chaos.storm import Storm, Weather
from tests.servers import Server


def test_whatever_fails_no_task_runs_twice_at_the_same_time_and_nothing_is_lost(
    own_server: Server, tmp_path: Path
) -> None:
    seed = random.randrange(1_000_000)
    sys.stdout.write(f"seed {seed}\n")  # which pytest shows if it fails
    outcome = Storm(own_server, tmp_path, Weather(45, 500, seed)).pass_over()
    assert outcome.faults.total() > 0
    assert outcome.tasks.total() == 500
