"""What can go wrong: a class for each way to react to it, whose docstring is its default text."""


class PgTasksError(Exception):
    """pg_tasks cannot go on"""

    def __init__(self, text: str | None = None, *, hint: str | None = None) -> None:
        """``text`` is one line for people; ``hint`` says how to mend it, in one line too."""
        super().__init__(text or type(self).__doc__)
        self.hint = hint

    def __str__(self) -> str:
        text = str(self.args[0])
        return f"{text} ({self.hint})" if self.hint else text


class SettingsError(PgTasksError):
    """a setting is wrong"""


class DatabaseAway(PgTasksError):
    """the database does not answer"""


class DatabaseRefused(PgTasksError):
    """the database answers, and refuses what it was asked"""


class SchemaMismatch(PgTasksError):
    """the schema of the database and this release of pg_tasks do not fit together"""


class SchemaMissing(DatabaseRefused):
    """the database lacks something of the schema"""

    def __init__(self, text: str, database: str) -> None:
        """``database``: its name."""
        super().__init__(text)
        self.database = database


class LeaseLost(PgTasksError):
    """the lease of the worker is lost"""


class GuardianDied(PgTasksError):
    """the guardian is gone"""


class ProtocolError(PgTasksError):
    """the guardian and the node do not understand each other"""


class MigrationError(PgTasksError):
    """the schema could not be brought up to date"""


class EmbeddedError(PgTasksError):
    """the embedded PostgreSQL cannot be used"""
