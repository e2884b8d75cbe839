"""Whether a detector that runs only near a cheap one's threshold is needed for a model.

Asked twice: by the scan, with the evidence so far, before it runs the detector; and by the
decision, which does not believe a scan that says "not needed". Only a cheap detector that passed,
far from its threshold, makes another one unnecessary; whatever else became of it does not.
"""

from dataclasses import dataclass

from xray_gate.core.evidence import DetectorEvidence, Evidence
from xray_gate.core.verdict import Outcome
from xray_gate.policy.detector_spec import OnlyNear
from xray_gate.policy.files import Policy
from xray_gate.policy.judgement import judge
from xray_gate.policy.rule import as_mapping, finite_number

NOT_NEEDED = "not needed: "


@dataclass(frozen=True)
class Need:
    """Whether a detector has to run; `reason` says what of the cheap ones it follows from."""

    is_there: bool
    reason: str


def need_of(policy: Policy, evidence: Evidence, name: str) -> Need:
    """Whether the detector `name` is needed, from what the evidence holds of the cheap ones."""
    spec = policy.document.detectors.named().get(name)
    if spec is None or spec.only_near is None:
        return Need(True, "it always runs")
    far: list[str] = []
    for cheap in spec.only_near.detectors:
        runs = [detector for detector in evidence.detectors if detector.name == cheap]
        if not runs:
            return Need(True, f"there is no evidence of {cheap}")
        for detector in runs:
            need = _near(policy, spec.only_near, evidence, detector)
            if need.is_there:
                return need
            far.append(need.reason)
    return Need(False, "; ".join(far))


def _near(policy: Policy, near: OnlyNear, evidence: Evidence, detector: DetectorEvidence) -> Need:
    judgement = judge(policy, evidence, detector)
    if judgement.outcome is not Outcome.PASSED:
        return Need(True, f"{detector.name} ended {judgement.outcome}")
    if detector.name == "trigger_sweep":
        return _near_a_finding(policy, near, detector)
    far: list[str] = []
    for statistic, threshold in judgement.thresholds.items():
        p, level = finite_number(threshold.get("p_value")), finite_number(threshold.get("level"))
        if p is None or level is None:
            return Need(True, f"how near {detector.name} is cannot be told from a fixed bound")
        if p <= level * near.factor:
            return Need(True, f"{detector.name}'s p = {p:.2g} for {statistic} is near {level:.2g}")
        far.append(f"{p:.2g}")
    if not far:
        return Need(True, f"{detector.name} was held against no bound")
    return Need(False, f"{detector.name}'s p = {', '.join(far)} is far from its level {level:.2g}")


def _near_a_finding(policy: Policy, near: OnlyNear, detector: DetectorEvidence) -> Need:
    spec = policy.document.detectors.trigger_sweep
    statistics = as_mapping(detector.statistics)
    p, excess = finite_number(statistics.get("p_value")), finite_number(statistics.get("excess"))
    if spec is None or p is None or excess is None:
        return Need(True, "how near trigger_sweep is cannot be told from its evidence")
    if p <= spec.level * near.factor:
        return Need(True, f"trigger_sweep's p = {p:.2g} is near its level {spec.level:g}")
    if excess >= -near.margin:
        return Need(
            True,
            f"trigger_sweep's strongest trigger has an excess of {excess:.2f}, within "
            f"{near.margin:g} of what is allowed",
        )
    return Need(False, f"trigger_sweep's p = {p:.2g} is far from its level {spec.level:g}")
