"""Asking, and holding two answers to the same question against each other."""

import numpy as np
import numpy.typing as npt

from xray_gate.core.errors import ModelAnswerError
from xray_gate.probing.batches import Batch, FloatArray, Images, LabelArray
from xray_gate.probing.oracle import HardLabelOracle, SoftLabelOracle

BoolArray = npt.NDArray[np.bool_]

CAUSES = (
    "Likely causes: random layers or dropout at inference, batch normalisation in training mode, "
    "a scale computed over the whole batch, or state kept between calls. Export the model in "
    "evaluation mode and scan again"
)
"""Why an honest model's answers may differ, and what to do."""

# Half precision in another place of a batch, or in another batch, rounds otherwise: by 0.03 for a
# logit of 32 to 64, which moves a probability by 3 % of itself.
_RELATIVE = 0.05
_ABSOLUTE = 1e-3
_SUM = 1e-3


def ask(oracle: HardLabelOracle, batch: Batch) -> LabelArray:
    """The labels of `batch`, int64 (n,); raises `ModelAnswerError` where they are none."""
    answers = oracle.labels(batch)
    if answers.shape != (len(batch),):
        raise ModelAnswerError(
            f"{len(batch)} questions got answers of the shape {answers.shape}; check that the "
            "model takes batches of any size and gives one answer for each image"
        )
    if len(answers) and (answers.min() < 0 or answers.max() >= oracle.classes):
        raise ModelAnswerError(
            f"labels from {answers.min()} to {answers.max()} came from a model of "
            f"{oracle.classes} classes; check which of its outputs holds the class scores"
        )
    return answers


def ask_soft(oracle: SoftLabelOracle, batch: Batch) -> FloatArray:
    """Float32 (n, classes), as `require_probabilities` wants them."""
    answers = oracle.probabilities(batch)
    require_probabilities(answers, len(batch), oracle.classes)
    return answers


def recheck(
    oracle: HardLabelOracle, images: Images, labels: LabelArray, rng: np.random.Generator
) -> None:
    """Ask for `images` in another order: n queries, whose answers must be `labels`, int64 (n,).

    Done again after the detectors, it notices a model whose answers change over time. Raises
    `ModelAnswerError` on any disagreement.
    """
    order = rng.permutation(len(images))
    require_equal(
        labels[order], ask(oracle, images.take(order)), "asked for again in another order"
    )


def require_probabilities(answers: FloatArray, questions: int, classes: int) -> None:
    """Raise `ModelAnswerError` where the answers are no (questions, classes) probabilities."""
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


def require_equal(first: LabelArray, second: LabelArray, how: str) -> None:
    """Raise `ModelAnswerError` where two labels differ; `how` the second ones were asked for."""
    wrong = int(np.count_nonzero(first != second))
    if wrong:
        raise ModelAnswerError(
            f"the model gave another label for {wrong} of {len(first)} images {how}. {CAUSES}"
        )


def require_close(first: FloatArray, second: FloatArray, how: str) -> None:
    """Raise `ModelAnswerError` where rows of probabilities differ by more than rounding."""
    wrong = int(np.count_nonzero(apart(first, second)))
    if wrong:
        raise ModelAnswerError(
            f"the model gave other probabilities for {wrong} of {len(first)} images {how}. {CAUSES}"
        )


def require_largest(probabilities: FloatArray, labels: LabelArray) -> None:
    """Raise `ModelAnswerError` where labels that were asked for apart are not the likeliest."""
    likely = likeliest(probabilities)[np.arange(len(labels)), labels]
    wrong = int(np.count_nonzero(~likely))
    if wrong:
        raise ModelAnswerError(
            f"the label that the model gave is not the one of the largest probability for {wrong} "
            f"of {len(labels)} images. Its process may tell the two questions apart, as none "
            f"should: then treat the model as hostile. {CAUSES}"
        )


def apart(first: FloatArray, second: FloatArray) -> BoolArray:
    """Which rows of probabilities differ by more than rounding, bool (n,)."""
    differing = np.abs(first - second) > _ABSOLUTE + _RELATIVE * np.maximum(first, second)
    rows: BoolArray = differing.any(axis=1)
    return rows


def likeliest(probabilities: FloatArray) -> BoolArray:
    """Which labels are the likeliest, bool (n, classes); several where rounding may turn them."""
    largest = probabilities.max(axis=1, keepdims=True)
    likely: BoolArray = largest - probabilities <= _ABSOLUTE + _RELATIVE * largest
    return likely
