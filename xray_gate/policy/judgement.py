"""One detector's scores held against the thresholds that the policy sets for them."""

import math
from typing import Any

from xray_gate.core.evidence import DetectorEvidence, Evidence, RunState
from xray_gate.core.verdict import DetectorJudgement, Outcome
from xray_gate.policy.calibration import (
    Calibration,
    Side,
    conformal_bound,
    differences,
    extreme_references,
    references_needed,
)
from xray_gate.policy.document import CalibratedBounds, FixedBound
from xray_gate.policy.files import Policy

# Backdoored models have a low entropy and small areas; a large share of one label is suspicious.
_USUAL_SIDE: dict[str, Side] = {
    "renyi_entropy": "below",
    "ats": "below",
    "largest_share": "above",
}
_SETTINGS = ("eta", "size", "planes", "alpha", "cap", "pixel_ranges")
_NO_THRESHOLDS = (
    "the scores depend on the architecture and the policy sets no thresholds for them; calibrate "
    "on clean models of the same kind (`xray-gate calibrate --clean ...`) and name the file in "
    "the policy"
)


class _CannotJudge(Exception):
    """The evidence cannot be held against the thresholds; the text is the reason."""


def judge(policy: Policy, evidence: Evidence, detector: DetectorEvidence) -> DetectorJudgement:
    """The outcome of one detector under `policy`. Pure; anything unclear is inconclusive."""
    if detector.state is not RunState.COMPLETED:
        return DetectorJudgement(detector.name, Outcome(detector.state.value), detector.reason)
    if detector.name != "model_xray":
        return _inconclusive(detector, "the policy has no rule for this detector")
    rule = policy.document.detectors.model_xray.thresholds
    if not rule:
        return _inconclusive(detector, _NO_THRESHOLDS)
    try:
        _require_the_policys_settings(policy, evidence, detector)
        if isinstance(rule, CalibratedBounds):
            calibration = _usable_calibration(policy, rule, evidence, detector)
            checks = [_against_references(rule, calibration, detector, s) for s in rule.statistics]
        else:
            checks = [_against_number(bound, detector) for bound in rule]
    except _CannotJudge as reason:
        return _inconclusive(detector, str(reason))
    thresholds = {statistic: threshold for statistic, threshold, _ in checks}
    crossed = [text for _, _, text in checks if text]
    return _conclude(policy, detector, crossed, thresholds)


_Check = tuple[str, dict[str, Any], str | None]


def _against_number(rule: FixedBound, detector: DetectorEvidence) -> _Check:
    score = _score(detector, rule.statistic)
    threshold = {"bound": rule.bound, "suspicious": rule.suspicious, "source": rule.source}
    # The paper's rule (section 4.2): infected if the mean is at most gamma.
    beyond = score <= rule.bound if rule.suspicious == "below" else score >= rule.bound
    crossed = f"{rule.statistic} {score:.3f} is beyond {rule.bound:.3f} ({rule.source})"
    return rule.statistic, threshold, crossed if beyond else None


def _against_references(
    rule: CalibratedBounds, calibration: Calibration, detector: DetectorEvidence, statistic: str
) -> _Check:
    side = _side(rule, statistic)
    level = rule.level / len(rule.statistics)
    references = [reference.scores[statistic] for reference in calibration.references]
    bound = conformal_bound(references, level, side)
    if bound is None:
        needed = references_needed(level / 2 if side == "both" else level)
        raise _CannotJudge(
            f"{calibration.name} has {len(references)} clean references, too few for level "
            f"{rule.level:g} over {len(rule.statistics)} statistic(s), which takes {needed}; "
            "calibrate on more models or judge fewer statistics"
        )
    score = _score(detector, statistic)
    extreme = extreme_references(score, references, side)
    sides = 2 if side == "both" else 1
    p = min(1.0, sides * (1 + extreme) / (len(references) + 1))
    threshold = {
        "bound": bound.high if side == "above" else bound.low,
        "suspicious": side,
        "level": level,
        "p_value": p,
        "source": f"calibration {calibration.title()}",
    }
    if side == "both":
        threshold["upper_bound"] = bound.high
    crossed = (
        f"{statistic} {score:.3f} lies beyond {len(references) - extreme} of {len(references)} "
        f"clean references (p = {p:.3f}, level {level:.3g})"
    )
    return statistic, threshold, crossed if bound.is_suspicious(score) else None


