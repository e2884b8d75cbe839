"""The promise of a conformal bound, over simulated draws of a model and its references.

Whatever the distribution, of models that are exchangeable with the references at most a share
``level` has a p-value of at most `level`. The draws are fixed by a seed; the exact binomial test
says how likely so many refusals would be if the share were the level. There are some five hundred
such tests, so that one in a thousand is no surprise, and one in a million is.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import binomtest

from tests.policy.builders import SCORES, calibrated, calibration, evidence, policy, xray
from xray_gate.core.verdict import Outcome
from xray_gate.policy.calibration import Calibration, Reference
from xray_gate.policy.conformal import conformal_bound, conformal_p_value
from xray_gate.policy.judgement import judge
from xray_gate.policy.xray_statistics import Side

Draws = npt.NDArray[np.float64]
Distribution = Callable[[np.random.Generator, tuple[int, int]], Draws]

DRAWS = 1500
DISTRIBUTIONS: dict[str, Distribution] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "heavy tails": lambda rng, shape: rng.standard_cauchy(shape),
    "skewed": lambda rng, shape: rng.lognormal(0, 2, shape),
    "ties": lambda rng, shape: rng.standard_normal(shape).round(),
    "counts": lambda rng, shape: rng.poisson(1.5, shape).astype(float),
    "yes or no": lambda rng, shape: (rng.random(shape) < 0.1).astype(float),
    "all the same": lambda rng, shape: np.ones(shape),
    # Exchangeable, but not independent: all models of a draw share a shift and a scale.
    "dependent": lambda rng, shape: (
        rng.standard_normal((shape[0], 1)) + rng.exponential(1, (shape[0], 1)) * rng.random(shape)
    ),
}


def is_at_most(level: float, refused: int, draws: int) -> bool:
    """Whether so many refusals fit a share of at most `level`."""
    return bool(binomtest(refused, draws, level, alternative="greater").pvalue > 1e-6)


@pytest.mark.parametrize("side", ["below", "above", "both"])
@pytest.mark.parametrize("count", [11, 39])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_p_values_of_exchangeable_scores_are_valid(name: str, count: int, side: Side) -> None:
    rng = np.random.default_rng([count, len(side)])
    rows = DISTRIBUTIONS[name](rng, (DRAWS, count + 1)).tolist()
    values = [conformal_p_value(row[0], row[1:], side) for row in rows]
    for level in (0.025, 0.05, 0.1, 0.2, 0.25, 0.5, 0.8):
        assert is_at_most(level, sum(p <= level + 1e-9 for p in values), DRAWS), level


@pytest.mark.parametrize("side", ["below", "above", "both"])
@pytest.mark.parametrize(("count", "level"), [(19, 0.05), (100, 0.07), (11, 0.2), (38, 0.05)])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_clean_models_are_refused_at_most_as_often_as_the_level_says(
    name: str, count: int, level: float, side: Side
) -> None:
    rng = np.random.default_rng([20, count])
    refused = 0
    for row in DISTRIBUTIONS[name](rng, (DRAWS, count + 1)).tolist():
        bound = conformal_bound(row[1:], level, side)
        refused += bound is not None and bound.is_suspicious(row[0])
    assert is_at_most(level, refused, DRAWS)


def test_the_level_is_used_up_where_no_scores_tie() -> None:
    rows = np.random.default_rng(21).standard_normal((4000, 20)).tolist()
    bounds = [(conformal_bound(row[1:], 0.05, "below"), row[0]) for row in rows]
    refused = sum(bound is not None and bound.is_suspicious(score) for bound, score in bounds)
    assert binomtest(refused, 4000, 0.05).pvalue > 1e-3


STATISTICS = ("renyi_entropy.valid", "ats.valid", "largest_share.valid")
# What three scores of a model share: most, nothing, and opposite directions.
MIXTURES = {
    "alike": [[1, 0, 0], [1, 0.1, 0], [1, 0, 0.1]],
    "unrelated": np.eye(3).tolist(),
    "opposite": [[1, 0, 0], [-1, 0.1, 0], [0.5, 0.5, 0.5]],
}


def drawn_calibration(kept: Calibration, rows: list[list[float]]) -> Calibration:
    first = kept.references[0].model_dump()
    references = [
        Reference.model_construct(**first | {"scores": dict(zip(STATISTICS, row, strict=True))})
        for row in rows
    ]
    return kept.model_copy(update={"references": references})


@pytest.mark.parametrize(
    ("suspicious", "count"),
    [({}, 20), ({"renyi_entropy.valid": "both", "ats.valid": "above"}, 23)],
)
@pytest.mark.parametrize("name", MIXTURES)
def test_a_rule_over_several_correlated_scores_stays_under_its_level(
    name: str, suspicious: dict[str, Any], count: int
) -> None:
    draws, level = 300, 0.25
    rng = np.random.default_rng([22, count])
    models = rng.standard_normal((draws, count + 1, 3)) @ np.array(MIXTURES[name]).T
    kept = calibration([1.0])
    rule = calibrated(*STATISTICS, level=level, suspicious=suspicious)
    refused = 0
    for rows in models.tolist():
        scores = {**SCORES, **dict(zip(STATISTICS, rows[0], strict=True))}
        rules = policy(rule, drawn_calibration(kept, rows[1:]))
        judged = judge(rules, evidence(), xray(scores))
        assert judged.outcome in (Outcome.PASSED, Outcome.FAILED), judged.reason
        refused += judged.outcome is Outcome.FAILED
    assert is_at_most(level, refused, draws)
    assert refused > 0
