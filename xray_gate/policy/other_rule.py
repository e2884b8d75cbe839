"""The rule for detectors of plug-ins: their statistics held against the policy's bounds."""

from collections.abc import Mapping
from typing import Any

from xray_gate.core.evidence import DetectorEvidence, Evidence
from xray_gate.core.verdict import DetectorJudgement, Outcome
from xray_gate.policy.files import Policy
from xray_gate.policy.other_spec import OtherBound, OtherSpec
from xray_gate.policy.rule import (
    NOT_NAMED,
    CannotJudge,
    as_mapping,
    finite_number,
    require_the_policys_settings,
)


def judge_other(
    policy: Policy, evidence: Evidence, detector: DetectorEvidence
) -> DetectorJudgement:
    """Failed where a statistic is beyond its bound; `CannotJudge` where none is set.

    A statistic that is missing does not hide another one that is beyond its bound.
    """
    spec = policy.document.detectors.others.get(detector.name)
    if spec is None:
        raise CannotJudge(NOT_NAMED)
    if not spec.thresholds:
        raise CannotJudge(
            "the policy sets no thresholds for it, so that it only informs; add "
            f"detectors.others.{detector.name}.thresholds for it to count"
        )
    require_the_policys_settings(policy, spec, evidence, detector)
    _require_no_other_parameters(spec, detector)
    scores = {b.statistic: _number(detector.statistics, b.statistic) for b in spec.thresholds}
    crossed = [
        f"{bound.statistic} {score:.4g} is beyond {bound.bound:.4g} ({bound.source})"
        for bound in spec.thresholds
        if (score := scores[bound.statistic]) is not None and _is_beyond(bound, score)
    ]
    thresholds = {b.statistic: b.model_dump(exclude={"statistic"}) for b in spec.thresholds}
    if crossed:
        return DetectorJudgement(detector.name, Outcome.FAILED, "; ".join(crossed), thresholds)
    if missing := [statistic for statistic, score in scores.items() if score is None]:
        raise CannotJudge(
            f"the evidence has no number for {', '.join(missing)}; correct the name in the "
            "policy's thresholds, or scan again"
        )
    reason = f"no score is beyond its bound ({', '.join(thresholds)})"
    return DetectorJudgement(detector.name, Outcome.PASSED, reason, thresholds)


def _require_no_other_parameters(spec: OtherSpec, detector: DetectorEvidence) -> None:
    measured = as_mapping(detector.parameters)
    unnamed = [name for name in measured if name not in {*spec.parameters, "query_budget"}]
    if unnamed:
        said = ", ".join(f"{name}: {measured[name]!r}" for name in sorted(unnamed))
        raise CannotJudge(
            f"it was measured with parameters that the policy does not name ({said}); add them to "
            f"detectors.others.{detector.name}.parameters, as they should be"
        )


def _number(statistics: Mapping[str, Any], path: str) -> float | None:
    value: Any = statistics
    for key in path.split("."):
        value = as_mapping(value).get(key)
    return finite_number(value)


def _is_beyond(bound: OtherBound, score: float) -> bool:
    return score <= bound.bound if bound.suspicious == "below" else score >= bound.bound
