"""One score of Model X-ray held against one bound."""

from dataclasses import dataclass
from typing import Any

from xray_gate.core.evidence import DetectorEvidence
from xray_gate.policy.rule import CannotJudge, finite_number
from xray_gate.policy.xray_statistics import xray_scores


@dataclass(frozen=True)
class Check:
    """`threshold` is what a judgement holds of it.

    `crossed` says how the score lies beyond, None where it does not; `unsuspicious` is what a pass
    says of it.
    """

    statistic: str
    threshold: dict[str, Any]
    crossed: str | None
    unsuspicious: str


def measured_score(detector: DetectorEvidence, statistic: str) -> float:
    """The score of a scan; raises `CannotJudge` where the evidence has no number for it."""
    score = finite_number(xray_scores(detector).get(statistic))
    if score is None:
        raise CannotJudge(
            f"the evidence has no number for {statistic}; scan again with this policy"
        )
    return score
