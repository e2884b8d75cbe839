"""What a policy makes of the evidence."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

_DAY = 86_400.0


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
class Excuse:
    """A reviewed exception that admits bytes in spite of one rule.

    `expires` is the day that it ends with the beginning of, as 2026-12-04; `until` the same moment
    in seconds since the epoch.
    """

    name: str
    rule: str
    ticket: str
    expires: str
    until: float


@dataclass(frozen=True)
class Decision:
    """The verdict with its reasons (never empty) and the judgement of every detector.

    `enforcement` is the mode at the place that asked, `at_promotion` the one at a promotion; None
    where they are the same. `undecided_class`: `not_applicable` for a model that says that it is no
    classifier of images. `unsafe_rule`: the policy's rule that admits what is undecided.
    `excused_by`: the exceptions that, together, admit what the verdict does not; else none.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    judgements: tuple[DetectorJudgement, ...]
    enforcement: Enforcement
    at_promotion: Enforcement | None = None
    undecided_class: Literal["not_applicable"] | None = None
    unsafe_rule: str | None = None
    excused_by: tuple[Excuse, ...] = ()

    @property
    def admits(self) -> bool:
        """Whether a version with this decision is let through at the place that asked."""
        return self._admitted_under(self.enforcement)

    @property
    def promotes(self) -> bool:
        """Whether it may be promoted."""
        return self._admitted_under(self.at_promotion or self.enforcement)

    @property
    def admits_until(self) -> float | None:
        """When the first of the exceptions ends (seconds since the epoch); None without any."""
        return min((excuse.until for excuse in self.excused_by), default=None)

    def _admitted_under(self, mode: Enforcement) -> bool:
        if self.verdict is Verdict.PASSED or mode is not Enforcement.ENFORCE:
            return True
        by_rule = self.verdict is Verdict.UNDECIDED and self.unsafe_rule is not None
        return by_rule or bool(self.excused_by)


def excuses_text(excuses: Sequence[Excuse], now: float | None = None) -> str:
    """`admitted by 1 exception, expires in 12 days (2026-12-04)`.

    Without `now` the day alone: for a text that is kept, and read later.
    """
    first = min(excuses, key=lambda excuse: excuse.until)
    count = f"{len(excuses)} exception{'s' if len(excuses) > 1 else ''}"
    if now is None:
        return f"admitted by {count}, expires on {first.expires}"
    return f"admitted by {count}, {expiry_text(first.until, now)} ({first.expires})"


def expiry_text(until: float, now: float) -> str:
    """`expires in 12 days`, a day that has begun counting as one, or `has expired`."""
    if until <= now:
        return "has expired"
    days = math.ceil((until - now) / _DAY)
    return f"expires in {days} day{'s' if days > 1 else ''}"


def undecided(reason: str) -> Decision:
    """What counts where no evidence can be judged, or none may count; admits in no mode."""
    return Decision(Verdict.UNDECIDED, (reason,), (), Enforcement.ENFORCE)


NO_POLICY = ("none", "")
"""Name and digest of the policy of such a decision."""
