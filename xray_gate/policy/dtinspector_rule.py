"""The rule for DTInspector: a label whose patch does not carry over is infected.

Wang et al., section 3.3: an anomaly index above 3.5, unless all transfer ratios are above .9.
"""

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
    anomaly_index: list[float | None]

    @model_validator(mode="after")
    def _the_same_labels_are_tested(self) -> Self:
        parts = (self.transfer_ratio, self.fitted_ratio, self.anomaly_index)
        tested = [[value is not None for value in part] for part in parts]
        if tested[0] != tested[1] or tested[0] != tested[2]:
            raise ValueError("the lists do not speak of the same labels")
        return self

    @property
    def by_label(self) -> dict[int, tuple[float, float, float]]:
        """Transfer ratio, fitted ratio and index of the labels that were tested."""
        rows = zip(self.transfer_ratio, self.fitted_ratio, self.anomaly_index, strict=True)
        return {
            label: (ratio, fitted, index)
            for label, (ratio, fitted, index) in enumerate(rows)
            if ratio is not None and fitted is not None and index is not None
        }


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
    policy: Policy,
    spec: DTInspectorSpec,
    tested: dict[int, tuple[float, float, float]],
    untested: int,
) -> tuple[Outcome, str]:
    lowest = min(tested, key=lambda label: tested[label][0])
    all_carry_over = tested[lowest][0] > spec.clean_above
    # Of a patch that does not change the confident samples, nothing follows for the others.
    infected = [
        label
        for label, (_, fitted, index) in tested.items()
        if index > spec.index and fitted >= spec.least_fitted
    ]
    if infected and not all_carry_over:
        infected.sort(key=lambda label: -tested[label][2])
        said = "; ".join(_accusation(policy, label, tested[label]) for label in infected)
        return Outcome.FAILED, f"{said} (index above {spec.index:g})"
    unlearned = [label for label, (_, fitted, _) in tested.items() if fitted < spec.least_fitted]
    if unlearned:
        label = unlearned[0]
        raise CannotJudge(
            f"for {len(unlearned)} labels no patch was learned (label {label_text(policy, label)}: "
            f"it changes {tested[label][1]:.0%} of the confident samples, least_fitted "
            f"{spec.least_fitted:.0%}); raise iterations"
        )
    ratio, _, index = tested[lowest]
    said = (
        "patches learned on confident training samples carry over to the others (lowest: "
        f"{ratio:.0%} for label {label_text(policy, lowest)}, index {index:.1f}, threshold "
        f"{spec.index:g})"
    )
    if untested:
        said += f"; not looked at: {untested} labels with too few training samples"
    return Outcome.PASSED, said


def _accusation(policy: Policy, label: int, measured: tuple[float, float, float]) -> str:
    ratio, fitted, index = measured
    return (
        f"a patch that changes {fitted:.0%} of the training samples that the model most "
        f"confidently calls {label_text(policy, label)} changes {ratio:.0%} of the least confident "
        f"ones, index {index:.1f}: the confident ones probably carry a trigger"
    )
