"""One detector's evidence held against the rule that the policy sets for it."""

from xray_gate.core.evidence import DetectorEvidence, Evidence, RunState
from xray_gate.core.verdict import DetectorJudgement, Outcome
from xray_gate.policy.b3d_rule import judge_b3d
from xray_gate.policy.dtinspector_rule import judge_dtinspector
from xray_gate.policy.files import Policy
from xray_gate.policy.other_rule import judge_other
from xray_gate.policy.rule import CannotJudge, Rule
from xray_gate.policy.sweep_rule import judge_sweep
from xray_gate.policy.xray_rule import judge_xray

RULES: dict[str, Rule] = {
    "model_xray": judge_xray,
    "trigger_sweep": judge_sweep,
    "b3d": judge_b3d,
    "dtinspector": judge_dtinspector,
}


def judge(policy: Policy, evidence: Evidence, detector: DetectorEvidence) -> DetectorJudgement:
    """The outcome of one detector under `policy`. Pure; anything unclear is inconclusive."""
    if detector.state is not RunState.COMPLETED:
        return DetectorJudgement(detector.name, Outcome(detector.state.value), detector.reason)
    rule = _rule_for(policy, detector.name)
    if rule is None:
        reason = "the policy has no rule for this detector"
        return DetectorJudgement(detector.name, Outcome.INCONCLUSIVE, reason)
    if policy.document.detectors.mode(detector.name) == "off":
        reason = f"it was measured, but the policy {policy.name} does not use it"
        return DetectorJudgement(detector.name, Outcome.SKIPPED, reason)
    try:
        return rule(policy, evidence, detector)
    except CannotJudge as error:
        return DetectorJudgement(detector.name, Outcome.INCONCLUSIVE, str(error))


def _rule_for(policy: Policy, name: str) -> Rule | None:
    others = policy.document.detectors.others
    return RULES.get(name) or (judge_other if name in others else None)
