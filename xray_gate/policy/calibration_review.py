"""What a reviewer should know about thresholds that come from a calibration file."""

from collections.abc import Iterator

from xray_gate.policy.calibration import Calibration, family_text
from xray_gate.policy.f1_bounds import f1_bounds, refused_clean
from xray_gate.policy.sufficiency import pools, shortfalls
from xray_gate.policy.xray_references import without_scores
from xray_gate.policy.xray_thresholds import CalibratedBounds


def calibration_findings(rule: CalibratedBounds, calibration: Calibration) -> Iterator[str]:
    """Families that cannot be judged, thresholds that promise nothing, unlike models judged."""
    references = calibration.references
    if lacking := without_scores(rule, references):
        yield (
            f"{calibration.name} has no scores for {', '.join(lacking)}, so model_xray cannot "
            "tell; calibrate anew with this policy"
        )
        return
    for text in shortfalls(rule, references, rule.level):
        yield f"{calibration.name}: {text}"
    if rule.method == "f1":
        yield from _f1_promises_nothing(rule, calibration)
    if rule.unsafe_any_architecture:
        yield "unsafe_any_architecture judges models unlike the references; remove it"


def _f1_promises_nothing(rule: CalibratedBounds, calibration: Calibration) -> Iterator[str]:
    for pool in pools(rule, calibration.references):
        if len({reference.group is None for reference in pool}) == 2:
            refused = refused_clean(rule, f1_bounds(rule, pool), pool)
            yield (
                "model_xray's thresholds have the highest F1 on labelled references (Eq. 6) and "
                f"promise no false-positive rate; {family_text(pool)}: {refused}, although they "
                "were chosen on them; set thresholds.method to conformal"
            )
