"""The rule for DTInspector: a label whose patch does not carry over is infected.

Wang et al., section 3.3: an anomaly index above 3.5, unless all transfer ratios are above .9.
Ours: the patch must have been learned, and do more to other confident samples than to the rest.
"""

from dataclasses import dataclass
from typing import Self

from pydantic import Field, model_validator

from xray_gate.core.evidence import DetectorEvidence, Evidence
from xray_gate.core.verdict import DetectorJudgement, Outcome
from xray_gate.policy.detector_specs import DTInspectorSpec
from xray_gate.policy.files import Policy
from xray_gate.policy.measured import Measured, Share, read_statistics
from xray_gate.policy.rule import (
    NOT_NAMED,
    CannotJudge,
    label_text,
    own_threshold,
    require_the_policys_settings,
)


class _Ratios(Measured):
    """One entry for each label; None where it had too few samples."""

    transfer_ratio: list[Share | None] = Field(min_length=1)
    fitted_ratio: list[Share | None]
    held_back_ratio: list[Share | None]
    anomaly_index: list[float | None]

    @model_validator(mode="after")
    def _the_same_labels_are_tested(self) -> Self:
        lists = (self.transfer_ratio, self.fitted_ratio, self.held_back_ratio, self.anomaly_index)
        first, *others = ([value is not None for value in part] for part in lists)
        if any(other != first for other in others):
            raise ValueError("the lists do not speak of the same labels")
        return self

    @property
    def by_label(self) -> dict[int, "_Tested"]:
        """The labels that were tested."""
        lists = (self.transfer_ratio, self.fitted_ratio, self.held_back_ratio, self.anomaly_index)
        rows = enumerate(zip(*lists, strict=True))
        return {label: _Tested(*row) for label, row in rows if None not in row}  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Tested:
    """Shares of unconfident, learned and held-back samples that change, and the anomaly index."""

    transfer: float
    fitted: float
    held_back: float
    index: float


def judge_dtinspector(
    policy: Policy, evidence: Evidence, detector: DetectorEvidence
) -> DetectorJudgement:
    """Failed where a ratio is abnormally low; `CannotJudge` where patches were not learned."""
    spec = policy.document.detectors.dtinspector
    if spec is None:
        raise CannotJudge(NOT_NAMED)
    require_the_policys_settings(policy, spec, evidence, detector)
    ratios = read_statistics(_Ratios, detector)
    if len(ratios.transfer_ratio) != evidence.model.classes:
        raise CannotJudge(
            f"the evidence holds {len(ratios.transfer_ratio)} ratios, and the model knows "
            f"{evidence.model.classes} labels; scan again"
        )
    tested = ratios.by_label
    if len(tested) < spec.least_labels:
        raise CannotJudge(
            f"{len(tested)} of {evidence.model.classes} labels were tested, and the policy asks "
            f"for {spec.least_labels}; give the whole training set"
        )
    threshold = own_threshold(policy, spec.index, "above")
    outcome, reason = _judged(policy, spec, tested, len(ratios.transfer_ratio) - len(tested))
    return DetectorJudgement(detector.name, outcome, reason, {"anomaly_index": threshold})


def _judged(
    policy: Policy, spec: DTInspectorSpec, tested: dict[int, _Tested], untested: int
) -> tuple[Outcome, str]:
    lowest = min(tested, key=lambda label: tested[label].transfer)
    all_carry_over = tested[lowest].transfer > spec.clean_above
    # Of a patch that does not change the confident samples, nothing follows for the others.
    outstanding = [
        label
        for label, found in tested.items()
        if found.index > spec.index and found.fitted >= spec.least_fitted and not all_carry_over
    ]
    outstanding.sort(key=lambda label: -tested[label].index)
    infected = [
        label
        for label in outstanding
        if tested[label].held_back - tested[label].transfer >= spec.least_gap
    ]
    if infected:
        said = "; ".join(_accusation(policy, label, tested[label]) for label in infected)
        return Outcome.FAILED, f"{said} (index above {spec.index:g})"
    if outstanding:
        raise CannotJudge(_why_not(policy, spec, outstanding[0], tested[outstanding[0]]))
    _require_learned(policy, spec, tested)
    found = tested[lowest]
    said = (
        "patches learned on confident training samples carry over to the others (lowest: "
        f"{found.transfer:.0%} for label {label_text(policy, lowest)}, index {found.index:.1f}, "
        f"threshold {spec.index:g})"
    )
    if untested:
        said += f"; not looked at: {untested} labels with too few training samples"
    return Outcome.PASSED, said


def _require_learned(policy: Policy, spec: DTInspectorSpec, tested: dict[int, _Tested]) -> None:
    unlearned = [label for label, found in tested.items() if found.fitted < spec.least_fitted]
    if unlearned:
        label = unlearned[0]
        raise CannotJudge(
            f"for {len(unlearned)} labels no patch was learned (label {label_text(policy, label)}: "
            f"it changes {tested[label].fitted:.0%} of the confident samples, least_fitted "
            f"{spec.least_fitted:.0%}); raise steps, or iterations where patches are learned by "
            "queries, and export a model that ends in a softmax with its logits"
        )


def _accusation(policy: Policy, label: int, found: _Tested) -> str:
    return (
        f"a patch that changes {found.fitted:.0%} of the training samples that the model most "
        f"confidently calls {label_text(policy, label)}, and {found.held_back:.0%} of others like "
        f"them, changes {found.transfer:.0%} of the least confident ones, index "
        f"{found.index:.1f}: the confident ones probably carry a trigger"
    )


def _why_not(policy: Policy, spec: DTInspectorSpec, label: int, found: _Tested) -> str:
    return (
        f"label {label_text(policy, label)} stands out (index {found.index:.1f}), but its patch "
        f"changes {found.held_back:.0%} of other confident samples and {found.transfer:.0%} of "
        f"unconfident ones, less than least_gap {spec.least_gap:.0%} apart: it was fitted to its "
        "own samples, and nothing follows from it; give more training data, or raise samples"
    )