def _require_the_policys_settings(
    policy: Policy, evidence: Evidence, detector: DetectorEvidence
) -> None:
    """Evidence may come from another policy: of the runner, of a copy's origin, of last week."""
    spec = policy.document.detectors.model_xray.model_dump(mode="json")
    wanted = {name: spec[name] for name in _SETTINGS}
    wanted["preprocessing"] = policy.document.preprocessing.model_dump(mode="json")
    measured = {name: detector.parameters.get(name) for name in _SETTINGS}
    measured["preprocessing"] = evidence.environment.get("preprocessing")
    if policy.document.classes is not None:
        wanted["classes"], measured["classes"] = policy.document.classes, evidence.model.classes
    differing = [
        f"{name} was {measured[name]!r}, and the policy says {wanted[name]!r}"
        for name in wanted
        if measured[name] != wanted[name]
    ]
    if differing:
        raise _CannotJudge(
            f"the scan was not made as the policy {policy.name} says: {'; '.join(differing)}; "
            "register the version again to have it scanned under this policy"
        )


def _usable_calibration(
    policy: Policy, rule: CalibratedBounds, evidence: Evidence, detector: DetectorEvidence
) -> Calibration:
    calibration = policy.calibration
    if calibration is None or evidence.probes is None:
        raise _CannotJudge("the calibration or the probes are missing; scan with the policy's file")
    measured = {
        "parameters": dict(detector.parameters),
        "seed": evidence.seed,
        "probes_sha256": evidence.probes.sha256,
        "preprocessing": evidence.environment.get("preprocessing"),
    }
    if differing := differences(calibration, measured):
        raise _CannotJudge(
            f"the scan was not made as its calibration {calibration.name}: "
            f"{'; '.join(differing)}; scan with the calibration's settings or calibrate anew"
        )
    if not rule.unsafe_any_architecture:
        calibration = _of_the_same_architecture(calibration, evidence.model.architecture)
    for statistic in rule.statistics:
        if any(statistic not in reference.scores for reference in calibration.references):
            raise _CannotJudge(
                f"{calibration.name} has no scores for {statistic}; calibrate anew with this policy"
            )
    return calibration


def _of_the_same_architecture(calibration: Calibration, architecture: str | None) -> Calibration:
    same = [
        reference
        for reference in calibration.references
        if architecture is not None and reference.architecture == architecture
    ]
    if not same:
        raise _CannotJudge(
            f"the model's architecture is none of those in the calibration {calibration.name}, "
            "and the scores follow the architecture; calibrate on clean models of this one"
        )
    return calibration.model_copy(update={"references": same})


def _side(rule: CalibratedBounds, statistic: str) -> Side:
    # Typed keys of the policy; a plain string finds the same entry.
    chosen: dict[str, Side] = {str(key): side for key, side in rule.suspicious.items()}
    return chosen.get(statistic) or _USUAL_SIDE[statistic.partition(".")[0]]


def _score(detector: DetectorEvidence, statistic: str) -> float:
    name, _, pixel_range = statistic.partition(".")
    value = detector.statistics.get(name)
    score = value.get(pixel_range) if isinstance(value, dict) else None
    # NaN compares as harmless with every bound, so it must not get as far as a comparison.
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        raise _CannotJudge(
            f"the evidence has no number for {statistic}; scan again with this policy"
        )
    return float(score)


def _inconclusive(detector: DetectorEvidence, reason: str) -> DetectorJudgement:
    return DetectorJudgement(detector.name, Outcome.INCONCLUSIVE, reason)


def _conclude(
    policy: Policy,
    detector: DetectorEvidence,
    crossed: list[str],
    thresholds: dict[str, Any],
) -> DetectorJudgement:
    if not crossed:
        reason = f"no score is beyond its bound ({', '.join(thresholds)})"
        return DetectorJudgement(detector.name, Outcome.PASSED, reason, thresholds)
    suspects = ", ".join(
        f"{_label(policy, suspect.label)}, {suspect.share:.0%} of the planes"
        for suspect in detector.suspected_labels
    )
    target = f"suspected target label {suspects}" if suspects else "no label stands out"
    reason = "; ".join([*crossed, target])
    return DetectorJudgement(detector.name, Outcome.FAILED, reason, thresholds)


def _label(policy: Policy, label: int) -> str:
    names = policy.document.class_names or []
    return f"{label} ({names[label]})" if label < len(names) else str(label)
