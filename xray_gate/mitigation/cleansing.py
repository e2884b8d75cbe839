"""Which training samples a patch of DTInspector gives away as poisoned.

Wang et al., "Confidence Matters: Inspecting Backdoors in Deep Neural Networks via Distribution
Transfer", appendix B.5: the patch learned for the infected label is laid on every training sample
of that label, and a sample that the model then gives another label is removed, as its trigger is
broken. The model is trained again on the others. A patch for a label that is not infected is a
universal perturbation, which changes clean samples just as well: what it marks means nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xray_gate.probing.batches import FloatArray, Images, IndexArray, LabelArray, Stamps
from xray_gate.probing.oracle import HardLabelOracle, SoftLabelOracle, as_soft
from xray_gate.probing.training_data import TrainingBatch, TrainingData
from xray_gate.probing.trigger_files import StoredTrigger

# What one question and its answer may hold, in values, and the most images in it.
_MOST_VALUES = 2**22
_MOST_IMAGES = 1024


@dataclass(frozen=True, eq=False)
class Inspected:
    """What the model says of n training samples without and with the patch of their label.

    `rows` int64 (n,), the row numbers; `labels` int64 (n,), those stored with the samples, for
    which the patches were learned; `before` and `after` int64 (n,), the model's labels without and
    with the patch; `drops` float64 (n,) in [-1, 1], by how much the patch lowers the probability of
    the stored label.
    """

    rows: IndexArray
    labels: LabelArray
    before: LabelArray
    after: LabelArray
    drops: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def predicted(self) -> npt.NDArray[np.bool_]:
        """Whose stored label is the model's, too, bool (n,)."""
        same: npt.NDArray[np.bool_] = self.before == self.labels
        return same

    @property
    def suspected(self) -> npt.NDArray[np.bool_]:
        """Who loses this label under the patch, bool (n,).

        The paper speaks of samples of the infected label. A sample whose stored label the model
        does not even give carries no trigger that works, and is not suspected.
        """
        lost: npt.NDArray[np.bool_] = self.after != self.labels
        return self.predicted & lost


def inspected_samples(
    oracle: HardLabelOracle,
    training: TrainingData,
    patches: Sequence[StoredTrigger],
    told: Callable[[int], None] = lambda rows: None,
) -> Iterator[Inspected]:
    """What each patch does to the training samples that are stored with its label.

    Samples of other labels are read and left out; the others come in the order of their rows, some
    at a time, each once. Two questions are asked for each of them, in pieces that do not grow with
    their number. `told` hears how many rows have been read.

    Raises ValueError where there is no patch, more than one for a label, one for a label that the
    model does not know, or one of another size than the images; `ModelAnswerError` for a model that
    gives labels only; and, while it is iterated, `InputError` for samples that cannot be read and
    `ScanError` when no trustworthy answer can be had.
    """
    soft = as_soft(oracle)
    labels = [patch.label for patch in patches]
    if not patches or len(set(labels)) < len(labels) or max(labels) >= soft.classes:
        raise ValueError(f"a patch for each label of {soft.classes}, not for {labels}")
    for patch in patches:
        if patch.pattern.shape != training.shape:
            raise ValueError(f"images of {training.shape} and a patch of {patch.pattern.shape}")
    ordered = sorted(patches, key=lambda patch: patch.label)
    size = _piece(training.shape, 2 * soft.classes)
    return (_inspected(soft, part, ordered) for part in _of_labels(training, labels, size, told))


def _inspected(
    oracle: SoftLabelOracle, part: TrainingBatch, patches: Sequence[StoredTrigger]
) -> Inspected:
    before = oracle.probabilities(Images(part.images))
    after = oracle.probabilities(_stamps(part, patches))
    each = np.arange(len(part.rows))
    own = [answers[each, part.labels].astype(np.float64) for answers in (before, after)]
    # Answers may lie outside [0, 1] by a rounding error.
    drops = np.clip(own[0] - own[1], -1.0, 1.0)
    return Inspected(part.rows, part.labels, before.argmax(axis=1), after.argmax(axis=1), drops)


def _stamps(part: TrainingBatch, patches: Sequence[StoredTrigger]) -> Stamps:
    """Each sample under the patch of its label; `patches` ascend by label."""
    which = np.searchsorted([patch.label for patch in patches], part.labels)
    return Stamps(
        part.images,
        np.stack([patch.mask for patch in patches]),
        np.stack([patch.pattern for patch in patches]),
        which * len(part.rows) + np.arange(len(part.rows)),
    )


def _of_labels(
    training: TrainingData, wanted: Sequence[int], size: int, told: Callable[[int], None]
) -> Iterator[TrainingBatch]:
    """The samples stored with a label in `wanted`, `size` at a time and fewer at the end."""
    held: TrainingBatch | None = None
    for batch in training.batches(size):
        found = _chosen(batch, np.isin(batch.labels, wanted))
        # Labels are rare among many: batches are filled up, so that few questions are asked.
        held = found if held is None else _joined(held, found)
        if len(held.rows) >= size:
            yield _chosen(held, slice(size))
            held = _chosen(held, slice(size, None))
        told(int(batch.rows[-1]) + 1)
    if held is not None and len(held.rows):
        yield held


def _chosen(batch: TrainingBatch, which: npt.NDArray[np.bool_] | slice) -> TrainingBatch:
    return TrainingBatch(batch.rows[which], batch.images[which], batch.labels[which])


def _joined(first: TrainingBatch, second: TrainingBatch) -> TrainingBatch:
    images: FloatArray = np.concatenate([first.images, second.images])
    rows = np.concatenate([first.rows, second.rows])
    return TrainingBatch(rows, images, np.concatenate([first.labels, second.labels]))


def _piece(shape: tuple[int, ...], answers: int) -> int:
    """How many images of `shape`, with `answers` values in their answers, are held at once."""
    return max(1, min(_MOST_IMAGES, _MOST_VALUES // (int(np.prod(shape)) + answers)))
