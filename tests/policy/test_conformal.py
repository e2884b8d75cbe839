import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray_gate.policy.conformal import (
    conformal_bound,
    conformal_p_value,
    extreme_references,
    references_needed,
)
from xray_gate.policy.xray_statistics import Side

# Few different values, so that ties are common.
scores = st.integers(-5, 5).map(float) | st.floats(-1e3, 1e3)
references = st.lists(scores, min_size=1, max_size=60)
levels = st.sampled_from([0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 1 / 3, 0.5, 0.9])


@given(scores, references, levels, st.sampled_from(["below", "above"]))
def test_a_score_is_suspicious_exactly_when_its_p_value_is_at_most_the_level(
    score: float, given: list[float], level: float, side: Side
) -> None:
    bound = conformal_bound(given, level, side)
    at_most = conformal_p_value(score, given, side) <= level + 1e-9
    assert (bound is not None and bound.is_suspicious(score)) == at_most


@given(scores, references, levels)
def test_two_sided_suspicion_spends_half_of_the_level_on_each_side(
    score: float, given: list[float], level: float
) -> None:
    bound = conformal_bound(given, level, "both")
    at_most = conformal_p_value(score, given, "both") <= level + 1e-9
    assert (bound is not None and bound.is_suspicious(score)) == at_most


@given(references, levels, st.sampled_from(["below", "above", "both"]))
def test_there_is_a_bound_exactly_when_there_are_enough_references(
    given: list[float], level: float, side: Side
) -> None:
    needed = references_needed(level / 2 if side == "both" else level)
    assert (conformal_bound(given, level, side) is not None) == (len(given) >= needed)


@pytest.mark.parametrize(("level", "needed"), [(0.05, 19), (0.025, 39), (0.01, 99), (0.5, 1)])
def test_the_references_needed_are_those_of_the_method(level: float, needed: int) -> None:
    assert references_needed(level) == needed
    assert conformal_bound([1.0] * needed, level, "below") is not None
    assert conformal_bound([1.0] * (needed - 1), level, "below") is None


@pytest.mark.parametrize("side", ["below", "above", "both"])
def test_a_score_that_ties_with_a_reference_is_as_usual_as_that_one(side: Side) -> None:
    bound = conformal_bound([3.0] * 39, 0.05, side)
    assert bound is not None
    assert not bound.is_suspicious(3.0)
    assert bound.is_suspicious(2.9) == (side != "above")
    assert bound.is_suspicious(3.1) == (side != "below")


def test_extreme_references_are_counted_with_ties() -> None:
    given = [1.0, 2.0, 2.0, 5.0]
    assert extreme_references(2.0, given, "below") == 3
    assert extreme_references(2.0, given, "above") == 3
    assert extreme_references(5.0, given, "both") == 1
    assert extreme_references(0.0, given, "below") == 0
