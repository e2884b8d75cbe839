"""Models without a network, for tests: each counts the questions that it saw."""

import numpy as np
import numpy.typing as npt

from xray_gate.probing.batches import Batch, FloatArray, Images, LabelArray
from xray_gate.probing.probe_set import ProbeSet

_COUNT = 60
_CLASSES = 5


class NearestCentre:
    """A classifier of images: the nearer a centre, the likelier its label.

    `centres`: (classes, channels, height, width), in [0, 1]; the label of each is its place.
    `error` is raised by every batch from number `fails_from` (from 0) on. `queries` and `batches`
    count the images and the batches that were asked for, those that failed included.
    """

    soft = True

    def __init__(
        self, centres: npt.ArrayLike, error: Exception | None = None, fails_from: int = 0
    ) -> None:
        given = np.asarray(centres, np.float64)
        self._centres = given.reshape(len(given), -1)
        self._error, self._fails_from = error, fails_from
        self.queries = 0
        self.batches = 0

    @property
    def classes(self) -> int:
        """How many labels there are."""
        return len(self._centres)

    def labels(self, batch: Batch) -> LabelArray:
        """The label of each image, int64 (n,)."""
        largest: LabelArray = self._scores(batch).argmax(axis=1)
        return largest

    def probabilities(self, batch: Batch) -> FloatArray:
        """The probability of each label for each image, float32 (n, classes)."""
        scores = self._scores(batch)
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)

    def _scores(self, batch: Batch) -> npt.NDArray[np.float64]:
        self.queries += len(batch)
        self.batches += 1
        if self._error is not None and self.batches > self._fails_from:
            raise self._error
        flat = batch.images(0, len(batch)).astype(np.float64).reshape(len(batch), 1, -1)
        scores: npt.NDArray[np.float64] = -4.0 * ((flat - self._centres) ** 2).sum(axis=2)
        return scores


class LabelsOnly:
    """The same model, for those who may ask for labels only."""

    soft = False

    def __init__(self, model: NearestCentre) -> None:
        self._model = model

    @property
    def classes(self) -> int:
        """How many labels there are."""
        return self._model.classes

    def labels(self, batch: Batch) -> LabelArray:
        """The label of each image, int64 (n,)."""
        return self._model.labels(batch)


def small_images() -> FloatArray:
    """60 grey images of 4 x 4 pixels; the first five are the centres of `small_model`."""
    return np.random.default_rng(7).random((_COUNT, 1, 4, 4)).astype(np.float32)


def small_model(error: Exception | None = None, fails_from: int = 0) -> NearestCentre:
    """A model that knows five labels of such images."""
    return NearestCentre(small_images()[:_CLASSES], error, fails_from)


def small_probes() -> ProbeSet:
    """The images with the labels that the model gives them, so that it is right on all."""
    images = small_images()
    return ProbeSet(images, small_model().labels(Images(images)), source="small_probes")
