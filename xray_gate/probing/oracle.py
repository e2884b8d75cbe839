"""Oracles: what detectors ask instead of a model.

A batch of questions is images as they are, or a description: points in a plane, or images under
triggers. An oracle in another process is sent the description instead of megabytes of pixels.
"""

from dataclasses import dataclass, replace
from typing import NoReturn, Protocol, TypeGuard, runtime_checkable

import numpy as np
import numpy.typing as npt

from xray_gate.core.budget import QueryBudget
from xray_gate.core.errors import ModelAnswerError, NoGradients

FloatArray = npt.NDArray[np.float32]
LabelArray = npt.NDArray[np.int64]
IndexArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Images:
    """Images as they are: `pixels` float32 (n, channels, height, width), 0 black, 1 white."""

    pixels: FloatArray

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices: IndexArray) -> "Images":
        """The images at `indices`, in that order; repeats are allowed."""
        return Images(self.pixels[indices])

    def images(self, start: int, stop: int) -> FloatArray:
        """Images `start` up to `stop`, float32 (stop - start, channels, height, width)."""
        return self.pixels[start:stop]


@dataclass(frozen=True)
class PlanePoints:
    """The points origin + u*a + v*b for the rows (u, v) of `coordinates`.

    `origin`, `a` and `b` are float32 (channels, height, width); `coordinates` float32 (n, 2) in
    units of the Euclidean pixel distance. With `clip` the points are brought back into [0, 1].
    """

    origin: FloatArray
    a: FloatArray
    b: FloatArray
    coordinates: FloatArray
    clip: bool

    def __len__(self) -> int:
        return len(self.coordinates)

    def take(self, indices: IndexArray) -> "PlanePoints":
        """The points at `indices`, in that order; repeats are allowed."""
        return replace(self, coordinates=self.coordinates[indices])

    def images(self, start: int, stop: int) -> FloatArray:
        """Points `start` up to `stop` as images, float32 (stop - start, channels, height, width).

        A whole plane never exists in memory: callers ask for a batch at a time.
        """
        part = self.coordinates[start:stop]
        basis = np.stack([self.a.ravel(), self.b.ravel()])
        points: FloatArray = part @ basis
        points += self.origin.ravel()
        if self.clip:
            np.clip(points, 0.0, 1.0, out=points)
        return points.reshape(len(part), *self.origin.shape)


@dataclass(frozen=True)
class Stamps:
    """Images under triggers: (1 - mask) * image + mask * pattern, B3D's Eq. 1.

    `pixels` float32 (n, channels, height, width); `masks` float32 (k, height, width), shared by the
    channels, and `patterns` float32 (k, channels, height, width), all in [0, 1]. Question
    j * n + i is image i under trigger j. `questions` int64 (m,) says which of the n * k are asked,
    in which order; None stands for all of them. Raises ValueError where the sizes do not fit.
    """

    pixels: FloatArray
    masks: FloatArray
    patterns: FloatArray
    questions: IndexArray | None = None

    def __post_init__(self) -> None:
        if (
            self.pixels.ndim != 4
            or self.masks.shape != (len(self.patterns), *self.pixels.shape[2:])
            or self.patterns.shape[1:] != self.pixels.shape[1:]
        ):
            raise ValueError(
                f"images of the shape {self.pixels.shape} cannot carry masks of the shape "
                f"{self.masks.shape} with patterns of the shape {self.patterns.shape}"
            )
        asked = self.questions
        if asked is None or asked.size == 0:
            return
        most = len(self.pixels) * len(self.masks)
        if asked.ndim != 1 or not 0 <= int(asked.min()) <= int(asked.max()) < most:
            raise ValueError(
                f"{len(self.pixels)} images under {len(self.masks)} triggers have the questions 0 "
                f"to {most - 1}, not {asked.min()} to {asked.max()} of the shape {asked.shape}"
            )

    def __len__(self) -> int:
        return len(self.pixels) * len(self.masks) if self.questions is None else len(self.questions)

    def take(self, indices: IndexArray) -> "Stamps":
        """The questions at `indices`, in that order; repeats are allowed. Nothing is stamped."""
        return replace(
            self, questions=indices if self.questions is None else self.questions[indices]
        )

    def pairs(self, start: int, stop: int) -> tuple[IndexArray, IndexArray]:
        """Trigger and image of the questions `start` up to `stop`, each int64 (stop - start,)."""
        if self.questions is None:
            asked = np.arange(start, min(stop, len(self)))
        else:
            asked = self.questions[start:stop]
        return np.divmod(asked, max(1, len(self.pixels)))

    def images(self, start: int, stop: int) -> FloatArray:
        """Stamped images `start` up to `stop`, float32 (stop - start, channels, height, width).

        All of them never exist in memory: callers ask for a batch at a time.
        """
        triggers, rows = self.pairs(start, stop)
        masks = self.masks[triggers][:, None]
        stamped = self.patterns[triggers]
        kept = self.pixels[rows]
        # Not image + mask * (pattern - image): rounding must leave neither [0, 1] nor, where the
        # mask is 0 or 1, the image and the pattern.
        stamped *= masks
        kept *= 1 - masks
        stamped += kept
        return stamped


Batch = Images | PlanePoints | Stamps


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
