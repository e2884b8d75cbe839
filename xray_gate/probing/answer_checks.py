"""Checks that the model answers as a classifier does: the same question, the same answer.

A model may be random, keep state between calls, or let the images of a batch influence each
other. Its labels then say nothing about its decision regions, so the scan must not use them. Its
process may also tell labels from probabilities, and answer one of the two as another model would.
"""

import numpy as np
import numpy.typing as npt

from xray_gate.core.errors import ModelAnswerError, NoGradients
from xray_gate.probing.batches import (
    Batch,
    FloatArray,
    Images,
    IndexArray,
    JoinedPlanes,
    LabelArray,
)
from xray_gate.probing.oracle import (
    HardLabelOracle,
    Slopes,
    SoftLabelOracle,
    as_gradient,
    as_soft,
    is_soft,
)

_CAUSES = (
    "Likely causes: random layers or dropout at inference, batch normalisation in training mode, "
    "a scale computed over the whole batch, or state kept between calls. Export the model in "
    "evaluation mode and scan again"
)

_REPEATED = "repeated within a batch"

# Half precision in another place of a batch, or in another batch, rounds otherwise: by 0.03 for a
# logit of 32 to 64, which moves a probability by 3 % of itself.
_RELATIVE = 0.05
_ABSOLUTE = 1e-3
_SUM = 1e-3

# Boundaries are followed by many small batches, each of which would else double.
_ROWS_FOR_A_REPEAT = 16

# Of each question for gradients so many are asked again without.
_COMPARED = 2
_BY_QUERIES = "set `patches_by: queries`, or give it in a format of PyTorch"


