"""Which training samples a model is surest of, and which least, for each label that it predicts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from xray_gate.probing.batches import FloatArray, Images, IndexArray, LabelArray
from xray_gate.probing.oracle import SoftLabelOracle
from xray_gate.probing.training_data import TrainingData

_ROWS_AT_A_TIME = 1024


@dataclass(frozen=True, eq=False)
class Predictions:
    """What the model says of every training sample.

    `labels` int64 (n,) in [0, classes), `doubt` float32 (n,) in [0, 1], the probability of all
    other labels together, and `accuracy` in [0, 1], how often the label is the one stored with the
    sample. Doubt and not confidence, which is 1 for thousands of samples once it is rounded.
    """

    labels: LabelArray
    doubt: FloatArray
    accuracy: float
    classes: int

    def chosen(self, label: int, count: int) -> "Chosen":
        """Of the samples predicted as `label`: `count` of either kind, or two fifths of all."""
        rows = np.flatnonzero(self.labels == label)
        # Of equals the first stored, so that the same data give the same samples.
        ranked = rows[np.argsort(self.doubt[rows], kind="stable")]
        each = min(count, 2 * len(ranked) // 5)
        kinds = ranked[:each], ranked[each : each + each // 2], ranked[len(ranked) - each :]
        return Chosen(*(np.sort(kind) for kind in kinds))


@dataclass(frozen=True, eq=False)
class Chosen:
    """Rows of training samples, each kind sorted, none in two of them.

    `confident` and `unconfident` are as many; `held_back` half as many, the next confident ones.
    """

    confident: IndexArray
    held_back: IndexArray
    unconfident: IndexArray


def predict_all(
    oracle: SoftLabelOracle, training: TrainingData, told: Callable[[int], None]
) -> Predictions:
    """Ask about every training sample once; `told` hears how many are done."""
    labels = np.empty(len(training), np.int64)
    doubt = np.empty(len(training), np.float32)
    right = 0
    for batch in training.batches(_ROWS_AT_A_TIME):
        answers = oracle.probabilities(Images(batch.images))
        likeliest = answers.argmax(axis=1, keepdims=True)
        labels[batch.rows] = likeliest[:, 0]
        others = answers.copy()
        np.put_along_axis(others, likeliest, 0, axis=1)
        doubt[batch.rows] = others.sum(axis=1)
        right += int((labels[batch.rows] == batch.labels).sum())
        told(int(batch.rows[-1]) + 1)
    return Predictions(labels, doubt, right / len(training), oracle.classes)
