"""Oracles without a model. Each counts the questions that it really saw."""

import numpy as np
import numpy.typing as npt

from xray_gate.core.errors import ModelAnswerError
from xray_gate.probing.batches import Batch, FloatArray, LabelArray


class FakeOracle:
    """Answers from pixels; `queries` counts the images asked for, `batches` their batch sizes."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self.batches: list[int] = []

    @property
    def classes(self) -> int:
        return self._classes

    @property
    def queries(self) -> int:
        return sum(self.batches)

    def labels(self, batch: Batch) -> LabelArray:
        self.batches.append(len(batch))
        return self._answer(batch.images(0, len(batch)))

    def _answer(self, images: FloatArray) -> LabelArray:
        raise NotImplementedError


class RegionsOracle(FakeOracle):
    """The label of the nearest of some centres: linear regions, as sharp as they come."""

    def __init__(
        self, centres: npt.ArrayLike, labels: npt.ArrayLike | None = None, classes: int = 0
    ) -> None:
        """`centres`: (k, ...) in pixel space; `labels`: (k,), default 0 up to k - 1."""
        self._centres = np.asarray(centres, dtype=np.float64).reshape(len(np.asarray(centres)), -1)
        self._labels = np.asarray(
            np.arange(len(self._centres)) if labels is None else labels, dtype=np.int64
        )
        super().__init__(classes or int(self._labels.max()) + 1)

    def _answer(self, images: FloatArray) -> LabelArray:
        flat = images.astype(np.float64).reshape(len(images), self._centres.shape[1])
        # einsum works row by row, so that an answer cannot depend on the rest of the batch.
        scores = np.einsum("nd,kd->nk", flat, self._centres)
        scores -= 0.5 * np.einsum("kd,kd->k", self._centres, self._centres)
        answers: LabelArray = self._labels[scores.argmax(axis=1)]
        return answers


class OneLabelOracle(FakeOracle):
    """Says the same to everything."""

    def __init__(self, classes: int, label: int = 0) -> None:
        super().__init__(classes)
        self._label = label

    def _answer(self, images: FloatArray) -> LabelArray:
        return np.full(len(images), self._label, dtype=np.int64)


class RandomOracle(FakeOracle):
    """A model with dropout left on: another answer each time."""

    def __init__(self, classes: int, rng: np.random.Generator) -> None:
        super().__init__(classes)
        self._rng = rng

    def _answer(self, images: FloatArray) -> LabelArray:
        return self._rng.integers(0, self._classes, size=len(images))


class RowMixingOracle(RegionsOracle):
    """Each row of a batch is shifted by the row before it; the first, and a lone one, are not."""

    def _answer(self, images: FloatArray) -> LabelArray:
        shifted = images.copy()
        shifted[1:] += images[:-1]
        return super()._answer(shifted)


class BatchScaledOracle(RegionsOracle):
    """Batch normalisation in training mode: images are taken relative to their batch's mean."""

    def _answer(self, images: FloatArray) -> LabelArray:
        return super()._answer(images - images.mean(axis=0) if len(images) > 1 else images)


class StatefulOracle(RegionsOracle):
    """Turns round after `queries_until` questions: label l becomes classes - 1 - l."""

    def __init__(self, centres: npt.ArrayLike, queries_until: int) -> None:
        super().__init__(centres)
        self._until = queries_until

    def _answer(self, images: FloatArray) -> LabelArray:
        labels = super()._answer(images)
        return self._classes - 1 - labels if self.queries > self._until else labels


class NotANumberOracle(FakeOracle):
    """Fails as a back end does when the model's scores are NaN, after `answers` good batches."""

    def __init__(self, classes: int, answers: int = 0) -> None:
        super().__init__(classes)
        self._good = answers

    def _answer(self, images: FloatArray) -> LabelArray:
        if len(self.batches) > self._good:
            raise ModelAnswerError("the model answered NaN; scan it with the right preprocessing")
        return np.arange(len(images), dtype=np.int64) % self._classes
