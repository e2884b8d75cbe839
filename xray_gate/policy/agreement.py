"""Whether the detectors that found something are enough, by the policy's rule, to fail a version.

A suspicion that others do not share neither fails a version, which is what `all` and `weighted`
are chosen for, nor passes it: an attacker has to evade one detector only, and each is blind to
something. So it is left undecided and a person looks. A detector that failed in any of its runs
has failed: no second run dilutes it.
"""

from collections.abc import Collection, Sequence
from math import fsum

from xray_gate.core.verdict import DetectorJudgement, Outcome
from xray_gate.policy.decision_spec import DecisionSpec

# Sums of weights such as 0.1 and 0.2 must not miss a threshold by the last bit.
_ROUNDING = 1e-9


def why_not_enough(
    rule: DecisionSpec, required: Collection[str], judgements: Sequence[DetectorJudgement]
) -> str | None:
    """None where those that failed are enough; else the reason, with what to do next.

    `required` must have reached an outcome (passed or failed), except under `any`. At least one
    of the judgements is `failed`.
    """
    if rule.rule == "any":
        return None
    failed = _names(judgements, Outcome.FAILED)
    passed = [name for name in _names(judgements, Outcome.PASSED) if name not in failed]
    said = f"{' and '.join(failed)} found something"
    if absent := [name for name in required if name not in (*failed, *passed)]:
        return (
            f"{said}, but {' and '.join(absent)}, which the policy requires, reached no outcome, "
            f"so that the rule `{rule.rule}` cannot be applied; scan again"
        )
    look = "compare what they found in the report, and reject the version or have it scanned anew"
    if rule.rule == "all":
        if not passed:
            return None
        return (
            f"{said} and {' and '.join(passed)} did not, so the detectors do not agree (rule "
            f"`all`); {look}"
        )
    return _too_light(rule, failed, passed, f"{said}, but", look)


def _too_light(
    rule: DecisionSpec, failed: list[str], passed: list[str], said: str, look: str
) -> str | None:
    weights, threshold = rule.weights or {}, rule.threshold or 0.0
    mine = fsum(weights.get(name, 0.0) for name in failed)
    total = mine + fsum(weights.get(name, 0.0) for name in passed)
    if total == 0:
        return f"{said} no detector with a weight reached an outcome (rule `weighted`); {look}"
    if mine / total >= threshold - _ROUNDING:
        return None
    return (
        f"{said} with {mine:g} of {total:g} of the weight, {mine / total:.1%}, under the threshold "
        f"{threshold:.1%} (rule `weighted`); {look}"
    )


def _names(judgements: Sequence[DetectorJudgement], outcome: Outcome) -> list[str]:
    return list(dict.fromkeys(item.name for item in judgements if item.outcome is outcome))
