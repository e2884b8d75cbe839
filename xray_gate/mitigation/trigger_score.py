"""How little a model's answer changes when a reversed trigger is stamped on an input.

B3D (Dong et al., ICCV 2021), section 5, Eq. 8:

    S(x) = KL( f(x) || f(x under the reversed trigger) )

A clean input's answer changes much. That of an input which carries the trigger already is the
target label before and after, so that S is small.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xray_gate.probing.batches import FloatArray, Images, LabelArray, Stamps
from xray_gate.probing.oracle import HardLabelOracle, SoftLabelOracle, as_soft
from xray_gate.probing.trigger_files import StoredTrigger

Scores = npt.NDArray[np.float64]

# What one question and its answer may hold, in values.
_MOST_VALUES = 2**22
# Probabilities are floats with 24 bits: what is smaller is as good as 0, and a score has an end.
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class Scored:
    """What the model and the triggers say of n inputs.

    `scores` float64 (n,), in nats, 0 up to 27.7: the smallest S of all triggers;
    `trigger_labels` int64 (n,): the label that the trigger with that S leads to; `labels` int64
    (n,): the model's, without a trigger.
    """

    scores: Scores
    trigger_labels: LabelArray
    labels: LabelArray

    def __len__(self) -> int:
        return len(self.scores)


def trigger_scores(
    oracle: HardLabelOracle, images: FloatArray, triggers: Sequence[StoredTrigger]
) -> Scored:
    """Score `images`, float32 (n, channels, height, width) in [0, 1], against every trigger.

    Asks n * (1 + number of triggers) questions, in pieces that do not grow with n. Raises
    ValueError where there is no trigger, or one of another size than the images, and `ScanError`
    when no trustworthy answer can be had, among them `ModelAnswerError` for a model that gives
    labels only.
    """
    if not triggers:
        raise ValueError("no trigger to compare with")
    soft = as_soft(oracle)
    masks = np.stack([trigger.mask for trigger in triggers])
    patterns = np.stack([trigger.pattern for trigger in triggers])
    step = _piece(images.shape[1:], (1 + len(triggers)) * soft.classes)
    parts = [
        _scored(soft, Stamps(images[start : start + step], masks, patterns))
        for start in range(0, len(images), step)
    ]
    wanted = np.array([trigger.label for trigger in triggers], dtype=np.int64)
    # With an empty part, so that no image at all is no special case.
    scores = np.concatenate([np.empty(0), *(scores for scores, _, _ in parts)])
    nearest, labels = (
        np.concatenate([np.empty(0, np.int64), *(part[which] for part in parts)])
        for which in (1, 2)
    )
    return Scored(scores, wanted[nearest], labels)


def divergence(before: FloatArray, after: FloatArray) -> Scores:
    """KL(before || after) of each row, float64 (n,) in nats; both float32 (n, classes).

    At least 0 and, since probabilities under 1e-12 count as 1e-12, at most 27.7.
    """
    p, q = (np.maximum(rows.astype(np.float64), _LEAST) for rows in (before, after))
    p, q = p / p.sum(axis=1, keepdims=True), q / q.sum(axis=1, keepdims=True)
    # Rounding may lead below 0 by a hair where both are the same.
    found: Scores = np.maximum((p * np.log(p / q)).sum(axis=1), 0.0)
    return found


def _scored(oracle: SoftLabelOracle, stamps: Stamps) -> tuple[Scores, LabelArray, LabelArray]:
    """The smallest scores, which trigger each is of, and the labels without a trigger."""
    before = oracle.probabilities(Images(stamps.pixels))
    after = oracle.probabilities(stamps)
    each = after.reshape(len(stamps.masks), *before.shape)
    scores = np.stack([divergence(before, rows) for rows in each])
    nearest: LabelArray = scores.argmin(axis=0)
    labels: LabelArray = before.argmax(axis=1)
    return scores.min(axis=0), nearest, labels


def _piece(shape: tuple[int, ...], answers: int) -> int:
    """How many images of `shape`, with `answers` values in their answers, are asked at once."""
    return max(1, _MOST_VALUES // (int(np.prod(shape)) + answers))
