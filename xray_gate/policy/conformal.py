"""Conformal bounds: what the scores of clean models allow, whatever their distribution.

p = (1 + number of clean references at least as extreme) / (n + 1). Of models that are exchangeable
with the references, at most a share `level` has p <= level. Where n is too small for a level there
is no bound at all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from xray_gate.policy.xray_statistics import Side


@dataclass(frozen=True)
class ConformalBound:
    """A score is suspicious when it lies beyond `low` or `high` (None: that side is not judged)."""

    low: float | None
    high: float | None

    def is_suspicious(self, score: float) -> bool:
        """Whether the conformal p-value of `score` is at most the level that the bound is for."""
        return (self.low is not None and score < self.low) or (
            self.high is not None and score > self.high
        )


def references_needed(level: float) -> int:
    """The fewest references that can reach `level` on one side: .05 needs 19, .01 needs 99."""
    return math.ceil(1 / level - 1e-9) - 1


def extreme_references(score: float, references: Sequence[float], side: Side) -> int:
    """How many references are at least as extreme as `score`; ties count (conservative).

    For `both`, the smaller of the two sides' numbers.
    """
    below = sum(reference <= score for reference in references)
    above = sum(reference >= score for reference in references)
    return {"below": below, "above": above, "both": min(below, above)}[side]


def conformal_p_value(score: float, references: Sequence[float], side: Side) -> float:
    """The p-value of `score`, in (0, 1]; for `both`, twice that of the nearer side."""
    sides = 2 if side == "both" else 1
    extreme = extreme_references(score, references, side)
    return min(1.0, sides * (1 + extreme) / (len(references) + 1))


def conformal_bound(references: Sequence[float], level: float, side: Side) -> ConformalBound | None:
    """The bound at `level`, in (0, 1), or None when there are too few references for it.

    A two-sided bound spends half of the level on each side.
    """
    one_side = level / 2 if side == "both" else level
    allowed = math.floor(one_side * (len(references) + 1) + 1e-9) - 1
    if allowed < 0:
        return None
    ordered = sorted(references)
    return ConformalBound(
        low=ordered[min(allowed, len(ordered) - 1)] if side in ("below", "both") else None,
        high=ordered[max(-1 - allowed, -len(ordered))] if side in ("above", "both") else None,
    )
