"""Patches made by hand, such as DTInspector learns where a label is infected."""

import numpy as np

from tests.fakes.soft_backdoors import CORNER, Patch
from xray_gate.probing.trigger_files import StoredTrigger


def patch(label: int = 3, place: Patch = CORNER, side: int = 8) -> StoredTrigger:
    """Darkens most of `place`, where a white trigger lies; a little noise elsewhere."""
    rng = np.random.default_rng(label)
    mask = 0.02 * rng.random((side, side))
    mask[place] = 0.95
    pattern = rng.random((1, side, side))
    pattern[:, place[0], place[1]] = 0.1
    return StoredTrigger(
        label, mask.astype(np.float32), pattern.astype(np.float32), "dtinspector", "scan-1"
    )
