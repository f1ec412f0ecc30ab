"""A network of one node's own, with a cable to this machine that can be pulled."""

import os
import subprocess

from tests.chaos.proxy import Proxy
from tests.servers import Database

_NOBODY = "02:00:00:00:00:01"
"""A hardware address that no interface has."""


class Cable:
    """A network namespace and a pair of virtual interfaces. Needs root and iproute2.

    Unlike a proxy it does not acknowledge what does not arrive, so that TCP itself has to notice.
    """

    def __init__(self, database: Database) -> None:
        number = os.getpid()
        self._namespace = f"pg_tasks-{number}"
        self._near, self._far = f"pgt{number}n", f"pgt{number}f"
        inside = ("-n", self._namespace)
        # A network of four addresses for each process: tests run beside each other.
        base = number * 4 % 65536
        near, far = (f"10.213.{(base + n) // 256}.{(base + n) % 256}" for n in (1, 2))
        self._neighbours = (
            ((), (far, "dev", self._near)),
            (inside, (near, "dev", self._far)),
        )
        _ip("netns", "add", self._namespace)
        try:
            _ip(
                *("link", "add", self._near, "type", "veth"),
                *("peer", "name", self._far, "netns", self._namespace),
            )
            _ip("address", "add", f"{near}/30", "dev", self._near)
            _ip("link", "set", self._near, "up")
            _ip(*inside, "address", "add", f"{far}/30", "dev", self._far)
            _ip(*inside, "link", "set", self._far, "up")
            self._proxy = Proxy(database, near)
        except BaseException:
            _ip("netns", "delete", self._namespace)
            raise
        self.dsn = self._proxy.dsn
        self.prefix = ("ip", "netns", "exec", self._namespace)
        """Words before the command line of what is to use the cable."""

    def pull(self) -> None:
        """From now on every packet is lost, and no interface knows of it."""
        for namespace, place in self._neighbours:
            _ip(*namespace, "neigh", "replace", *place, "lladdr", _NOBODY, "nud", "permanent")

    def plug(self) -> None:
        """From now on packets arrive."""
        for namespace, place in self._neighbours:
            _ip(*namespace, "neigh", "delete", *place)

    def close(self) -> None:
        """Removes all of it; the interfaces go with the namespace."""
        self._proxy.close()
        _ip("netns", "delete", self._namespace)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
