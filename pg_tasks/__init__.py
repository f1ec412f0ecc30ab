"""pg_tasks: a task runner that is driven by SQL alone.

``Node(settings).run()`` serves one worker until it is told to stop; everything else is a row.
The names below are loaded when they are first used, so that the guardian, which is part of the
package and must stay small, does not load a database driver.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pg_tasks.node import Node as Node
    from pg_tasks.settings import Settings as Settings
    from pg_tasks.settings import load as load_settings

__version__ = "0.1.0"
__all__ = ["Node", "Settings", "__version__", "load_settings"]


def __getattr__(name: str) -> object:
    match name:
        case "Node":
            from pg_tasks.node import Node

            return Node
        case "Settings":
            from pg_tasks.settings import Settings

            return Settings
        case "load_settings":
            from pg_tasks.settings import load

            return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
