"""Whether a runner works: it reaches the registry, its loop goes round, and it keeps its leases."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from xray_gate.core.errors import LeaseLost
from xray_gate.runner.events import (
    Claimed,
    Looked,
    LookFailed,
    Lost,
    PutBack,
    RenewalFailed,
    Renewed,
    RunnerEvent,
    Settled,
)

_LOSSES = 3


@dataclass(frozen=True)
class Health:
    """`reasons` is empty where all is well; each is a line with what to do next. In seconds."""

    reasons: tuple[str, ...]
    since_answer: float | None
    holding: float | None

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.reasons


class RunnerHealth:
    """An observer of one runner.

    `silent_after` is how many seconds the registry, or the loop where it holds no version, may be
    silent; well over the time between two renewals. A scan may take as long as it likes: while it
    runs, only its renewals tell. `timer` measures spans in seconds.
    """

    def __init__(self, silent_after: float, timer: Callable[[], float] = time.monotonic) -> None:
        self._silent_after = silent_after
        self._timer = timer
        self._lock = threading.Lock()
        self._answered: float | None = None
        self._turned = timer()
        self._held: float | None = None
        self._problem: Exception | None = None
        self._lost = 0

    def __call__(self, event: RunnerEvent) -> None:
        """Take note of an event."""
        now = self._timer()
        with self._lock:
            match event:
                case LookFailed(error=error) | RenewalFailed(error=error):
                    self._problem = error
                case _:
                    self._answered, self._problem = now, None
            match event:
                case Renewed() | RenewalFailed():
                    return
                case Claimed():
                    self._held = now
                case Settled() | PutBack():
                    self._held, self._lost = None, 0
                case Lost():
                    self._held, self._lost = None, self._lost + 1
                case Looked(idle=idle):
                    # Where nothing waits, others have decided what was lost.
                    self._held, self._lost = None, 0 if idle else self._lost
                case LookFailed():
                    self._held = None
            self._turned = now

    def check(self) -> Health:
        """How the runner is now."""
        now = self._timer()
        with self._lock:
            since = None if self._answered is None else now - self._answered
            holding = None if self._held is None else now - self._held
            return Health(tuple(self._reasons(since, now - self._turned)), since, holding)

    def _reasons(self, since_answer: float | None, since_turn: float) -> list[str]:
        found = []
        # The class alone: the text may name hosts, accounts and statements.
        why = "" if self._problem is None else f" ({type(self._problem).__name__})"
        if since_answer is None:
            found.append(f"the registry has not answered yet{why}; check --registry-uri")
        elif since_answer > self._silent_after and isinstance(self._problem, LeaseLost):
            found.append(
                f"the lease was lost, and the scan has gone on for {since_answer:.0f} s without; "
                "what it finds is dropped, so start the runner again if it does not end"
            )
        elif since_answer > self._silent_after:
            found.append(
                f"the registry has not answered for {since_answer:.0f} s{why}; check the database"
            )
        if self._held is None and since_turn > self._silent_after:
            found.append(
                f"the loop has not gone round for {since_turn:.0f} s; look at the log, then start "
                "the runner again"
            )
        if self._lost >= _LOSSES:
            found.append(
                f"{self._lost} leases in a row were lost; check the load of database and machine, "
                "or raise --lease-seconds"
            )
        return found
