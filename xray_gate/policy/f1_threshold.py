"""Thresholds from labelled reference models, Eq. 6 of Model X-ray (Su et al., MM '24).

For each group of backdoored references (an attack), the threshold at which clean references and
that group are told apart with the highest F1; then the mean over the groups. It promises no
false-positive rate: nothing keeps it from refusing half of the clean models.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Literal

OneSide = Literal["below", "above"]


def f1_threshold(
    clean: Sequence[float], groups: Mapping[str, Sequence[float]], side: OneSide
) -> float:
    """Eq. 6: the mean over `groups` of `best_f1_threshold`; a score at it or beyond is infected."""
    return fmean(best_f1_threshold(clean, scores, side) for scores in groups.values())


def best_f1_threshold(clean: Sequence[float], backdoored: Sequence[float], side: OneSide) -> float:
    """The threshold of one group with the highest F1, where the paper leaves two things open.

    It lies in the middle between two neighbouring scores (or at the last score, where all are
    infected), and of several with the same F1 it is the one that refuses the fewest clean models.
    Neither side may be empty.
    """
    sign = 1.0 if side == "below" else -1.0
    low_clean = sorted(sign * score for score in clean)
    low_backdoored = sorted(sign * score for score in backdoored)
    scores = sorted({*low_clean, *low_backdoored})
    best, place = -1.0, 0
    for index, score in enumerate(scores):
        found, refused = bisect_right(low_backdoored, score), bisect_right(low_clean, score)
        f1 = 2 * found / (found + refused + len(low_backdoored))
        if f1 > best:
            best, place = f1, index
    return sign * _middle(scores[place], scores[min(place + 1, len(scores) - 1)])


def _middle(low: float, high: float) -> float:
    """Half way, but never `high` itself, which would be infected then; their sum may overflow."""
    middle = low / 2 + high / 2
    return middle if low <= middle < high else low


def share_interval(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share after `hits` in `count` > 0, by Clopper and Pearson."""
    # Imported late: policies are also read where nothing is computed.
    from scipy.special import betaincinv

    low = 0.0 if hits == 0 else float(betaincinv(hits, count - hits + 1, 0.025))
    high = 1.0 if hits == count else float(betaincinv(hits + 1, count - hits, 0.975))
    return low, high
