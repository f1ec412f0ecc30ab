"""Reading db/changelog.xml without Liquibase."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

import psycopg2

from pg_tasks.install.migration import db_directory

_XML = "{http://www.liquibase.org/xml/ns/dbchangelog}"


class ChangeSet(NamedTuple):
    """One entry of the changelog."""

    name: str
    path: str
    run_on_change: bool
    attributes: dict[str, str]
    """Of its sqlFile."""


def change_sets() -> list[ChangeSet]:
    """All of them, in the order in which they are applied."""
    root = ElementTree.parse(db_directory() / "changelog.xml").getroot()
    found = []
    for change_set in root.iter(f"{_XML}changeSet"):
        (content,) = change_set
        again = change_set.get("runOnChange") == "true"
        found.append(
            ChangeSet(change_set.attrib["id"], content.attrib["path"], again, content.attrib)
        )
    return found


def sql_files(db_dir: Path) -> list[str]:
    """Every file that belongs into the changelog."""
    parts = ("changes", "procedures", "views")
    found = [f"{part}/{path.name}" for part in parts for path in (db_dir / part).glob("*.sql")]
    return sorted([*found, "grants.sql"])


def apply_changelog(dsn: str) -> None:
    """Runs the files as Liquibase would into a database without the schema, but in no time."""
    connection = psycopg2.connect(dsn)
    try:
        with connection, connection.cursor() as cursor:
            for change_set in change_sets():
                path = db_directory() / change_set.path
                try:
                    cursor.execute(path.read_text(encoding="utf-8"))
                except psycopg2.Error as error:
                    raise RuntimeError(f"db/{change_set.path}: {error}") from error
    finally:
        connection.close()
