"""What a policy makes of the evidence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal


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
    """What the gate does with a verdict; apart from the verdict itself.

    `enforce`: only a pass is admitted. `warn` and `audit`: any verdict is, and is kept; `warn` also
    tells the person, `audit` does not. `off`: no verdict is asked for.
    """

    ENFORCE = "enforce"
    WARN = "warn"
    AUDIT = "audit"
    OFF = "off"


class Place(StrEnum):
    """Where a policy is asked."""

    REGISTRATION = "registration"
    PROMOTION = "promotion"
    PULL_REQUEST = "pull_request"
    PRE_COMMIT = "pre_commit"


@dataclass(frozen=True)
class DetectorJudgement:
    """A rule applied to one detector's evidence; `thresholds` holds the bounds and their source."""

    name: str
    outcome: Outcome
    reason: str | None = None
    thresholds: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """The verdict with its reasons (never empty) and the judgement of every detector.

    `enforcement` is the mode at the place that asked, `at_promotion` the one at a promotion; None
    where they are the same. `undecided_class`: `not_applicable` for a model that says that it is no
    classifier of images. `unsafe_rule`: the policy's rule that admits what is undecided.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    judgements: tuple[DetectorJudgement, ...]
    enforcement: Enforcement
    at_promotion: Enforcement | None = None
    undecided_class: Literal["not_applicable"] | None = None
    unsafe_rule: str | None = None

    @property
    def admits(self) -> bool:
        """Whether a version with this decision is let through at the place that asked."""
        return self._admitted_under(self.enforcement)

    @property
    def promotes(self) -> bool:
        """Whether it may be promoted."""
        return self._admitted_under(self.at_promotion or self.enforcement)

    def _admitted_under(self, mode: Enforcement) -> bool:
        if self.verdict is Verdict.PASSED or mode is not Enforcement.ENFORCE:
            return True
        return self.verdict is Verdict.UNDECIDED and self.unsafe_rule is not None


def undecided(reason: str) -> Decision:
    """What counts where no evidence can be judged, or none may count; admits in no mode."""
    return Decision(Verdict.UNDECIDED, (reason,), (), Enforcement.ENFORCE)


NO_POLICY = ("none", "")
"""Name and digest of the policy of such a decision."""
