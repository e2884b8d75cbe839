"""Oracles: what detectors ask instead of a model."""

from dataclasses import dataclass
from typing import NoReturn, Protocol, TypeGuard, runtime_checkable

from xray_gate.core.budget import QueryBudget
from xray_gate.core.errors import ModelAnswerError, NoGradients
from xray_gate.probing.batches import Batch, FloatArray, LabelArray

LABELS_ONLY = (
    "the model gives labels, not probabilities; export it with one column of scores for each "
    "class, or switch off the detectors that need probabilities"
)
"""Why nobody can ask a model for probabilities."""


class HardLabelOracle(Protocol):
    """Answers with the label of the largest output only."""

    @property
    def classes(self) -> int:
        """How many labels the model knows, 0 up to classes - 1."""
        ...

    def labels(self, batch: Batch) -> LabelArray:
        """One label for each question, int64 (n,), in [0, classes).

        Raises `ScanError` when no trustworthy answer can be had.
        """
        ...


@runtime_checkable
class SoftLabelOracle(HardLabelOracle, Protocol):
    """May answer with the probability of every label, too."""

    @property
    def soft(self) -> bool:
        """Whether it does; else asking for them raises `ModelAnswerError`."""
        ...

    def probabilities(self, batch: Batch) -> FloatArray:
        """Float32 (n, classes), each row in [0, 1] with the sum 1.

        Raises `ScanError` when no trustworthy answer can be had.
        """
        ...


@dataclass(frozen=True, eq=False)
class Slopes:
    """How the odds of one label change with the pixels of each image.

    `probabilities` float32 (n, classes) of every label, and `log_odds` float32 (n, channels,
    height, width): the derivative of log(p / (1 - p)), p being the label's probability, by each
    pixel in [0, 1]. Log-odds, since p itself is flat where a model is sure.
    """

    probabilities: FloatArray
    log_odds: FloatArray


@runtime_checkable
class GradientOracle(SoftLabelOracle, Protocol):
    """May answer with gradients, too."""

    def slopes(self, batch: Batch, label: int) -> Slopes:
        """How the odds of `label` change around each question; the price is that of a question.

        Raises `NoGradients` where the model shows none, and `ScanError` when no trustworthy answer
        can be had.
        """
        ...


def is_soft(oracle: HardLabelOracle) -> TypeGuard[SoftLabelOracle]:
    """Whether the oracle answers with probabilities."""
    return isinstance(oracle, SoftLabelOracle) and oracle.soft


def as_soft(oracle: HardLabelOracle) -> SoftLabelOracle:
    """`oracle`, to be asked for probabilities; raises `ModelAnswerError` if it has none."""
    if not is_soft(oracle):
        raise_labels_only()
    return oracle


def as_gradient(oracle: HardLabelOracle) -> GradientOracle:
    """`oracle`, to be asked for gradients; raises `NoGradients` if it could never give any."""
    if not is_soft(oracle):
        raise NoGradients(LABELS_ONLY)
    if not isinstance(oracle, GradientOracle):
        raise NoGradients("the model cannot be asked for gradients; set `patches_by: queries`")
    return oracle


def raise_labels_only() -> NoReturn:
    """Raise the error for asking a model for probabilities that it does not give."""
    raise ModelAnswerError(LABELS_ONLY)


class BudgetedOracle:
    """Takes every question from a budget before it is asked."""

    def __init__(self, oracle: HardLabelOracle, budget: QueryBudget) -> None:
        self._oracle = oracle
        self._budget = budget

    @property
    def classes(self) -> int:
        """As the oracle behind it."""
        return self._oracle.classes

    @property
    def soft(self) -> bool:
        """As the oracle behind it."""
        return is_soft(self._oracle)

    def labels(self, batch: Batch) -> LabelArray:
        """As the oracle behind it; raises `BudgetExhausted` before asking."""
        self._budget.spend(len(batch))
        return self._oracle.labels(batch)

    def probabilities(self, batch: Batch) -> FloatArray:
        """As the oracle behind it, at the price of labels; raises `BudgetExhausted` before asking.

        Where there are no probabilities, nothing is spent.
        """
        oracle = as_soft(self._oracle)
        self._budget.spend(len(batch))
        return oracle.probabilities(batch)

    def slopes(self, batch: Batch, label: int) -> Slopes:
        """As the oracle behind it, at the price of labels; raises `BudgetExhausted` before asking.

        Where there are no gradients, nothing is spent.
        """
        oracle = as_gradient(self._oracle)
        self._budget.spend(len(batch))
        return oracle.slopes(batch, label)
