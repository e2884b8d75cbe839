"""Reversed triggers made by hand, and how well scores tell two groups of inputs apart."""

import numpy as np
from scipy.stats import mannwhitneyu

from tests.fakes.soft_backdoors import CORNER, Patch
from xray_gate.mitigation.trigger_score import Scores
from xray_gate.probing.trigger_files import StoredTrigger


def trigger(
    label: int = 3, place: Patch = CORNER, channels: int = 1, side: int = 8
) -> StoredTrigger:
    """Most of a white patch at `place`, as a search finds it: a soft mask, noise elsewhere."""
    rng = np.random.default_rng(label)
    mask = 0.03 * rng.random((side, side))
    mask[place] = 0.9
    pattern = rng.random((channels, side, side))
    pattern[:, place[0], place[1]] = 1.0
    return StoredTrigger(
        label, mask.astype(np.float32), pattern.astype(np.float32), "b3d", "scan-1"
    )


def area_under_curve(larger: Scores, smaller: Scores) -> float:
    """The chance that one of `larger` is above one of `smaller`."""
    found = mannwhitneyu(larger, smaller).statistic / (len(larger) * len(smaller))
    return float(found)
