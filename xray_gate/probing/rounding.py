"""Whether rounding turned a label, where the same question got two in different batches.

How an honest model rounds depends on the size of a batch, and in half precision on more than a
thousandth of the scores. So a label may turn, but only next to a boundary, and in whatever company.
"""

import numpy as np

from xray_gate.probing.answers import BoolArray, ask
from xray_gate.probing.batches import FloatArray, Images, LabelArray
from xray_gate.probing.oracle import HardLabelOracle

# For one question, and at least.
_COMPANY, _LEAST_COMPANY = 7, 64
# How far off a boundary may lie, in lengths of the image; and how many ways are gone, to and fro.
_NEAR, _WAYS = 0.02, 8


class Rounding:
    """Asks suspects again; `queries` counts how much.

    `clean` float32 (n, channels, height, width) are clean samples.
    """

    def __init__(
        self, oracle: HardLabelOracle, clean: FloatArray, rng: np.random.Generator
    ) -> None:
        self._oracle = oracle
        self._clean = clean
        self._rng = rng
        self.queries = 0

    def explains(self, suspects: FloatArray, others: FloatArray, before: BoolArray) -> BoolArray:
        """For which suspects, bool (n,), rounding explains another label than `before`.

        They get one label among `others`, in whose company they got a label of `before`, bool (n,
        classes), and among clean samples; and next to them there are labels of `before`, and other
        ones.
        """
        return self._alike(suspects, others) & self._on_boundaries(suspects, before)

    def _alike(self, suspects: FloatArray, others: FloatArray) -> BoolArray:
        """Two batches of one size and with the same places differ in nothing but the company."""
        count = len(suspects)
        company = max(_LEAST_COMPANY, _COMPANY * count)
        places = self._rng.permutation(count + company)
        found = []
        for pool in (others, self._clean):
            beside = pool[self._rng.integers(0, len(pool), size=company)]
            images = np.concatenate([suspects, beside])[np.argsort(places)]
            found.append(self._ask(images)[places[:count]])
        alike: BoolArray = found[0] == found[1]
        return alike

    def _on_boundaries(self, suspects: FloatArray, before: BoolArray) -> BoolArray:
        first, second = self._rng.integers(0, len(self._clean), size=(2, _WAYS))
        ways = self._clean[first] - self._clean[second]
        lengths = np.linalg.norm(ways.reshape(_WAYS, -1), axis=1)
        ways /= np.maximum(lengths, np.finfo(np.float32).tiny)[:, None, None, None]
        steps = _NEAR * np.linalg.norm(suspects.reshape(len(suspects), -1), axis=1)
        moves = steps[:, None, None, None, None] * np.concatenate([ways, -ways])
        near = (suspects[:, None] + moves).reshape(-1, *suspects.shape[1:]).astype(np.float32)
        labels = self._ask(near).reshape(len(suspects), 2 * _WAYS)
        old = np.take_along_axis(before, labels, axis=1)
        both: BoolArray = np.logical_and(old.any(axis=1), ~old.all(axis=1))
        return both

    def _ask(self, images: FloatArray) -> LabelArray:
        self.queries += len(images)
        return ask(self._oracle, Images(images))
