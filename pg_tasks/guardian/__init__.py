"""The guardian: the small process that starts, captures, reaps, kills and fences task processes.

It is a child of the node and the parent of every task process; a socket connects the two
(``pg_tasks.messages``), and when that socket closes it kills everything it started and ends.

The path of an attempt, and where to read on::

    Start ─▶ loop ─▶ keeper.start ─▶ spawn            one posix_spawn, a session of its own
                        │            capture          stdout and stderr into a bounded tail
    Kill, timeout ─▶ attempt.Escalation               when TERM and KILL are due (pure)
    fence               │
                     keeper.reap, orphans, tree       wait4, and whatever is left behind
                        ▼
    Ended ◀─ loop ◀─ keeper.news, result              the end, with the checked result file

The guardian loads the standard library, ``pg_tasks.messages`` and ``pg_tasks.errors`` only, and of
the standard library only what is small: ``pathlib``, ``logging``, ``dataclasses`` and
``subprocess`` would make it a quarter larger and slower to start.
"""
