"""Oracles: what detectors ask instead of a model.

A batch of questions is either images as they are or a description of points in a plane, so that
an oracle in another process is sent three vectors and coordinates instead of megabytes of pixels.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from xray_gate.core.budget import QueryBudget

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


Batch = Images | PlanePoints


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


class BudgetedOracle:
    """Takes every question from a budget before it is asked."""

    def __init__(self, oracle: HardLabelOracle, budget: QueryBudget) -> None:
        self._oracle = oracle
        self._budget = budget

    @property
    def classes(self) -> int:
        """As the oracle behind it."""
        return self._oracle.classes

    def labels(self, batch: Batch) -> LabelArray:
        """As the oracle behind it; raises `BudgetExhausted` before asking."""
        self._budget.spend(len(batch))
        return self._oracle.labels(batch)
