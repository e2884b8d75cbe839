"""Which of some sizes are too small: the MAD index, and the rule that B3D adds to it."""

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

# Makes the median absolute deviation of a normal distribution its standard deviation.
_CONSISTENCY = 1.4826


def anomaly_indices(values: npt.ArrayLike, least_deviation: float = 0.0) -> Values:
    """(median - value) / (1.4826 * median absolute deviation), float64 (n,).

    Above 0 for values under the median. The divisor is at least `least_deviation`. Where more than
    half of the values are equal and that is 0, the index says nothing: it is then 0 everywhere, and
    a rule of another kind has to judge.
    """
    found = np.asarray(values, np.float64)
    below = np.median(found) - found
    deviation = max(least_deviation, _CONSISTENCY * float(np.median(np.abs(below))))
    return np.zeros(len(found)) if deviation == 0 else np.asarray(below / deviation, np.float64)


def too_small(
    values: npt.ArrayLike, index: float, share: float, at_most: float
) -> npt.NDArray[np.bool_]:
    """Which values have an anomaly index above `index`, or lie under `share` of the median.

    The second rule is B3D's (section 4, share 1/4): with few classes the deviation is too coarse.
    Ours: by the index alone, only values under `at_most` of the median count. Where all are much
    the same, the deviation is tiny, and one that is a little smaller gets any index.
    """
    found = np.asarray(values, np.float64)
    median = np.median(found)
    stands_out = (anomaly_indices(found) > index) & (found < at_most * median)
    small: npt.NDArray[np.bool_] = stands_out | (found < share * median)
    return small
