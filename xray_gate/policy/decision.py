"""The decision: a pure function of a policy and the evidence. Only `passed` ever admits by itself.

The rules, in the order in which they are applied:

1. An obstacle (the model could not be opened or asked), or no evidence at all: undecided.
2. Accuracy on the probes under `min_probe_accuracy`: undecided, since a wrong range, layout or
   label order fakes any score.
3. A detector that found something (`failed`), whether required or optional: failed.
4. A detector that crashed, or a required one that is inconclusive, skipped or missing: undecided.
   An optional one that is inconclusive or skipped leaves the verdict to the others.
5. Else passed; every required detector, and at least one, has passed then.
"""

from collections.abc import Iterator

from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Decision, DetectorJudgement, Outcome, Verdict
from xray_gate.policy.files import Policy
from xray_gate.policy.judgement import judge


def decide(policy: Policy, evidence: Evidence) -> Decision:
    """Apply `policy` to `evidence`; no I/O, no clock, the same answer every time."""
    judgements = tuple(judge(policy, evidence, detector) for detector in evidence.detectors)
    verdict, reasons = _verdict(policy, evidence, judgements)
    return Decision(verdict, tuple(reasons), judgements, policy.document.enforcement)


def _verdict(
    policy: Policy, evidence: Evidence, judgements: tuple[DetectorJudgement, ...]
) -> tuple[Verdict, list[str]]:
    if evidence.obstacle is not None:
        return Verdict.UNDECIDED, [evidence.obstacle]
    if evidence.probes is None:
        return Verdict.UNDECIDED, ["no probes were asked; scan again with a probe set"]
    accuracy, least = evidence.probes.accuracy, policy.document.min_probe_accuracy
    # `not >=`, so that an accuracy that is no number does not slip through.
    if not accuracy >= least:
        return Verdict.UNDECIDED, [
            f"the model is right on {accuracy:.1%} of the probes, under min_probe_accuracy "
            f"{least:.1%}: the pixel range, the layout or the order of the labels is probably not "
            "what the model expects; correct `preprocessing` in the policy or the probes"
        ]
    failed = [item for item in judgements if item.outcome is Outcome.FAILED]
    if failed:
        return Verdict.FAILED, [_sentence(item) for item in failed]
    doubts = list(_doubts(policy, judgements))
    if doubts:
        return Verdict.UNDECIDED, doubts
    passed = [item for item in judgements if item.outcome is Outcome.PASSED]
    if not any(item.name in _required(policy) for item in passed):
        return Verdict.UNDECIDED, ["no required detector reached an outcome; scan again"]
    return Verdict.PASSED, [_sentence(item) for item in passed]


def _required(policy: Policy) -> list[str]:
    named = policy.document.detectors.named()
    return [name for name, spec in named.items() if spec.mode == "required"]


def _doubts(policy: Policy, judgements: tuple[DetectorJudgement, ...]) -> Iterator[str]:
    required = _required(policy)
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
