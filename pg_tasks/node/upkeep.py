"""When a node tidies up for the policies of retention, in small steps between its other calls."""

from pg_tasks.node.calls import Maintained

REFUSED_PAUSE = 600.0
"""Seconds until a step is asked for again that failed: it cost the connection."""


class Upkeep:
    """Whose turn it is, the database says; here is only when to ask it."""

    def __init__(self) -> None:
        self.turn: int | None = None
        """The number under which the database knows this node's round."""
        self.at: float | None = None
        """When the next step is due; None: there is nothing to do."""
        self._not_before = 0.0

    def hear(self, now: float) -> None:
        """Something is due, and perhaps nobody is at it."""
        if self.at is None and now >= self._not_before:
            self.at = now

    def is_due(self, now: float) -> bool:
        """Whether a step is to be asked for."""
        return self.at is not None and now >= self.at

    def did(self, answer: Maintained, now: float) -> None:
        """A step was done, or somebody else is at it."""
        self.turn = answer.turn
        self.at = None if answer.again_in is None else now + answer.again_in

    def failed(self, now: float) -> None:
        """The call was not answered: tidying up must not cost one connection after the other."""
        self.turn = self.at = None
        self._not_before = now + REFUSED_PAUSE

    def stop(self) -> None:
        """Others will go on."""
        self.turn = self.at = None
