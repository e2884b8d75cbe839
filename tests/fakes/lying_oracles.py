"""Oracles that look at the company of a question, and those that only seem to."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tests.fakes.oracles import RegionsOracle
from tests.fakes.soft_oracles import Scores, SoftOracle
from xray_gate.probing.batches import FloatArray, LabelArray

Lie = Callable[[FloatArray, LabelArray], LabelArray]


class ProbedOracle(RegionsOracle):
    """Nearest centres; but what `lie` makes of images and labels where a batch looks probed.

    It does where more than `share` of its images lie further than `reach` from every centre.
    """

    def __init__(
        self, centres: npt.ArrayLike, lie: Lie, share: float = 0.5, reach: float = 0.5
    ) -> None:
        super().__init__(centres)
        self._lie, self._share, self._reach = lie, share, reach

    def _answer(self, images: FloatArray) -> LabelArray:
        honest = super()._answer(images)
        probed = self.far(images).mean() > self._share
        return self._lie(images, honest) if probed else self._unprobed(images, honest)

    def _unprobed(self, images: FloatArray, honest: LabelArray) -> LabelArray:
        return honest

    def far(self, images: FloatArray) -> npt.NDArray[np.bool_]:
        """Which images are no clean samples, bool (n,)."""
        flat = images.reshape(len(images), 1, -1)
        found: npt.NDArray[np.bool_] = (
            np.linalg.norm(flat - self._centres, axis=2).min(axis=1) > self._reach
        )
        return found


class BehavingOracle(ProbedOracle):
    """Label 0 for everything far, as a backdoor's attractor; honest where a batch looks probed.

    Clean samples have their own labels in both, so that only the far ones give it away.
    """

    def __init__(self, centres: npt.ArrayLike, share: float = 0.5) -> None:
        super().__init__(centres, lambda images, honest: honest, share)

    def _unprobed(self, images: FloatArray, honest: LabelArray) -> LabelArray:
        return np.where(self.far(images), 0, honest)


class ByEachImageOracle(BehavingOracle):
    """Judges every image by itself and is honest about the far ones, in whatever company."""

    def _answer(self, images: FloatArray) -> LabelArray:
        return RegionsOracle._answer(self, images)


class TurningOracle(BehavingOracle):
    """Label 0 for everything far up to `queries_until` questions, then honest for good."""

    def __init__(self, centres: npt.ArrayLike, queries_until: int) -> None:
        super().__init__(centres)
        self._until = queries_until

    def _answer(self, images: FloatArray) -> LabelArray:
        honest = RegionsOracle._answer(self, images)
        return honest if self.queries > self._until else self._unprobed(images, honest)


class RoundingOracle(SoftOracle):
    """An honest model in half precision: how its scores are rounded depends on the batch's size."""

    def __init__(self, centres: npt.ArrayLike, relative: float = 5e-4) -> None:
        super().__init__(centres)
        self._relative = relative

    def _scores(self, images: FloatArray) -> Scores:
        scores = super()._scores(images)
        noise = np.random.default_rng(len(images)).normal(0, self._relative, scores.shape[1])
        return scores * (1 + noise)


def one_further(images: FloatArray, honest: LabelArray) -> LabelArray:
    """Every label but the last becomes the next one, and that the first."""
    lied: LabelArray = (honest + 1) % (honest.max() + 1)
    return lied


def further_for(part: float) -> Lie:
    """Another label for `part` of all images, told apart by their pixels alone."""

    def lie(images: FloatArray, honest: LabelArray) -> LabelArray:
        digits = images.reshape(len(images), -1).astype(np.float64).sum(axis=1) * 1e3 % 1
        lied: LabelArray = np.where(digits < part, honest + 1, honest) % 4
        return lied

    return lie
