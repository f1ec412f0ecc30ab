"""The node: turns rows of long_task.task into processes, and what became of them into rows.

``loop`` is the one place that sleeps, ``calls`` the one that knows SQL, ``link`` holds the
connection, ``session`` decides what to ask next, ``dispatch`` what the guardian is told;
``guardian_link`` starts it and talks with it.
"""

from pg_tasks.node.loop import Node

__all__ = ["Node"]
