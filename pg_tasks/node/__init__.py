"""The node: turns rows of long_task.task into processes, and what became of them into rows.

``loop`` is the one place that sleeps, ``calls`` the one that knows SQL, ``link`` holds the
connection, ``session`` decides what to ask next; the rest is bookkeeping without I/O.
"""

from pg_tasks.node.loop import Node

__all__ = ["Node"]
