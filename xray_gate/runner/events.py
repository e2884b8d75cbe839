"""What happens in a runner, told to those who count it, log it or judge its health."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Decision
from xray_gate.scan.work import Lease

_logger = logging.getLogger(__name__)


class FailureKind(StrEnum):
    """Why a try to scan a version came to nothing. Closed: never text that somebody gives.

    `policy`: no policy says what to do. `model`: what is registered cannot be scanned.
    `unavailable`: a store or a disk failed. `never_ended`: runners began it, and were gone.
    """

    POLICY = "policy"
    MODEL = "model"
    UNAVAILABLE = "unavailable"
    NEVER_ENDED = "never_ended"
    BUG = "bug"


@dataclass(frozen=True)
class Looked:
    """The registry was asked for work and answered; `idle` where there was none."""

    idle: bool


@dataclass(frozen=True)
class LookFailed:
    """The registry failed: when it was asked for work, or told what became of a version."""

    error: Exception


@dataclass(frozen=True)
class Claimed:
    """A version was taken. It is the runner's until one of the events below, or `LookFailed`."""

    lease: Lease


@dataclass(frozen=True)
class Renewed:
    """The lease was prolonged, so the registry answered."""

    lease: Lease


@dataclass(frozen=True)
class RenewalFailed:
    """The lease could not be prolonged; it is tried again."""

    lease: Lease
    error: Exception


@dataclass(frozen=True)
class Settled:
    """A verdict was recorded.

    `evidence` is None where nothing was scanned, `failure` where the scan came to its end.
    `gave_up`: it was the last try, and not the model failed.
    """

    lease: Lease
    decision: Decision
    evidence: Evidence | None = None
    failure: FailureKind | None = None
    gave_up: bool = False

    @property
    def is_dead_letter(self) -> bool:
        """Whether nobody tries again until a person asks for it."""
        return self.gave_up and not self.decision.admits


@dataclass(frozen=True)
class PutBack:
    """The version waits again, for `seconds` at least; `reason` is for people."""

    lease: Lease
    failure: FailureKind
    seconds: float
    reason: str


@dataclass(frozen=True)
class Lost:
    """The lease was no longer this runner's, and what it found is dropped."""

    lease: Lease


RunnerEvent = Looked | LookFailed | Claimed | Renewed | RenewalFailed | Settled | PutBack | Lost
Observer = Callable[[RunnerEvent], None]


def tell(observers: Sequence[Observer], event: RunnerEvent) -> None:
    """Tell every observer. One that fails is logged: no verdict waits for a counter."""
    for observer in observers:
        try:
            observer(event)
        except Exception:
            _logger.exception("an observer of the runner failed")
