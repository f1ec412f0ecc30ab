"""The SQL that README.md and docs/sql.md show is SQL that works, as it stands there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.procedures.acting import Node, Sql
from tests.servers import Server

_ROOT = Path(__file__).parents[2]
_DOCUMENTS = ("README.md", "docs/sql.md")


def _blocks() -> list[tuple[str, str]]:
    return [
        (document, block)
        for document in _DOCUMENTS
        for block in re.findall(r"^```sql\n(.*?)^```", (_ROOT / document).read_text(), re.M | re.S)
    ]


@pytest.fixture(scope="module")
def documented(server: Server) -> Iterator[Sql]:
    """A database in which what the documents name is there: tasks 1 to 8, of which 7 runs.

    ``invoice`` and ``etl`` are the reader's own.
    """
    database = server.create_database()
    sql = Sql(database.connect(autocommit=False))
    for number in range(1, 9):
        sql.insert(name="extract", state_id="AW" if number == 7 else "DR")
    assert Node(sql, slots=8).claim() == [7]
    sql.run("CREATE TABLE public.invoice (task_id bigint, month date)")
    sql.run("INSERT INTO long_task.workflow (name) VALUES ('etl')")
    sql.run(
        "INSERT INTO long_task.workflow_step (workflow, name, command)"
        " VALUES ('etl', 'load', '{load,%PARAM:day%}')"
    )
    sql.connection.commit()
    yield sql
    database.close()
    server.drop(database.name)


def test_there_are_blocks() -> None:
    assert len(_blocks()) > 10


@pytest.mark.parametrize(
    ("document", "block"), _blocks(), ids=lambda text: " ".join(text.split()[:6])
)
def test_it_works(documented: Sql, document: str, block: str) -> None:
    documented.run("SET search_path = public")
    try:
        documented.run(block.replace("BEGIN;", "").replace("COMMIT;", ""))
    finally:
        documented.connection.rollback()
