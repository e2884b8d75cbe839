from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from xray_gate.policy.f1_threshold import (
    OneSide,
    best_f1_threshold,
    f1_threshold,
    share_interval,
)

# Few different values, so that ties are common; and neighbours without a number between them.
scores = st.lists(
    st.integers(-3, 3).map(float) | st.floats(allow_nan=False, allow_infinity=False),
    min_size=1,
    max_size=12,
)
sides = st.sampled_from(["below", "above"])


def infected(score: float, threshold: float, side: OneSide) -> bool:
    return score <= threshold if side == "below" else score >= threshold


def f1(clean: list[float], backdoored: list[float], threshold: float, side: OneSide) -> Fraction:
    """By precision and recall, as the paper writes it; 0 where nothing is found."""
    found = sum(infected(score, threshold, side) for score in backdoored)
    refused = sum(infected(score, threshold, side) for score in clean)
    if found == 0:
        return Fraction(0)
    precision, recall = Fraction(found, found + refused), Fraction(found, len(backdoored))
    return 2 * precision * recall / (precision + recall)


def refused_by(clean: list[float], threshold: float, side: OneSide) -> int:
    return sum(infected(score, threshold, side) for score in clean)


@given(scores, scores, sides)
def test_no_threshold_has_a_higher_f1(
    clean: list[float], backdoored: list[float], side: OneSide
) -> None:
    """Every way to divide the scores is that of a threshold at one of them."""
    chosen = best_f1_threshold(clean, backdoored, side)
    best = max(f1(clean, backdoored, score, side) for score in [*clean, *backdoored])
    assert f1(clean, backdoored, chosen, side) == best


@given(scores, scores, sides)
def test_of_several_with_the_same_f1_it_refuses_the_fewest_clean_models(
    clean: list[float], backdoored: list[float], side: OneSide
) -> None:
    chosen = best_f1_threshold(clean, backdoored, side)
    best = f1(clean, backdoored, chosen, side)
    ties = [s for s in [*clean, *backdoored] if f1(clean, backdoored, s, side) == best]
    assert refused_by(clean, chosen, side) == min(refused_by(clean, s, side) for s in ties)


@given(scores, scores)
def test_the_two_sides_mirror_each_other(clean: list[float], backdoored: list[float]) -> None:
    mirrored = best_f1_threshold([-s for s in clean], [-s for s in backdoored], "above")
    assert mirrored == -best_f1_threshold(clean, backdoored, "below")


@pytest.mark.parametrize(
    ("clean", "backdoored", "side", "threshold"),
    [
        ([3.0, 4.0], [1.0, 2.0], "below", 2.5),
        ([1.0, 2.0], [3.0, 4.0], "above", 2.5),
        # One of three is missed rather than one of two refused.
        ([3.0, 5.0], [1.0, 2.0, 4.0], "below", 4.5),
        ([2.0, 2.5, 5.0], [1.0, 4.0], "below", 1.5),
        # On the wrong side of all clean ones: everything is infected.
        ([1.0, 2.0], [3.0], "below", 3.0),
        ([1.0], [1.0], "below", 1.0),
        ([1e308, 1.7e308], [-1.7e308], "below", -3.5e307),
    ],
)
def test_the_threshold_lies_in_the_middle_between_two_scores(
    clean: list[float], backdoored: list[float], side: OneSide, threshold: float
) -> None:
    assert best_f1_threshold(clean, backdoored, side) == pytest.approx(threshold)


def test_eq_6_is_the_mean_over_the_groups_whatever_their_sizes() -> None:
    clean = [10.0, 11.0, 12.0]
    groups = {"badnets": [2.0], "wanet": [6.0, 7.0, 8.0]}
    assert best_f1_threshold(clean, groups["badnets"], "below") == 6.0
    assert best_f1_threshold(clean, groups["wanet"], "below") == 9.0
    assert f1_threshold(clean, groups, "below") == 7.5


@pytest.mark.parametrize(("hits", "count"), [(0, 1), (1, 1), (0, 20), (3, 20), (20, 20), (7, 200)])
def test_the_interval_is_that_of_clopper_and_pearson(hits: int, count: int) -> None:
    known = binomtest(hits, count).proportion_ci(method="exact")
    assert share_interval(hits, count) == pytest.approx((known.low, known.high), abs=1e-12)
