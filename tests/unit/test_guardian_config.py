"""The one argument of the guardian."""

import pytest

from pg_tasks.guardian.config import Config, from_argument, to_argument


@pytest.mark.parametrize(
    "config", [Config("/run", "/"), Config("/run/é", "/a b", 3, 0, "/out", 1, 2)]
)
def test_what_the_node_says_is_what_the_guardian_reads(config: Config) -> None:
    assert from_argument(to_argument(config)) == config


@pytest.mark.parametrize("argument", ["", "[]", '{"run_dir": "/"}', '{"nonsense": 1}'])
def test_anything_else_is_refused(argument: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        from_argument(argument)
