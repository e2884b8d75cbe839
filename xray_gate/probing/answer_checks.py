"""Checks that the model answers as a classifier does: the same question, the same label.

A model may be random, keep state between calls, or let the images of a batch influence each
other. Its labels then say nothing about its decision regions, so the scan must not use them.
"""

import numpy as np
import numpy.typing as npt

from xray_gate.core.errors import ModelAnswerError
from xray_gate.probing.oracle import Batch, HardLabelOracle, Images, LabelArray

_CAUSES = (
    "Likely causes: random layers or dropout at inference, batch normalisation in training mode, "
    "a scale computed over the whole batch, or state kept between calls. Export the model in "
    "evaluation mode and scan again"
)


class CheckedOracle:
    """Hides repeated questions in every batch and compares their answers.

    Each call asks `repeats` random rows a second time, at random places of the batch, and strips
    those answers again; then it asks one row alone. `check_queries` counts these over all calls.
    """

    def __init__(self, oracle: HardLabelOracle, rng: np.random.Generator, repeats: int = 8) -> None:
        if repeats < 1:
            raise ValueError(f"at least one question must be repeated, got {repeats}")
        self._oracle = oracle
        self._rng = rng
        self._repeats = repeats
        self.check_queries = 0

    @property
    def classes(self) -> int:
        """As the oracle behind it."""
        return self._oracle.classes

    def labels(self, batch: Batch) -> LabelArray:
        """As the oracle behind it; raises `ModelAnswerError` if a repeated question disagrees."""
        count = len(batch)
        if count == 0:
            return self._oracle.labels(batch)
        repeated = self._rng.integers(0, count, size=self._repeats)
        places = self._rng.integers(0, count + 1, size=self._repeats)
        rows = np.insert(np.arange(count), places, repeated)
        hidden = np.insert(np.zeros(count, dtype=bool), places, np.True_)
        answers = _ask(self._oracle, batch, rows)
        self.check_queries += self._repeats
        labels: LabelArray = answers[~hidden]
        _require_equal(labels[rows[hidden]], answers[hidden], "repeated within a batch")
        return labels


def check_answers(
    oracle: HardLabelOracle, images: Images, rng: np.random.Generator, singles: int = 16
) -> LabelArray:
    """The labels of `images`, int64 (n,), after checking that they do not depend on how one asks.

    Asks for all in one batch, again in another order, for `singles` of them one at a time, and
    for all once more: 3 * n + singles queries. Raises `ModelAnswerError` on any disagreement.
    """
    labels = _ask(oracle, images, np.arange(len(images)))
    recheck(oracle, images, labels, rng)
    chosen = rng.permutation(len(images))[:singles]
    alone = np.array([_ask(oracle, images, row[None])[0] for row in chosen], dtype=np.int64)
    _require_equal(labels[chosen], alone, "asked for one at a time")
    again = _ask(oracle, images, np.arange(len(images)))
    _require_equal(labels, again, "asked for a second time")
    return labels


def recheck(
    oracle: HardLabelOracle, images: Images, labels: LabelArray, rng: np.random.Generator
) -> None:
    """Ask for `images` in another order: n queries, whose answers must be `labels`, int64 (n,).

    Done again after the detectors, it notices a model whose answers change over time. Raises
    `ModelAnswerError` on any disagreement.
    """
    order = rng.permutation(len(images))
    _require_equal(labels[order], _ask(oracle, images, order), "asked for again in another order")


def _ask(oracle: HardLabelOracle, batch: Batch, rows: npt.NDArray[np.int64]) -> LabelArray:
    answers = oracle.labels(batch.take(rows))
    if answers.shape != rows.shape:
        raise ModelAnswerError(
            f"{len(rows)} questions got answers of the shape {answers.shape}; check that the "
            "model takes batches of any size and gives one answer for each image"
        )
    if len(answers) and (answers.min() < 0 or answers.max() >= oracle.classes):
        raise ModelAnswerError(
            f"labels from {answers.min()} to {answers.max()} came from a model of "
            f"{oracle.classes} classes; check which of its outputs holds the class scores"
        )
    return answers


def _require_equal(first: LabelArray, second: LabelArray, how: str) -> None:
    wrong = int(np.count_nonzero(first != second))
    if wrong:
        raise ModelAnswerError(
            f"the model gave another label for {wrong} of {len(first)} images {how}. {_CAUSES}"
        )
