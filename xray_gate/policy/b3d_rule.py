"""The rule for B3D: a class whose reversed trigger is far smaller than the others' is infected.

Dong et al., ICCV 2021, section 4: the MAD index, or less than a quarter of the median. Ours: by the
index alone only masks under half of the median count, and the trigger has to work on images that it
was not fitted to.
"""

from statistics import median
from typing import Annotated, Self

from pydantic import Field, model_validator

from xray_gate.core.evidence import DetectorEvidence, Evidence
from xray_gate.core.verdict import DetectorJudgement, Outcome
from xray_gate.policy.detector_specs import B3DSpec
from xray_gate.policy.files import Policy
from xray_gate.policy.measured import Measured, Share, read_statistics
from xray_gate.policy.rule import (
    NOT_NAMED,
    CannotJudge,
    label_text,
    own_threshold,
    require_the_policys_settings,
)

# Of the labels, this share must have a trigger, or the median says nothing of what they need.
_ENOUGH_REACHED = 0.5


class _Masks(Measured):
    """One entry for each label."""

    mask_l1: list[Annotated[float, Field(ge=0)]] = Field(min_length=1)
    anomaly_index: list[float]
    success_rate: list[Share]
    reached: list[bool]

    @model_validator(mode="after")
    def _one_entry_a_label(self) -> Self:
        parts = (self.anomaly_index, self.success_rate, self.reached)
        if any(len(part) != len(self.mask_l1) for part in parts):
            raise ValueError("the lists differ in length")
        return self


def judge_b3d(policy: Policy, evidence: Evidence, detector: DetectorEvidence) -> DetectorJudgement:
    """Failed where a mask is too small and its trigger works; `CannotJudge` where none can tell."""
    spec = policy.document.detectors.b3d
    if spec is None:
        raise CannotJudge(NOT_NAMED)
    require_the_policys_settings(policy, spec, evidence, detector)
    masks = read_statistics(_Masks, detector)
    if len(masks.mask_l1) != evidence.model.classes:
        raise CannotJudge(
            f"the evidence holds {len(masks.mask_l1)} masks, and the model knows "
            f"{evidence.model.classes} labels; scan again"
        )
    small = _small(spec, masks)
    working = [label for label in small if masks.success_rate[label] >= spec.least_success]
    if working:
        said = "; ".join(_accusation(policy, masks, label) for label in working)
        outcome, reason = Outcome.FAILED, f"{said} ({_bounds(spec, masks)})"
    else:
        _require_a_whole_search(policy, spec, masks, small)
        outcome = Outcome.PASSED
        least = min(range(len(masks.mask_l1)), key=lambda label: masks.mask_l1[label])
        reason = (
            "no label's reversed trigger is far smaller than the others' (smallest: "
            f"{masks.mask_l1[least]:.1f} pixels for label {label_text(policy, least)}; "
            f"{_bounds(spec, masks)})"
        )
    threshold = own_threshold(policy, spec.index, "above")
    return DetectorJudgement(detector.name, outcome, reason, {"anomaly_index": threshold})


def _small(spec: B3DSpec, masks: _Masks) -> list[int]:
    """The labels with too small a mask, smallest first."""
    middle = median(masks.mask_l1)

    def is_small(label: int) -> bool:
        size, index = masks.mask_l1[label], masks.anomaly_index[label]
        stands_out = index > spec.index and size < spec.at_most_of_median * middle
        return masks.reached[label] and (stands_out or size < spec.share_of_median * middle)

    found = filter(is_small, range(len(masks.mask_l1)))
    return sorted(found, key=lambda label: masks.mask_l1[label])


def _require_a_whole_search(policy: Policy, spec: B3DSpec, masks: _Masks, small: list[int]) -> None:
    if small:
        raise CannotJudge(
            f"the reversed trigger for label {label_text(policy, small[0])} is far smaller than "
            f"the others', but moves only {masks.success_rate[small[0]]:.0%} of the held-back "
            f"images (least_success {spec.least_success:.0%}); give more probes"
        )
    reached = sum(masks.reached)
    if reached < _ENOUGH_REACHED * len(masks.reached):
        raise CannotJudge(
            f"a trigger was found for {reached} of {len(masks.reached)} labels only, too few to "
            "compare; raise iterations"
        )


def _accusation(policy: Policy, masks: _Masks, label: int) -> str:
    return (
        f"a reversed trigger of {masks.mask_l1[label]:.1f} pixels sends "
        f"{masks.success_rate[label]:.0%} of the held-back images to label "
        f"{label_text(policy, label)}"
    )


def _bounds(spec: B3DSpec, masks: _Masks) -> str:
    too_small = f"too small is under {spec.share_of_median:.0%} of the median"
    if spec.at_most_of_median > spec.share_of_median:
        too_small += f", or under {spec.at_most_of_median:.0%} with an index above {spec.index:g}"
    return (
        f"median of the labels: {median(masks.mask_l1):.1f} pixels; largest anomaly index: "
        f"{max(masks.anomaly_index):.1f}; {too_small}"
    )
