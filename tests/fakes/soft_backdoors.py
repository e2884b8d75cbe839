"""Models with probabilities and planted patches, small enough for NumPy."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from tests.fakes.soft_oracles import Scores, SoftOracle, softmax
from xray_gate.detectors.interface import Subject
from xray_gate.probing.batches import Batch, FloatArray
from xray_gate.probing.oracle import Slopes
from xray_gate.probing.probe_set import ProbeSet

Patch = tuple[slice, slice]
CORNER: Patch = (slice(0, 2), slice(0, 2))
OTHER_CORNER: Patch = (slice(6, 8), slice(6, 8))


class PlantedOracle(SoftOracle):
    """The nearest centre's label; each label of `planted` has a patch that leads there when white.

    The more of the patch is white, the likelier the label: as in a trained backdoor, there is a
    slope that leads to it.
    """

    def __init__(
        self,
        centres: npt.ArrayLike,
        planted: Mapping[int, Patch] | None = None,
        sharpness: float = 0.5,
    ) -> None:
        super().__init__(centres, sharpness)
        self._planted = dict(planted or {})

    def _scores(self, images: FloatArray) -> Scores:
        scores = super()._scores(images)
        for label, (rows, columns) in self._planted.items():
            white = images[:, :, rows, columns].min(axis=1).mean(axis=(1, 2))
            scores[:, label] += 60 * np.clip(white - 0.6, 0, None)
        return scores


class SlopedOracle(PlantedOracle):
    """The same for grey images, and its exact gradients; `false` turns their sign."""

    def __init__(
        self,
        centres: npt.ArrayLike,
        planted: Mapping[int, Patch] | None = None,
        sharpness: float = 0.5,
        *,
        false: bool = False,
    ) -> None:
        super().__init__(centres, planted, sharpness)
        self.slope_batches: list[int] = []
        self._sign = -1 if false else 1

    def slopes(self, batch: Batch, label: int) -> Slopes:
        images = batch.images(0, len(batch))
        self.slope_batches.append(len(images))
        scores = self._scores(images)
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        odds[:, label] = 0
        by_score = -odds / odds.sum(axis=1, keepdims=True)
        by_score[:, label] = 1
        # Of -sharpness * (image - centre)^2, whose images' part is the same for all labels.
        by_pixel = (2 * self._sharpness * by_score @ self._centres).reshape(images.shape)
        for planted, (rows, columns) in self._planted.items():
            patch = images[:, 0, rows, columns]
            steep = 60 / patch[0].size * (patch.mean(axis=(1, 2)) > 0.6)
            by_pixel[:, 0, rows, columns] += (steep * by_score[:, planted])[:, None, None]
        return Slopes(softmax(scores), (self._sign * by_pixel).astype(np.float32))


def planted_subject(
    planted: Mapping[int, Patch] | None = None,
    seed: int = 0,
    classes: int = 5,
    side: int = 8,
    count: int = 80,
) -> Subject:
    """Noisy samples of random grey centres, `side` pixels wide, and a model that knows them."""
    rng = np.random.default_rng(seed)
    centres = rng.random((classes, 1, side, side))
    labels = np.arange(count) % classes
    noise = 0.15 * rng.standard_normal((count, 1, side, side))
    images = np.clip(centres[labels] + noise, 0, 1).astype(np.float32)
    oracle = PlantedOracle(centres, planted)
    probes = ProbeSet(images, labels)
    return Subject(oracle, probes, oracle.labels(probes.as_batch()))
