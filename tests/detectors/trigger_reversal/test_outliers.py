import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from xray_gate.detectors.trigger_reversal.outliers import anomaly_indices, too_small

sizes = st.lists(st.floats(0.5, 1000), min_size=4, max_size=43)
reproducible = settings(derandomize=True, deadline=None, max_examples=100)


@reproducible
@given(sizes)
def test_the_index_is_the_distance_under_the_median_in_scaled_deviations(
    values: list[float],
) -> None:
    deviation = stats.median_abs_deviation(values, scale="normal")
    found = anomaly_indices(values)
    assert found.shape == (len(values),)
    if deviation < 1e-6:
        return
    expected = (np.median(values) - np.array(values)) / deviation
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_where_most_are_equal_the_index_says_nothing() -> None:
    assert anomaly_indices([5.0, 5.0, 5.0, 1.0]).tolist() == [0, 0, 0, 0]


def test_the_deviation_counts_as_no_less_than_the_least() -> None:
    assert anomaly_indices([1.0, 1.0, 1.0, 0.5], 0.1).tolist() == [0, 0, 0, 5]
    wide = [0.0, 10.0, 20.0, 30.0]
    assert anomaly_indices(wide, 0.1).tolist() == anomaly_indices(wide).tolist()


@pytest.mark.parametrize(
    ("values", "small"),
    [
        # By the index; a value far above the median is no outlier of this kind.
        ([100, 104, 96, 102, 48, 180], [4]),
        # The index alone says nothing where all are much the same.
        ([100, 104, 96, 102, 70, 180], []),
        ([24.0, 24.1, 23.9, 24.0, 20.0, 24.2], []),
        # By the quarter of the median, where the deviation is too coarse.
        ([100, 300, 20, 200], [2]),
        ([5.0, 5.0, 5.0, 1.0], [3]),
        ([5.0, 5.0, 5.0, 1.3], []),
        ([90, 100, 110, 120, 130], []),
        # Several infected classes.
        ([100, 104, 96, 102, 3, 2], [4, 5]),
    ],
)
def test_too_small_is_far_under_the_median(values: list[float], small: list[int]) -> None:
    assert np.flatnonzero(too_small(values, 2.0, 0.25, 0.5)).tolist() == small


@reproducible
@given(sizes)
def test_nothing_at_or_above_the_median_is_too_small(values: list[float]) -> None:
    small = too_small(values, 2.0, 0.25, 0.5)
    assert not small[np.array(values) >= np.median(values)].any()
