"""Oracles that give probabilities, honest ones and others."""

import numpy as np
import numpy.typing as npt

from tests.fakes.oracles import FakeOracle
from xray_gate.probing.batches import Batch, FloatArray, LabelArray

Scores = npt.NDArray[np.float64]


class SoftOracle(FakeOracle):
    """The nearer a centre, the likelier its label; `soft_batches` are those of probabilities."""

    soft = True

    def __init__(self, centres: npt.ArrayLike, sharpness: float = 4.0) -> None:
        """`centres`: (k, ...) in pixel space; the label of each is its place."""
        self._centres = np.asarray(centres, dtype=np.float64).reshape(len(np.asarray(centres)), -1)
        self._sharpness = sharpness
        self.soft_batches: list[int] = []
        super().__init__(len(self._centres))

    @property
    def queries(self) -> int:
        return sum(self.batches) + sum(self.soft_batches)

    def probabilities(self, batch: Batch) -> FloatArray:
        self.soft_batches.append(len(batch))
        return self._soft_answer(batch.images(0, len(batch)))

    def _answer(self, images: FloatArray) -> LabelArray:
        largest: LabelArray = self._scores(images).argmax(axis=1)
        return largest

    def _soft_answer(self, images: FloatArray) -> FloatArray:
        return softmax(self._scores(images))

    def _scores(self, images: FloatArray) -> Scores:
        flat = images.astype(np.float64).reshape(len(images), 1, self._centres.shape[1])
        scores: Scores = -self._sharpness * ((flat - self._centres) ** 2).sum(axis=2)
        return scores


class NoisySoftOracle(SoftOracle):
    """A model with dropout left on: its scores move by `noise` from one answer to the next."""

    def __init__(self, centres: npt.ArrayLike, rng: np.random.Generator, noise: float) -> None:
        super().__init__(centres)
        self._rng, self._noise = rng, noise

    def _scores(self, images: FloatArray) -> Scores:
        scores = super()._scores(images)
        return scores + self._rng.normal(0, self._noise, scores.shape)


class BatchScaledSoftOracle(SoftOracle):
    """Takes the images of a batch relative to its mean; a lone image as it is."""

    def _scores(self, images: FloatArray) -> Scores:
        return super()._scores(images - images.mean(axis=0) if len(images) > 1 else images)


class TwoFacedOracle(SoftOracle):
    """Answers one kind of question honestly and the other one label further: `lie` says which."""

    def __init__(self, centres: npt.ArrayLike, lie: str) -> None:
        super().__init__(centres)
        self._lie = lie

    def _answer(self, images: FloatArray) -> LabelArray:
        honest = super()._answer(images)
        return (honest + 1) % self.classes if self._lie == "labels" else honest

    def _soft_answer(self, images: FloatArray) -> FloatArray:
        honest = super()._soft_answer(images)
        return np.roll(honest, 1, axis=1) if self._lie == "probabilities" else honest


class GivenProbabilities(SoftOracle):
    """Says `row` to everything, `rows` times or as often as it was asked."""

    def __init__(self, row: npt.ArrayLike, classes: int, rows: int | None = None) -> None:
        super().__init__(np.zeros((classes, 1)))
        self._row, self._rows = np.asarray(row, np.float32), rows

    def _answer(self, images: FloatArray) -> LabelArray:
        return np.zeros(len(images), dtype=np.int64)

    def _soft_answer(self, images: FloatArray) -> FloatArray:
        return np.tile(self._row, (len(images) if self._rows is None else self._rows, 1))


def softmax(scores: npt.NDArray[np.floating]) -> FloatArray:
    raised = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)
