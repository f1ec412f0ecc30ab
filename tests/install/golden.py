"""The committed files that are made from the rest, and how they are made.

``python -m tests.install.golden install-sql`` writes db/install.sql, ``schema-dump`` the dump of
the schema; the tests make both again and compare.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg2

from pg_tasks.install import liquibase
from pg_tasks.install.jdbc import address_of
from pg_tasks.install.migration import db_directory, migrate
from tests.servers import Server, find_versions

SCHEMA_DUMP = Path(__file__).with_name("schema_dump.sql")

_HEADER = """\
-- The whole schema of pg_tasks, for a database that has none: psql -1 -f install.sql
--
-- Made from changelog.xml by Liquibase's update-sql (make install-sql); do not edit. The rows of
-- databasechangelog are Liquibase's own, so that `pg-tasks migrate` goes on from here.

CREATE SCHEMA long_task;

"""

_OF_THE_MOMENT = (
    # Every object is named with its schema, and a search path would outlive the script.
    r"^SET SEARCH_PATH TO .*\n",
    # Host, time and database, the title around them, and the lock that one script needs least.
    r"^-- \*{20,}\n(?:--.*\n)*?-- \*{20,}\n(?:-- (?:Change Log|Ran at|Against|Liquibase).*\n)*",
    r"^-- \*{20,}\n",
    r"^-- (?:Lock Database|Release Database Lock|Create Database|Initialize Database).*\n",
    r"^UPDATE long_task\.databasechangeloglock .*\n",
    r"^DELETE FROM long_task\.databasechangeloglock;\n",
)


def install_sql(server: Server, db_dir: Path | None = None) -> str:
    """What Liquibase would run on an empty database, without what differs from run to run."""
    name = server.create_empty()
    try:
        with tempfile.TemporaryDirectory() as directory:
            output = Path(directory) / "update.sql"
            connection = psycopg2.connect(server.dsn_of(name, tcp=True))
            try:
                with connection, connection.cursor() as cursor:
                    cursor.execute("CREATE SCHEMA long_task")
                address = address_of(connection)
            finally:
                connection.close()
            option = f"--output-file={output}"
            liquibase.run(db_dir or db_directory(), address, "update-sql", option)
            return _normal(output.read_text(encoding="utf-8"))
    finally:
        server.drop(name)


def schema_dump(server: Server, name: str) -> str:
    """The schema in ``name`` as pg_dump tells it, without what differs between releases."""
    done = subprocess.run(
        [
            server.embedded.bin_dir / "pg_dump",
            f"--dbname={server.dsn_of(name)}",
            "--schema-only",
            "--schema=long_task",
            "--no-owner",
            # Liquibase's own.
            "--exclude-table=long_task.databasechangelog*",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    text = re.sub(
        r"^(?:--.*|SET .*|SELECT pg_catalog.*|\\.*)\n", "", done.stdout, flags=re.MULTILINE
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _normal(text: str) -> str:
    for pattern in _OF_THE_MOMENT:
        text = re.sub(pattern, "", text, flags=re.MULTILINE)
    # The last column is DEPLOYMENT_ID, made from the time.
    text = re.sub(
        r"(INSERT INTO long_task\.databasechangelog .*), '\d+'\);$", r"\1, NULL);", text, flags=re.M
    )
    return _HEADER + re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def main(what: str) -> int:
    """Writes one of the files."""
    server = Server(find_versions().newest)
    try:
        match what:
            case "install-sql":
                path, text = db_directory() / "install.sql", install_sql(server)
            case "schema-dump":
                name = server.create_empty()
                migrate(server.dsn_of(name, tcp=True))
                path, text = SCHEMA_DUMP, schema_dump(server, name)
            case _:
                raise SystemExit(f"neither install-sql nor schema-dump: {what}")
    finally:
        server.close()
    path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
