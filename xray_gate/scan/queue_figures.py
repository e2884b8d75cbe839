"""How the work queue stands, in figures."""

from dataclasses import dataclass


@dataclass(frozen=True)
class QueueFigures:
    """Versions without a verdict.

    `waiting` may be claimed now, `leased` are with a runner, `retrying` may be claimed later, after
    a try that failed. `oldest_seconds` is the age of the oldest of all of them, 0 where there is
    none.
    """

    waiting: int
    leased: int
    retrying: int
    oldest_seconds: float
