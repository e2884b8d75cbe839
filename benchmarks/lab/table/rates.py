"""Areas and rates with their intervals. Larger scores are more suspicious everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

RESAMPLES = 2_000
Scores = Sequence[float] | npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure in [0, 1] with a 95 % interval, None where there is none, and what it rests on."""

    value: float
    low: float | None
    high: float | None
    clean: int
    attacked: int


def _wins(clean: Scores, attacked: Scores) -> npt.NDArray[np.float64]:
    """Which attacked model scores above which clean one, float64 ``[attacked, clean]``."""
    above = np.asarray(attacked)[:, None] - np.asarray(clean)[None, :]
    wins: npt.NDArray[np.float64] = (above > 0) + 0.5 * (above == 0)
    return wins


def auroc(clean: Scores, attacked: Scores) -> float:
    """Chance that an attacked model scores above a clean one; ties count half."""
    return float(_wins(clean, attacked).mean())


def auroc_with_interval(clean: Scores, attacked: Scores, rng: np.random.Generator) -> Estimate:
    """AUROC with its percentile bootstrap over models, clean and attacked ones apart.

    The interval says nothing where one side has a single model, so there is none then; where the
    two do not overlap at all, every resample says 1 and so does the interval.
    """
    wins = _wins(clean, attacked)
    value = float(wins.mean())
    if len(clean) < 2 or len(attacked) < 2:
        return Estimate(value, None, None, len(clean), len(attacked))
    rows = rng.integers(len(attacked), size=(RESAMPLES, len(attacked)))
    columns = rng.integers(len(clean), size=(RESAMPLES, len(clean)))
    drawn = [float(wins[np.ix_(*pair)].mean()) for pair in zip(rows, columns, strict=True)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value, float(low), float(high), len(clean), len(attacked))


def true_positive_rate(clean: Scores, attacked: Scores, false_positive_rate: float) -> float:
    """Share of attacked models above the threshold that this share of the clean ones exceeds.

    The threshold is the lowest one that at most that share of the clean scores lies above; no
    interpolation, so of 20 clean models one may lie above it at 5 %.
    """
    ordered = np.sort(np.asarray(clean, dtype=np.float64))
    allowed = int(np.floor(false_positive_rate * len(ordered) + 1e-9))
    threshold = ordered[len(ordered) - 1 - allowed]
    return float((np.asarray(attacked) > threshold).mean())


def share(hits: int, count: int) -> tuple[float, float]:
    """Exact (Clopper-Pearson) 95 % interval of ``hits`` in ``count``; raises for a count of 0."""
    if count < 1:
        raise ValueError("a share of nothing has no interval; count at least one model")
    interval = stats.binomtest(hits, count).proportion_ci(method="exact")
    return float(interval.low), float(interval.high)
