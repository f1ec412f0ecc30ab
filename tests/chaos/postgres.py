"""Servers that may be stopped: one that is started again, and a pair of which one is promoted."""

import shutil

from psycopg2.extensions import make_dsn, parse_dsn

from pg_tasks.install.embedded import EmbeddedServer
from pg_tasks.install.postgres_programs import programs_for
from tests.servers import UNIX_ONLY, Database, Server, StopMode, control, find_versions
from tests.waiting import wait_until


def restart(server: EmbeddedServer, mode: StopMode) -> None:
    """Stops it and starts it again; ``immediate`` is a crash, after which it recovers."""
    control(server, "restart", "-m", mode)


_STANDBY = {"max_connections": "200"}
"""A standby refuses to start with fewer than its primary has."""


class Pair:
    """A primary and its synchronous standby, and a database with the schema on both."""

    def __init__(self) -> None:
        self._server = Server(find_versions().newest, UNIX_ONLY)
        self.primary = self._server.embedded
        self.primary_database = self._server.create_database()
        programs = programs_for(self.primary.bin_dir, self.primary.data_dir)
        data_dir = self._server.directory / "standby"
        data_dir.mkdir()
        cluster = data_dir / "postgresql"
        cluster.mkdir(mode=0o700)
        programs.give(cluster)
        programs.run(
            *("pg_basebackup", "-d", self.primary.dsn, "-D", str(cluster)),
            *("--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
        )
        self.standby = EmbeddedServer(
            data_dir, self.primary.bin_dir, settings={"fsync": "off", **_STANDBY, **UNIX_ONLY}
        )
        try:
            self.standby.start()
            self._run("ALTER SYSTEM SET synchronous_standby_names = '*'")
            self._run("SELECT pg_reload_conf()")
            wait_until(self._is_synchronous, describe="the standby to be synchronous")
        except BaseException:
            self.close()
            raise

    def database(self) -> Database:
        """As a client sees it: wherever it can be written to."""
        places = [parse_dsn(server.dsn) for server in (self.primary, self.standby)]
        dsn = make_dsn(
            host=",".join(place["host"] for place in places),
            port=",".join(place["port"] for place in places),
            user=places[0]["user"],
            dbname=self.primary_database.name,
            target_session_attrs="read-write",
        )
        return Database(self.primary_database.name, dsn)

    def fail_over(self) -> None:
        """The primary dies, and the standby is promoted."""
        control(self.primary, "stop", "-m", "immediate")
        control(self.standby, "promote")

    def close(self) -> None:
        """Stops both and removes all that there was of them."""
        self.primary_database.close()
        for server in (self.primary, self.standby):
            if server.is_running():
                control(server, "stop", "-m", "immediate")
        shutil.rmtree(self._server.directory)

    def _is_synchronous(self) -> bool:
        return self._run("SELECT FROM pg_stat_replication WHERE sync_state = 'sync'") == 1

    def _run(self, statement: str) -> int:
        connection = self.primary_database.connect()
        with connection.cursor() as cursor:
            cursor.execute(statement)
            count = cursor.rowcount
        connection.close()
        return count
