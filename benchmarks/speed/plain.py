"""Model X-ray as published, written plainly and without the product.

After Su et al., MM '24, sections 3.1, 4.2 and 5.1: for each plane, all its points one by one as a
data set, in batches of 128 through a data loader, the model asked batch by batch, and both scores
from the labels. Everything is made anew for each plane, as an experiment's program would.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.speed.plan import Floats, Labels, Plan, PlaneKey, ScoredPlane
from benchmarks.speed.runtimes import Runtime

BATCH = 128


class PlaneGrid(Dataset[Tensor]):
    """All points of the grid through three samples, row by row."""

    def __init__(self, samples: Floats, size: int, eta: float, *, clip: bool) -> None:
        first, second, third = samples.astype(np.float64).reshape(3, -1)
        along = np.linalg.norm(second - first)
        a = (second - first) / along
        b = (third - first) - a @ (third - first) * a
        b /= np.linalg.norm(b)
        self.corners = np.array([[0, 0], [along, 0], [a @ (third - first), b @ (third - first)]])
        low, high = self.corners.min(axis=0), self.corners.max(axis=0)
        margin = eta * (high - low)
        self.u = np.linspace(low[0] - margin[0], high[0] + margin[0], size)
        self.v = np.linspace(low[1] - margin[1], high[1] + margin[1], size)
        shape = samples.shape[1:]
        self._origin = torch.from_numpy(samples[0])
        self._a = torch.from_numpy(a.astype(np.float32).reshape(shape))
        self._b = torch.from_numpy(b.astype(np.float32).reshape(shape))
        self._clip = clip

    def __len__(self) -> int:
        return len(self.u) * len(self.v)

    def __getitem__(self, index: int) -> Tensor:
        row, column = divmod(index, len(self.u))
        point = self._origin + float(self.u[column]) * self._a + float(self.v[row]) * self._b
        return point.clamp(0.0, 1.0) if self._clip else point

    def cells(self) -> list[tuple[int, int]]:
        """Row and column of the grid point nearest to each sample."""
        return [
            (int(np.abs(self.v - v).argmin()), int(np.abs(self.u - u).argmin()))
            for u, v in self.corners
        ]


def scan(model: Runtime, plan: Plan, workers: int = 0) -> dict[PlaneKey, ScoredPlane]:
    """Score every plane of ``plan``; ``workers`` are the data loader's processes."""
    planes: dict[PlaneKey, ScoredPlane] = {}
    for number, (samples, true) in enumerate(zip(plan.samples, plan.true_labels, strict=True)):
        predicted = _labels(model, samples)
        for pixel_range in plan.ranges:
            grid = PlaneGrid(samples, plan.size, plan.eta, clip=pixel_range == "valid")
            loader = DataLoader(grid, batch_size=BATCH, shuffle=False, num_workers=workers)
            found = [_labels(model, batch.numpy()) for batch in loader]
            labels = np.concatenate(found).reshape(plan.size, plan.size)
            area = areas_of_samples(labels, grid.cells(), true, predicted, plan.cap)
            scored = ScoredPlane(labels, renyi_entropy(labels, plan.alpha), area)
            planes[number, pixel_range] = scored
    return planes


def queries_of(plan: Plan) -> int:
    """How many images ``scan`` asks about: all points, and the samples of each plane."""
    return plan.points + 3 * len(plan.samples)


def renyi_entropy(labels: npt.NDArray[np.integer], alpha: float) -> float:
    """Eq. 3, in bits."""
    _, counts = np.unique(labels, return_counts=True)
    shares = counts / labels.size
    return math.log2(float(np.sum(shares**alpha))) / (1.0 - alpha)


def areas_of_samples(
    labels: npt.NDArray[np.integer],
    cells: Sequence[tuple[int, int]],
    true: Labels,
    predicted: Labels,
    cap: float,
) -> float:
    """Eq. 4, as a share of the plane: the regions of samples that are rightly labelled.

    A region of ``cap`` and more counts 0.
    """
    total = 0.0
    for cell, label, answer in zip(cells, true, predicted, strict=True):
        if answer == label == labels[cell]:
            regions, _ = ndimage.label(labels == label, structure=np.ones((3, 3)))
            share = float((regions == regions[cell]).mean())
            total += share if share < cap else 0.0
    return total


def _labels(model: Runtime, images: Floats) -> Labels:
    labels: Labels = np.argmax(model.fetch(model.run(model.put(images))), axis=1)
    return labels


def mean_scores(planes: Mapping[PlaneKey, ScoredPlane], pixel_range: str) -> tuple[float, float]:
    """Both scores, mean over the planes of one range."""
    chosen = [plane for (_, name), plane in planes.items() if name == pixel_range]
    entropies, areas = [p.entropy for p in chosen], [p.ats for p in chosen]
    return float(np.mean(entropies)), float(np.mean(areas))
