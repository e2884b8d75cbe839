"""A scan of Model X-ray held against the reference models of its own family."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xray_gate.core.evidence import DetectorEvidence, Evidence
from xray_gate.policy.calibration import (
    Calibration,
    Reference,
    differences,
    measured_settings,
    other_versions,
)
from xray_gate.policy.conformal import (
    conformal_bound,
    conformal_p_value,
    extreme_references,
)
from xray_gate.policy.f1_bounds import (
    f1_bounds,
    f1_side,
    group_sizes,
    is_beyond,
    refused_clean,
)
from xray_gate.policy.files import Policy
from xray_gate.policy.rule import CannotJudge
from xray_gate.policy.sufficiency import Demand
from xray_gate.policy.xray_check import Check, measured_score
from xray_gate.policy.xray_thresholds import CalibratedBounds


@dataclass(frozen=True)
class Comparison:
    """The checks, and what has to be said beside them: what they promise, other versions."""

    checks: list[Check]
    notes: list[str]


def compare(
    policy: Policy, rule: CalibratedBounds, evidence: Evidence, detector: DetectorEvidence
) -> Comparison:
    """Hold every statistic of `rule` against the references; raises `CannotJudge`."""
    calibration = _usable_calibration(policy, rule, evidence, detector)
    by_rule = _by_f1 if rule.method == "f1" else _by_rank
    compared = by_rule(rule, calibration, detector)
    if itself := _reference_of(calibration, evidence):
        compared.notes.append(
            f"the model is one of the references itself ({itself.name}), so its score says little"
        )
    if versions := other_versions(calibration, evidence):
        compared.notes.append(f"scanned with {'; '.join(versions)}")
    return compared


def known_backdoor(policy: Policy, evidence: Evidence) -> str | None:
    """Why the model fails whatever its scores are: it is a reference with a backdoor."""
    calibration = policy.calibration
    known = None if calibration is None else _reference_of(calibration, evidence)
    if known is None or known.group is None:
        return None
    return f"its files are those of {known.name}, a reference with a backdoor ({known.group})"


def _reference_of(calibration: Calibration, evidence: Evidence) -> Reference | None:
    digest = evidence.model.digest
    return next((item for item in calibration.references if item.digest == digest), None)


def _by_rank(
    rule: CalibratedBounds, calibration: Calibration, detector: DetectorEvidence
) -> Comparison:
    clean = calibration.clean
    needed = Demand.of(rule).references(rule.level)
    if len(clean) < needed:
        raise CannotJudge(
            f"{calibration.name} has {len(clean)} clean references of this architecture, too few "
            f"for level {rule.level:g} over {len(rule.statistics)} statistic(s), which takes "
            f"{needed}; calibrate on more models or judge fewer statistics"
        )
    checks = [_rank(rule, calibration, detector, statistic) for statistic in rule.statistics]
    return Comparison(checks, [_promise(rule.level, len(clean))])


def _rank(
    rule: CalibratedBounds, calibration: Calibration, detector: DetectorEvidence, statistic: str
) -> Check:
    side = rule.side(statistic)
    level = rule.level / len(rule.statistics)
    references = [reference.scores[statistic] for reference in calibration.clean]
    bound = conformal_bound(references, level, side)
    # Enough references for the statistic that takes most are enough for each.
    assert bound is not None
    score = measured_score(detector, statistic)
    p = conformal_p_value(score, references, side)
    threshold = {
        "bound": bound.high if side == "above" else bound.low,
        "suspicious": side,
        "level": level,
        "p_value": p,
        "source": f"calibration {calibration.title()}",
        "meaning": _promise(level, len(references)),
    }
    if side == "both":
        threshold["upper_bound"] = bound.high
    extreme = extreme_references(score, references, side)
    crossed = (
        f"{statistic} {score:.3f} lies beyond {len(references) - extreme} of {len(references)} "
        f"clean references (p = {p:.3f}, level {level:.3g})"
    )
    beyond = bound.is_suspicious(score)
    return Check(statistic, threshold, crossed if beyond else None, f"{statistic}, p = {p:.3f}")


def _promise(level: float, references: int) -> str:
    return (
        f"of clean models exchangeable with these {references} references at most "
        f"{100 * level:.3g} % are refused"
    )


def _by_f1(
    rule: CalibratedBounds, calibration: Calibration, detector: DetectorEvidence
) -> Comparison:
    references = calibration.references
    groups = group_sizes(references)
    if not groups or not calibration.clean:
        raise CannotJudge(
            f"{calibration.name} has {len(calibration.clean)} clean and {sum(groups.values())} "
            "backdoored references of this architecture, and method f1 takes both; calibrate on "
            "both (`xray-gate calibrate --clean ... --backdoored ...`)"
        )
    bounds = f1_bounds(rule, references)
    checks = [
        _beyond_f1(rule, calibration, detector, statistic, bound)
        for statistic, bound in bounds.items()
    ]
    note = (
        "these thresholds promise no false-positive rate: "
        f"{refused_clean(rule, bounds, references)}"
    )
    return Comparison(checks, [note])


def _beyond_f1(
    rule: CalibratedBounds,
    calibration: Calibration,
    detector: DetectorEvidence,
    statistic: str,
    bound: float,
) -> Check:
    side = f1_side(rule, statistic)
    score = measured_score(detector, statistic)
    groups = group_sizes(calibration.references)
    threshold: dict[str, Any] = {
        "bound": bound,
        "suspicious": side,
        "source": f"calibration {calibration.title()}",
        "meaning": (
            f"Eq. 6: the mean, over {len(groups)} group(s) of backdoored references "
            f"({', '.join(groups)}), of the threshold with the highest F1; no false-positive rate "
            f"is promised: {refused_clean(rule, {statistic: bound}, calibration.references)}"
        ),
    }
    crossed = f"{statistic} {score:.3f} is beyond {bound:.3f} (Eq. 6 on {calibration.title()})"
    beyond = is_beyond(score, bound, side)
    return Check(statistic, threshold, crossed if beyond else None, statistic)


def _usable_calibration(
    policy: Policy, rule: CalibratedBounds, evidence: Evidence, detector: DetectorEvidence
) -> Calibration:
    calibration = policy.calibration
    if calibration is None or evidence.probes is None:
        raise CannotJudge("the calibration or the probes are missing; scan with the policy's file")
    if differing := differences(calibration.settings, measured_settings(evidence, detector)):
        raise CannotJudge(
            f"the scan was not made as its calibration {calibration.name}: "
            f"{'; '.join(differing)}; scan with the calibration's settings or calibrate anew"
        )
    if not rule.unsafe_any_architecture:
        calibration = _of_the_same_architecture(calibration, evidence.model.architecture)
    if lacking := without_scores(rule, calibration.references):
        raise CannotJudge(
            f"{calibration.name} has no scores for {', '.join(lacking)}; calibrate anew with this "
            "policy"
        )
    return calibration


def without_scores(rule: CalibratedBounds, references: Sequence[Reference]) -> list[str]:
    """The judged statistics that some of the references have no score for."""
    return [
        statistic
        for statistic in rule.statistics
        if any(statistic not in reference.scores for reference in references)
    ]


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
