"""Whether a model's gradients are those of its answers: differences of two answers say so.

Where gradients come from a conversion of the model, both could agree on every answer and differ in
their slopes (an operator without a derivative, a rounding, a branch that is held fixed).
"""

import numpy as np
import numpy.typing as npt

from xray_gate.core.errors import NoGradients
from xray_gate.probing.batches import FloatArray, Images
from xray_gate.probing.oracle import GradientOracle

_WEIGHTS = np.linspace(0.1, 0.9, 9)
QUESTIONS_OF_A_PAIR = len(_WEIGHTS) + 5
# Log-odds, where probabilities are far from 0 and 1: so far both sides of the point.
_STEP = 0.05
_LEAST, _MOST = 0.02, 0.98
# Kinks between the two points and half precision change a single difference, up to one in four of
# twelve networks' (four of 16 at most); a wrong slope changes three of four or more.
_TOLERANCE = 0.25
_LEAST_RIGHT = 0.5
_FEWEST = 4


def check_slopes(
    oracle: GradientOracle, label: int, inside: FloatArray, outside: FloatArray
) -> None:
    """Compare slopes of `label`'s log-odds with differences of answers.

    `inside` and `outside` float32 (n, channels, height, width): images with that label and with
    others. Between each two a blend is sought whose probability is neither 0 nor 1; a pair takes
    at most `QUESTIONS_OF_A_PAIR`. Raises `NoGradients` where they do not agree, or where too few
    such blends were found.
    """
    points, across = _undecided(oracle, label, inside, outside)
    if len(points) < _FEWEST:
        raise NoGradients(
            "gradients cannot be compared with the model's answers, which jump from one label to "
            "the next; set `patches_by: queries`"
        )
    slopes = oracle.slopes(Images(points), label).log_odds.astype(np.float64)
    # Slopes that are right in some places and zero in others agree along themselves, so they are
    # also compared along a direction of another making.
    for direction in (slopes, across):
        right = _agree(oracle, label, points, slopes, direction)
        if right.mean() < _LEAST_RIGHT:
            raise NoGradients(
                f"for {int((~right).sum())} of {len(points)} images the model's gradients are not "
                "those of its answers; set `patches_by: queries`, or give the model in a format of "
                "PyTorch"
            )


def _agree(
    oracle: GradientOracle,
    label: int,
    points: FloatArray,
    slopes: npt.NDArray[np.float64],
    direction: npt.NDArray[np.float64],
) -> npt.NDArray[np.bool_]:
    """For which points the log-odds change along `direction` as `slopes` say."""
    expected = (slopes * direction).sum(axis=(1, 2, 3), keepdims=True)
    # A slope of zero would be a step without end; it is wrong, as the point is undecided.
    sizes = _STEP / np.where(np.abs(expected) < 1e-12, 1e12, expected)
    steps = (sizes * direction).astype(np.float32)
    up, down = (_log_odds(oracle, label, points + sign * steps) for sign in (1, -1))
    right: npt.NDArray[np.bool_] = np.abs((up - down) / (2 * _STEP) - 1) <= _TOLERANCE
    return right


def _undecided(
    oracle: GradientOracle, label: int, inside: FloatArray, outside: FloatArray
) -> tuple[FloatArray, npt.NDArray[np.float64]]:
    """For each pair the blend nearest to even odds, if it is undecided, and the way across it."""
    weights = _WEIGHTS.astype(np.float32)[:, None, None, None]
    found, across = [], []
    for one, other in zip(inside, outside, strict=True):
        blends = (1 - weights) * one + weights * other
        chances = oracle.probabilities(Images(blends))[:, label]
        nearest = int(np.abs(chances - 0.5).argmin())
        if _LEAST <= chances[nearest] <= _MOST:
            found.append(blends[nearest])
            across.append(one - other)
    return np.asarray(found, np.float32), np.asarray(across, np.float64)


def _log_odds(oracle: GradientOracle, label: int, points: FloatArray) -> npt.NDArray[np.float64]:
    chances = oracle.probabilities(Images(points))[:, label].astype(np.float64)
    chances = np.clip(chances, 1e-9, 1 - 1e-9)
    odds: npt.NDArray[np.float64] = np.log(chances / (1 - chances))
    return odds
