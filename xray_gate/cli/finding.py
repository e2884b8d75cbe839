"""What `xray-gate doctor` says of one thing that must hold."""

from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """What a check found; `SKIPPED` where another finding stands in its way."""

    OK = "ok"
    WRONG = "wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """One check. `text` is a line; `details` are the things that it is about, one each."""

    check: str
    outcome: Outcome
    text: str
    details: list[str] = field(default_factory=list)


def finding(check: str, well: bool, text: str, details: list[str] | None = None) -> Finding:
    """A check that held, or did not."""
    return Finding(check, Outcome.OK if well else Outcome.WRONG, text, details or [])
