"""The changelog is the table of contents of db/: complete, ordered, and nothing else."""

from pathlib import Path

from pg_tasks.install.migration import db_directory
from tests.changelog import change_sets, sql_files


def test_every_sql_file_is_in_the_changelog_exactly_once() -> None:
    assert sorted(change_set.path for change_set in change_sets()) == sql_files(db_directory())


def test_every_change_set_is_named_as_its_file() -> None:
    assert [f"{change_set.name}.sql" for change_set in change_sets()] == [
        change_set.path for change_set in change_sets()
    ]


def test_numbered_changes_run_once_and_all_else_runs_again_when_it_changes() -> None:
    for change_set in change_sets():
        assert change_set.run_on_change == (not change_set.path.startswith("changes/"))


def test_numbered_changes_are_numbered_without_gaps_and_applied_in_order() -> None:
    names = [Path(c.path).name for c in change_sets() if c.path.startswith("changes/")]
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


def test_the_grants_come_last() -> None:
    assert change_sets()[-1].name == "grants"


def test_no_file_is_split_into_statements_or_stripped_of_its_comments() -> None:
    for change_set in change_sets():
        assert change_set.attributes["splitStatements"] == "false"
        assert change_set.attributes["stripComments"] == "false"


def test_the_paths_are_relative_and_have_forward_slashes() -> None:
    for change_set in change_sets():
        assert change_set.attributes["relativeToChangelogFile"] == "true"
        assert "\\" not in change_set.path
        assert not change_set.path.startswith("/")
