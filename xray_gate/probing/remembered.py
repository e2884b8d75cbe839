"""Some of the questions that were answered, each with the same chance, for asking them again."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from xray_gate.probing.answers import BoolArray
from xray_gate.probing.batches import Batch, FloatArray, IndexArray

MOST = 32
"""How many are kept of one kind of question."""


class Remembered:
    """At most `MOST` of all the questions that it is shown.

    `pixels` float32 (n, channels, height, width); `allowed` bool (n, classes), the labels that the
    model gave: one each, or several where rounding may turn its probabilities.
    """

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        self.pixels: FloatArray = np.empty((0, *shape), dtype=np.float32)
        self.allowed: BoolArray = np.empty((0, classes), dtype=np.bool_)
        self._keys: npt.NDArray[np.float64] = np.empty(0)

    def see(
        self, batch: Batch, allowed: Callable[[IndexArray], BoolArray], rng: np.random.Generator
    ) -> None:
        """Each question gets a random key, and the smallest of all keys stay.

        `allowed` gives the rows of a batch's answers; only those that stay are looked at.
        """
        keys = rng.random(len(batch))
        rows = np.flatnonzero(keys < (self._keys.max() if len(self._keys) == MOST else 1.0))
        rows = rows[np.argsort(keys[rows])[:MOST]]
        if not len(rows):
            return
        joined = np.concatenate([self._keys, keys[rows]])
        stay = np.argsort(joined)[:MOST]
        pixels = batch.take(rows).images(0, len(rows))
        self._keys = joined[stay]
        self.pixels = np.concatenate([self.pixels, pixels])[stay]
        self.allowed = np.concatenate([self.allowed, allowed(rows)])[stay]
