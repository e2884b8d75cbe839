"""The rule for Model X-ray: its scores held against the thresholds that the policy sets."""

from contextlib import suppress
from dataclasses import replace

from xray_gate.core.evidence import DetectorEvidence, Evidence
from xray_gate.core.verdict import DetectorJudgement, Outcome
from xray_gate.policy.f1_bounds import is_beyond
from xray_gate.policy.files import Policy
from xray_gate.policy.rule import (
    CannotJudge,
    as_mapping,
    label_text,
    require_the_policys_settings,
)
from xray_gate.policy.xray_check import Check, measured_score
from xray_gate.policy.xray_references import Comparison, compare, known_backdoor
from xray_gate.policy.xray_statistics import STATISTICS, names_of_statistics
from xray_gate.policy.xray_stopping import XrayStopping, why_stopped
from xray_gate.policy.xray_thresholds import CalibratedBounds, FixedBound, Thresholds

_ZEROS = {
    name: {s.rpartition(".")[2]: 0.0 for s in STATISTICS if s.startswith(f"{name}.")}
    for name in names_of_statistics()
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
    if known := known_backdoor(policy, evidence):
        return DetectorJudgement(detector.name, Outcome.FAILED, known)
    compared = _compare(policy, spec.thresholds, evidence, detector)
    if stopped := why_stopped(compared.checks, detector):
        compared.notes.append(stopped)
    return _conclude(policy, detector, compared)


def stopping_of(policy: Policy, evidence: Evidence, detector: DetectorEvidence) -> XrayStopping:
    """When a scan under this policy has drawn enough planes.

    `evidence` is that of the scan so far, and `detector` what it is to hold of model_xray, without
    results. Where the scores could not be judged anyway, nothing is worth more planes.
    """
    spec = policy.document.detectors.model_xray
    thresholds = spec.thresholds if spec else None
    checks: list[Check] = []
    if thresholds:
        # Bounds do not depend on the model's own scores, which nobody knows yet.
        blank = replace(detector, statistics=_ZEROS)
        with suppress(CannotJudge):
            checks = _compare(policy, thresholds, evidence, blank).checks
    return XrayStopping.by(checks, as_mapping(detector.parameters))


def _compare(
    policy: Policy, thresholds: Thresholds, evidence: Evidence, detector: DetectorEvidence
) -> Comparison:
    if isinstance(thresholds, CalibratedBounds):
        return compare(policy, thresholds, evidence, detector)
    return Comparison([_against_number(bound, detector) for bound in thresholds], [])


def _against_number(rule: FixedBound, detector: DetectorEvidence) -> Check:
    score = measured_score(detector, rule.statistic)
    threshold = {"bound": rule.bound, "suspicious": rule.suspicious, "source": rule.source}
    crossed = f"{rule.statistic} {score:.3f} is beyond {rule.bound:.3f} ({rule.source})"
    beyond = is_beyond(score, rule.bound, rule.suspicious)
    return Check(rule.statistic, threshold, crossed if beyond else None, rule.statistic)


def _conclude(
    policy: Policy, detector: DetectorEvidence, compared: Comparison
) -> DetectorJudgement:
    thresholds = {check.statistic: check.threshold for check in compared.checks}
    crossed = [check.crossed for check in compared.checks if check.crossed is not None]
    if not crossed:
        said = ", ".join(dict.fromkeys(check.unsuspicious for check in compared.checks))
        reason = "; ".join([f"no score is beyond its bound ({said})", *compared.notes])
        return DetectorJudgement(detector.name, Outcome.PASSED, reason, thresholds)
    suspects = ", ".join(
        f"{label_text(policy, suspect.label)}, {suspect.share:.0%} of the planes"
        for suspect in detector.suspected_labels
    )
    target = f"suspected target label {suspects}" if suspects else "no label stands out"
    reason = "; ".join([*crossed, target, *compared.notes])
    return DetectorJudgement(detector.name, Outcome.FAILED, reason, thresholds)