class CheckedOracle:
    """Hides repeated questions in every batch and compares their answers.

    Each call asks `repeats` random rows a second time, at random places of the batch, and strips
    those answers again; of points of several planes, which come in many small batches, a sixteenth
    and one more if that is fewer. After probabilities, it also asks for the labels of as many
    random rows, and for the probabilities of one row alone. Questions for slopes are not repeated;
    two are asked again for their probabilities. `check_queries` counts these over all calls.
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

    @property
    def soft(self) -> bool:
        """As the oracle behind it."""
        return is_soft(self._oracle)

    def labels(self, batch: Batch) -> LabelArray:
        """As the oracle behind it; raises `ModelAnswerError` if a repeated question disagrees."""
        if len(batch) == 0:
            return self._oracle.labels(batch)
        rows, hidden = self._with_repeats(batch)
        answers = _ask(self._oracle, batch, rows)
        self.check_queries += int(np.count_nonzero(hidden))
        labels: LabelArray = answers[~hidden]
        _require_equal(labels[rows[hidden]], answers[hidden], _REPEATED)
        return labels

    def probabilities(self, batch: Batch) -> FloatArray:
        """As the oracle behind it; raises `ModelAnswerError` if a check disagrees.

        Answers to the same question may differ by 0.001 and 5 % of the larger. The label of a row
        must be one of the largest of its probabilities, within the same tolerance.
        """
        oracle = as_soft(self._oracle)
        count = len(batch)
        if count == 0:
            return oracle.probabilities(batch)
        rows, hidden = self._with_repeats(batch)
        answers = _ask_soft(oracle, batch, rows)
        self.check_queries += int(np.count_nonzero(hidden))
        found: FloatArray = answers[~hidden]
        _require_close(found[rows[hidden]], answers[hidden], _REPEATED)
        self._check_apart(oracle, batch, found)
        return found

    def slopes(self, batch: Batch, label: int) -> Slopes:
        """As the oracle behind it; raises `NoGradients` where a check disagrees.

        The probabilities that come with the slopes must be those that some of the questions get
        when they are asked without, within the tolerance of `probabilities`.
        """
        oracle = as_gradient(self._oracle)
        found = oracle.slopes(batch, label)
        if len(batch) == 0:
            return found
        try:
            _require_probabilities(found.probabilities, len(batch), oracle.classes)
        except ModelAnswerError as error:
            raise NoGradients(
                f"the form of the model that gives gradients fails: {error}"
            ) from error
        if not np.isfinite(found.log_odds).all():
            raise NoGradients(f"the model's gradients are NaN or infinite; {_BY_QUERIES}")
        chosen = self._rng.integers(0, len(batch), size=_COMPARED)
        again = _ask_soft(oracle, batch, chosen)
        self.check_queries += _COMPARED
        if (_apart(found.probabilities[chosen], again)).any():
            raise NoGradients(
                "the form of the model that gives gradients answers with other probabilities than "
                f"the model itself; {_BY_QUERIES}"
            )
        return found

    def _check_apart(self, oracle: SoftLabelOracle, batch: Batch, found: FloatArray) -> None:
        """Ask some of `batch` again in other ways; `found` are the answers to all of it."""
        chosen = self._rng.integers(0, len(batch), size=self._repeats)
        labels = _ask(oracle, batch, chosen)
        self.check_queries += len(chosen)
        _require_largest(found[chosen], labels)
        alone = self._rng.integers(0, len(batch), size=1)
        again = _ask_soft(oracle, batch, alone)
        self.check_queries += 1
        _require_close(found[alone], again, "asked for alone")

    def _with_repeats(self, batch: Batch) -> tuple[IndexArray, npt.NDArray[np.bool_]]:
        """The rows to ask for, and which of them are hidden repeats."""
        count, repeats = len(batch), self._repeats
        if isinstance(batch, JoinedPlanes):
            repeats = min(repeats, 1 + count // _ROWS_FOR_A_REPEAT)
        repeated = self._rng.integers(0, count, size=repeats)
        places = self._rng.integers(0, count + 1, size=repeats)
        rows = np.insert(np.arange(count), places, repeated)
        hidden = np.insert(np.zeros(count, dtype=bool), places, np.True_)
        return rows, hidden


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


def _ask(oracle: HardLabelOracle, batch: Batch, rows: IndexArray) -> LabelArray:
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


def _ask_soft(oracle: SoftLabelOracle, batch: Batch, rows: IndexArray) -> FloatArray:
    answers = oracle.probabilities(batch.take(rows))
    _require_probabilities(answers, len(rows), oracle.classes)
    return answers


def _require_probabilities(answers: FloatArray, questions: int, classes: int) -> None:
    if answers.shape != (questions, classes):
        raise ModelAnswerError(
            f"{questions} questions got probabilities of the shape {answers.shape} from a model of "
            f"{classes} classes; check that the model takes batches of any size and gives "
            "one row of scores for each image"
        )
    least, most = float(answers.min()), float(answers.max())
    sums = answers.sum(axis=1, dtype=np.float64)
    if not (np.isfinite(least) and np.isfinite(most)):
        raise ModelAnswerError(
            "the model gave probabilities that are NaN or infinite; check its weights and the "
            "policy's `preprocessing`"
        )
    if least < 0 or most > 1 + _SUM or np.abs(sums - 1).max() > _SUM:
        raise ModelAnswerError(
            f"the model gave probabilities from {least:.3g} to {most:.3g} whose sums go from "
            f"{sums.min():.3g} to {sums.max():.3g}; set `outputs: logits`, or export it so that "
            "each row sums to 1"
        )


def _require_equal(first: LabelArray, second: LabelArray, how: str) -> None:
    wrong = int(np.count_nonzero(first != second))
    if wrong:
        raise ModelAnswerError(
            f"the model gave another label for {wrong} of {len(first)} images {how}. {_CAUSES}"
        )


def _require_close(first: FloatArray, second: FloatArray, how: str) -> None:
    wrong = int(np.count_nonzero(_apart(first, second)))
    if wrong:
        raise ModelAnswerError(
            f"the model gave other probabilities for {wrong} of {len(first)} images {how}. "
            f"{_CAUSES}"
        )


def _apart(first: FloatArray, second: FloatArray) -> npt.NDArray[np.bool_]:
    """Which rows differ by more than rounding."""
    apart = np.abs(first - second) > _ABSOLUTE + _RELATIVE * np.maximum(first, second)
    rows: npt.NDArray[np.bool_] = apart.any(axis=1)
    return rows


def _require_largest(probabilities: FloatArray, labels: LabelArray) -> None:
    """The labels were asked for apart, so rounding may have turned two that are almost equal."""
    largest = probabilities.max(axis=1)
    own = probabilities[np.arange(len(labels)), labels]
    wrong = int(np.count_nonzero(largest - own > _ABSOLUTE + _RELATIVE * largest))
    if wrong:
        raise ModelAnswerError(
            f"the label that the model gave is not the one of the largest probability for {wrong} "
            f"of {len(labels)} images. Its process may tell the two questions apart, as none "
            f"should: then treat the model as hostile. {_CAUSES}"
        )
