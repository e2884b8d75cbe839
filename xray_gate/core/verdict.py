"""What a policy makes of the evidence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """Only `passed` ever admits by itself."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"


class Outcome(StrEnum):
    """One detector's part in the verdict."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    ERRORED = "errored"
    SKIPPED = "skipped"


class Enforcement(StrEnum):
    """What the gate does with a verdict; apart from the verdict itself."""

    ENFORCE = "enforce"
    WARN = "warn"
    AUDIT = "audit"


@dataclass(frozen=True)
class DetectorJudgement:
    """A rule applied to one detector's evidence; `thresholds` holds the bounds and their source."""

    name: str
    outcome: Outcome
    reason: str | None = None
    thresholds: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """The verdict with its reasons (never empty) and the judgement of every detector."""

    verdict: Verdict
    reasons: tuple[str, ...]
    judgements: tuple[DetectorJudgement, ...]
    enforcement: Enforcement

    @property
    def admits(self) -> bool:
        """Whether a version with this decision may be promoted."""
        return self.verdict is Verdict.PASSED or self.enforcement is not Enforcement.ENFORCE


def undecided(reason: str) -> Decision:
    """What counts where no evidence can be judged, or none may count; admits in no mode."""
    return Decision(Verdict.UNDECIDED, (reason,), (), Enforcement.ENFORCE)


NO_POLICY = ("none", "")
"""Name and digest of the policy of such a decision."""
