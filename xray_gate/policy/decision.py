"""The decision: a pure function of a policy and the evidence. Only `passed` ever admits by itself.

The rules, in the order in which they are applied:

1. No evidence at all: undecided.
2. Accuracy on the probes under `min_probe_accuracy`: undecided, since a wrong range, layout or
   label order fakes any score.
3. A detector that found something (`failed`), whether required or optional: failed, where the
   policy's rule does not ask for more (`agreement`). Then only, an obstacle (the model could not be
   opened, or not be asked to the end): undecided.
4. A detector that crashed, or a required one that is inconclusive, skipped or missing: undecided.
   An optional one that is inconclusive or skipped leaves the verdict to the others, and so does one
   that the policy itself wants to run only near another's threshold, where this evidence bears
   out that it was not needed (`escalation`).
5. One that found something, but too few did by the rule: undecided, or passed with a note where the
   policy says `unsafe_pass_if_outvoted`.
   What is undecided by any of these rules is admitted where the policy says
   `unsafe_admit_undecided`; where the model says that it is no classifier of images, also by
   `unsafe_admit_not_applicable`. The verdict stays undecided. Neither rule is for what a detector
   suspects, nor for files that could not be fetched.
6. Else passed; every required detector, and at least one, has passed then.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Literal

from xray_gate.core.evidence import DetectorEvidence, Evidence, RunState
from xray_gate.core.verdict import Decision, DetectorJudgement, Outcome, Place, Verdict
from xray_gate.policy.agreement import why_not_enough
from xray_gate.policy.conditions import unchecked_code, unmet_condition
from xray_gate.policy.escalation import NOT_NEEDED, need_of
from xray_gate.policy.files import Policy
from xray_gate.policy.judgement import judge

_NEVER_SEEN = "unknown"


def decide(policy: Policy, evidence: Evidence, place: Place = Place.REGISTRATION) -> Decision:
    """Apply `policy` to `evidence`; no I/O, no clock, the same answer every time.

    The verdict is the same at every place; what it leads to depends on the mode there.
    """
    judgements = tuple(_judged(policy, evidence, detector) for detector in evidence.detectors)
    verdict, reasons = _verdict(policy, evidence, judgements)
    undecided_class = _undecided_class(policy, evidence) if verdict is Verdict.UNDECIDED else None
    mode, at_promotion = policy.document.mode(place), policy.document.mode(Place.PROMOTION)
    other = None if at_promotion is mode else at_promotion
    rule = None
    if verdict is Verdict.UNDECIDED and _may_be_admitted(evidence, judgements):
        rule = _unsafe_rule(policy, undecided_class)
    if rule is not None:
        reasons = [*reasons, f"admitted all the same by {rule}"]
    return Decision(verdict, tuple(reasons), judgements, mode, other, undecided_class, rule)


def _undecided_class(policy: Policy, evidence: Evidence) -> Literal["not_applicable"] | None:
    # What was asked after all is a classifier, whatever it says.
    asked = evidence.probes is not None or evidence.obstacle is None
    if asked or evidence.not_applicable is None or unchecked_code(policy, evidence) is not None:
        return None
    return "not_applicable"


def _may_be_admitted(evidence: Evidence, judgements: tuple[DetectorJudgement, ...]) -> bool:
    """No rule admits what a detector suspects, nor bytes that were never seen."""
    suspected = any(item.outcome is Outcome.FAILED for item in judgements)
    return not suspected and evidence.model.digest != _NEVER_SEEN


def _unsafe_rule(policy: Policy, undecided_class: str | None) -> str | None:
    if undecided_class is not None and policy.document.unsafe_admit_not_applicable:
        return "unsafe_admit_not_applicable"
    return "unsafe_admit_undecided" if policy.document.unsafe_admit_undecided else None


def leaves_something_open(policy: Policy, evidence: Evidence, decision: Decision) -> bool:
    """Whether, besides what detectors found, something stood in the way of a pass.

    Of a version that failed the reasons do not say so: a finding is enough.
    """
    if evidence.probes is None or evidence.obstacle is not None:
        return True
    if decision.verdict is Verdict.UNDECIDED:
        return True
    found = {item.name for item in decision.judgements if item.outcome is Outcome.FAILED}
    required = [name for name in _required(policy, evidence) if name not in found]
    others = [item for item in decision.judgements if item.outcome is not Outcome.FAILED]
    return any(True for _ in _doubts(required, others))


def _judged(policy: Policy, evidence: Evidence, detector: DetectorEvidence) -> DetectorJudgement:
    """As `judge`; why a detector did not run is said anew, by this policy."""
    judgement = judge(policy, evidence, detector)
    mode = policy.document.detectors.mode(detector.name)
    if judgement.outcome is not Outcome.SKIPPED or mode == "off":
        return judgement
    need, said = need_of(policy, evidence, detector.name), judgement.reason or ""
    if not need.is_there:
        return replace(judgement, reason=f"{NOT_NEEDED}{need.reason}")
    if said.startswith(NOT_NEEDED):
        reason = (
            f"the scan left it out, but under the policy {policy.name} it is needed: "
            f"{need.reason}; register the version again to have it scanned under this policy"
        )
        return replace(judgement, reason=reason)
    return judgement


def _verdict(
    policy: Policy, evidence: Evidence, judgements: tuple[DetectorJudgement, ...]
) -> tuple[Verdict, list[str]]:
    if evidence.probes is None:
        missing = "no probes were asked; scan again with a probe set"
        return Verdict.UNDECIDED, [evidence.obstacle or missing]
    accuracy, least = evidence.probes.accuracy, policy.document.min_probe_accuracy
    # `not >=`, so that an accuracy that is no number does not slip through.
    if not accuracy >= least:
        return Verdict.UNDECIDED, [
            f"the model is right on {accuracy:.1%} of the probes, under min_probe_accuracy "
            f"{least:.1%}: the pixel range, the layout or the order of the labels is probably not "
            "what the model expects; correct `preprocessing` in the policy or the probes"
        ]
    required = _required(policy, evidence)
    passed = [item for item in judgements if item.outcome is Outcome.PASSED]
    failed = [item for item in judgements if item.outcome is Outcome.FAILED]
    rule = policy.document.decision
    outvoted = why_not_enough(rule, required, judgements) if failed else None
    if failed and outvoted is None:
        return Verdict.FAILED, [_sentence(item) for item in failed]
    obstacles = [evidence.obstacle, unmet_condition(policy, evidence)]
    if any(obstacle is not None for obstacle in obstacles):
        found = [_sentence(item) for item in failed]
        said = [text for text in [*obstacles, outvoted] if text is not None]
        return Verdict.UNDECIDED, [*said, *found]
    doubts = list(_doubts(required, judgements))
    if outvoted is not None and (doubts or not rule.unsafe_pass_if_outvoted):
        found = [_sentence(item) for item in failed]
        return Verdict.UNDECIDED, list(dict.fromkeys([outvoted, *found, *doubts]))
    if doubts:
        return Verdict.UNDECIDED, doubts
    if not any(item.name in required for item in passed):
        return Verdict.UNDECIDED, ["no required detector reached an outcome; scan again"]
    noted = [f"outvoted (rule `{rule.rule}`): {_sentence(item)}" for item in failed]
    return Verdict.PASSED, [*(_sentence(item) for item in passed), *noted]


def _required(policy: Policy, evidence: Evidence) -> list[str]:
    """Those that have to pass: all that are required, except what was rightly left out."""
    named = policy.document.detectors.named()
    required = [name for name, spec in named.items() if spec.mode == "required"]
    return [name for name in required if not _rightly_left_out(policy, evidence, name)]


def _rightly_left_out(policy: Policy, evidence: Evidence, name: str) -> bool:
    runs = [detector for detector in evidence.detectors if detector.name == name]
    if not runs or any(run.state is not RunState.SKIPPED for run in runs):
        return False
    return not need_of(policy, evidence, name).is_there


def _doubts(required: Collection[str], judgements: Sequence[DetectorJudgement]) -> Iterator[str]:
    present = {judgement.name for judgement in judgements}
    for name in required:
        if name not in present:
            yield f"{name}: is required, but the scan holds no evidence of it; scan again"
    for judgement in judgements:
        if judgement.outcome is Outcome.ERRORED or (
            judgement.name in required and judgement.outcome is not Outcome.PASSED
        ):
            yield _sentence(judgement)


def _sentence(judgement: DetectorJudgement) -> str:
    return f"{judgement.name}: {judgement.reason or judgement.outcome}"
