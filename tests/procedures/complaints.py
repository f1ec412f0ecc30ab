"""What the doctor says, for those who ask it in tests."""

from typing import NamedTuple

from tests.procedures.acting import Sql
from tests.waiting import wait_until


class Finding(NamedTuple):
    """A row of long_task.doctor()."""

    severity: str
    code: str
    subject: str
    found: str
    advice: str


def ask(sql: Sql) -> list[Finding]:
    """All that the doctor finds."""
    return [Finding(*row) for row in sql.rows("SELECT * FROM long_task.doctor()")]


def about(sql: Sql, code: str, subject: str | None = None) -> list[Finding]:
    """The findings of one code, on all subjects or one."""
    return [
        finding
        for finding in ask(sql)
        if finding.code == code and subject in (None, finding.subject)
    ]


def only(sql: Sql, code: str, subject: str | None = None) -> Finding:
    """The one finding of a code, or of a code on a subject."""
    (finding,) = about(sql, code, subject)
    return finding


def wait_for(sql: Sql, code: str, *, there: bool = True) -> list[Finding]:
    """The same for what the server needs a moment for; ``there`` False: until it is gone."""
    return wait_until(
        lambda: about(sql, code), lambda found: bool(found) is there, describe=f"{code} {there}"
    )
