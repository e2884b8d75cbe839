"""The rules of a policy as they were applied to a version, and what it would take to pass them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Decision, Outcome, Verdict
from xray_gate.policy.files import Policy
from xray_gate.report.measures import Measure, measures, number
from xray_gate.scan.work import VersionKey, VersionState

_OTHER_SIDE = {"below": "above", "above": "below"}
_MISSING = "missing"


@dataclass(frozen=True)
class AppliedRule:
    """A detector's rule; `numbers` are the scores that were held against a bound.

    `outcome` is one of `Outcome`, or `missing` where the policy names the detector and the scan
    holds nothing of it.
    """

    detector: str
    mode: str
    outcome: str
    reason: str | None
    numbers: tuple[Measure, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "detector": self.detector,
            "mode": self.mode,
            "outcome": self.outcome,
            "reason": self.reason,
            "numbers": [
                {
                    "statistic": one.key,
                    "measured": one.score,
                    "bound": one.bound,
                    "suspicious": one.suspicious,
                    "source": one.source,
                    "beyond": one.beyond,
                }
                for one in self.numbers
            ],
        }


def applied_rules(policy: Policy, evidence: Evidence, decision: Decision) -> list[AppliedRule]:
    """Each detector of the scan, and each that the policy uses and nobody measured."""
    found = [
        AppliedRule(
            detector.name,
            policy.document.detectors.mode(detector.name),
            judgement.outcome.value,
            judgement.reason,
            tuple(
                one
                for one in measures(detector.statistics, judgement.thresholds)
                if one.bound is not None
            ),
        )
        for detector, judgement in zip(evidence.detectors, decision.judgements, strict=True)
    ]
    measured = {detector.name for detector in evidence.detectors}
    unmeasured = [
        AppliedRule(name, spec.mode, _MISSING, "the scan holds no evidence of it")
        for name, spec in policy.document.detectors.named().items()
        if name not in measured and spec.mode != "off"
    ]
    return found + unmeasured


def remedies(
    key: VersionKey, state: VersionState, rules: list[AppliedRule], verdict: Verdict
) -> list[str]:
    """What would have to be otherwise for a pass; empty where the version passed."""
    if verdict is Verdict.PASSED:
        return []
    if verdict is Verdict.FAILED:
        return [
            *_beyond(rules),
            "by another model, registered as a new version; where this is a false alarm, by a "
            "policy that says otherwise (`xray-gate policy replay` shows what else it would admit)",
        ]
    again = ""
    if state in (VersionState.REFUSED, VersionState.DEAD_LETTER):
        again = f", and then `xray-gate rescan {key.arguments}`"
    return [f"the next step that the reasons name{again}"]


def _beyond(rules: list[AppliedRule]) -> Iterator[str]:
    for rule in rules:
        if rule.outcome != Outcome.FAILED:
            continue
        crossed = [one for one in rule.numbers if one.beyond]
        if not crossed:
            yield f"{rule.detector}: that it finds nothing"
        for one in crossed:
            yield f"{rule.detector}: {one.key} {_wanted(one)}"


def _wanted(measure: Measure) -> str:
    score, bound = number(measure.score or 0.0), number(measure.bound or 0.0)
    return f"{_OTHER_SIDE.get(measure.suspicious or '', 'beside')} {bound}; it is {score}"
