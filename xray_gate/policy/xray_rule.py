"""The rule for Model X-ray: its scores held against the thresholds that the policy sets."""

from typing import Any

from xray_gate.core.evidence import DetectorEvidence, Evidence
from xray_gate.core.verdict import DetectorJudgement, Outcome
from xray_gate.policy.calibration import (
    Calibration,
    Side,
    conformal_bound,
    differences,
    extreme_references,
    references_needed,
)
from xray_gate.policy.detector_specs import CalibratedBounds, FixedBound
from xray_gate.policy.files import Policy
from xray_gate.policy.rule import (
    CannotJudge,
    as_mapping,
    finite_number,
    label_text,
    require_the_policys_settings,
)

# Backdoored models have a low entropy and small areas; a large share of one label is suspicious.
_USUAL_SIDE: dict[str, Side] = {
    "renyi_entropy": "below",
    "ats": "below",
    "largest_share": "above",
    "horizon_agreement": "above",
}
_NO_THRESHOLDS = (
    "the scores depend on the architecture and the policy sets no thresholds for them; calibrate "
    "on clean models of the same kind (`xray-gate calibrate --clean ...`) and name the file in "
    "the policy"
)


def judge_xray(policy: Policy, evidence: Evidence, detector: DetectorEvidence) -> DetectorJudgement:
    """Failed where a score lies beyond its bound; raises `CannotJudge` without any bound."""
    spec = policy.document.detectors.model_xray
    if spec is None or not spec.thresholds:
        raise CannotJudge(_NO_THRESHOLDS)
    require_the_policys_settings(policy, spec, evidence, detector)
    rule = spec.thresholds
    if isinstance(rule, CalibratedBounds):
        calibration = _usable_calibration(policy, rule, evidence, detector)
        checks = [_against_references(rule, calibration, detector, s) for s in rule.statistics]
    else:
        checks = [_against_number(bound, detector) for bound in rule]
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
        raise CannotJudge(
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


def _usable_calibration(
    policy: Policy, rule: CalibratedBounds, evidence: Evidence, detector: DetectorEvidence
) -> Calibration:
    calibration = policy.calibration
    if calibration is None or evidence.probes is None:
        raise CannotJudge("the calibration or the probes are missing; scan with the policy's file")
    measured = {
        "parameters": dict(as_mapping(detector.parameters)),
        "seed": evidence.seed,
        "probes_sha256": evidence.probes.sha256,
        "preprocessing": as_mapping(evidence.environment).get("preprocessing"),
    }
    if differing := differences(calibration, measured):
        raise CannotJudge(
            f"the scan was not made as its calibration {calibration.name}: "
            f"{'; '.join(differing)}; scan with the calibration's settings or calibrate anew"
        )
    if not rule.unsafe_any_architecture:
        calibration = _of_the_same_architecture(calibration, evidence.model.architecture)
    for statistic in rule.statistics:
        if any(statistic not in reference.scores for reference in calibration.references):
            raise CannotJudge(
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
        raise CannotJudge(
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
    score = finite_number(as_mapping(as_mapping(detector.statistics).get(name)).get(pixel_range))
    if score is None:
        raise CannotJudge(
            f"the evidence has no number for {statistic}; scan again with this policy"
        )
    return score


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
        f"{label_text(policy, suspect.label)}, {suspect.share:.0%} of the planes"
        for suspect in detector.suspected_labels
    )
    target = f"suspected target label {suspects}" if suspects else "no label stands out"
    reason = "; ".join([*crossed, target])
    return DetectorJudgement(detector.name, Outcome.FAILED, reason, thresholds)
