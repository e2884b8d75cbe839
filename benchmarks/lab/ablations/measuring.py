"""Scores of one model while one thing changes: a parameter, or what was done to the probes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from benchmarks.lab.peers.network import open_network
from benchmarks.natural_levels import SessionOracle
from xray_gate.probing.batches import FloatArray, Images, IndexArray
from xray_gate.probing.horizon import agreeing_shares, horizon_points
from xray_gate.probing.plane_sampling import PlaneView, dense_grids
from xray_gate.probing.planes import Plane, draw_planes
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.probing.regions import Triple, areas_of_triple_samples, as_triple, renyi_entropy

Row = dict[str, float | str]
Grid = npt.NDArray[np.int32]

# Of 100 points a side every 33rd, 11th, 9th, 3rd and each one: the grids that these sizes have.
SIZES = {4: 33, 10: 11, 12: 9, 34: 3, 100: 1}
PLANES = (1, 2, 5, 10, 20)
ALPHAS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
CAPS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
ETAS = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 20.0)
DIRECTIONS = (2, 4, 8, 16, 32)
NOISE = (0.0, 0.02, 0.05, 0.1, 0.2)
STEPS = (0.0, 2 / 255, 4 / 255, 8 / 255)
# Where a finer grid changes nothing (see the axis `size`), this one saves nine tenths.
_COARSE = 34
_RANGES = {"unclipped": False, "valid": True}


@dataclass(frozen=True, eq=False)
class Drawn:
    """A plane with what is known of its samples."""

    plane: Plane
    true: Triple
    predicted: Triple


@dataclass(frozen=True, eq=False)
class Scanned:
    """A plane's labels in one range; ``cells`` as ``Plane.nearest_cells`` has them."""

    labels: Grid
    cells: IndexArray
    drawn: Drawn

    def every(self, stride: int, eta: float) -> Scanned:
        """The grid of every ``stride``-th point."""
        labels = self.labels[::stride, ::stride]
        return Scanned(labels, self.drawn.plane.nearest_cells(len(labels), eta), self.drawn)


def draw(oracle: SessionOracle, probes: ProbeSet, count: int, seed: int) -> list[Drawn]:
    """The planes that a scan with this seed would draw from these probes."""
    predicted = oracle.labels(Images(probes.images))
    return [
        Drawn(plane, as_triple(probes.labels[rows]), as_triple(predicted[rows]))
        for rows, plane in draw_planes(probes, count, np.random.default_rng(seed))
    ]


def scan(
    oracle: SessionOracle, drawn: Sequence[Drawn], size: int, eta: float, clip: bool
) -> list[Scanned]:
    """The labels of every plane."""
    views = [PlaneView(item.plane, clip) for item in drawn]
    return [
        Scanned(grid.labels, item.plane.nearest_cells(size, eta), item)
        for item, grid in zip(drawn, dense_grids(oracle, views, size, eta), strict=True)
    ]


def _entropy(planes: Sequence[Scanned], alpha: float = 10.0) -> float:
    return float(np.mean([renyi_entropy(plane.labels, alpha) for plane in planes]))


def _ats(planes: Sequence[Scanned], cap: float = 0.5) -> float:
    return float(
        np.mean([
            areas_of_triple_samples(p.labels, p.cells, p.drawn.true, p.drawn.predicted, cap)
            for p in planes
        ])
    )  # fmt: skip


def _both(planes: Sequence[Scanned]) -> dict[str, float]:
    return {"renyi_entropy": _entropy(planes), "ats": _ats(planes)}


def _agreement(oracle: SessionOracle, drawn: Sequence[Drawn], directions: int) -> float:
    ends = [oracle.labels(horizon_points(item.plane, directions)) for item in drawn]
    return float(agreeing_shares([e.astype(np.int32) for e in ends], oracle.classes).sum())


def _rows(axis: str, value: float, pixel_range: str, scores: dict[str, float]) -> Iterator[Row]:
    for name, score in scores.items():
        yield {"axis": axis, "value": value, "scorer": f"{name}.{pixel_range}", "score": score}


def parameters(oracle: SessionOracle, probes: ProbeSet, seed: int) -> Iterator[Row]:
    """Size, planes, alpha, cap, eta and directions, each alone, the others as published."""
    drawn = draw(oracle, probes, max(PLANES), seed)
    for pixel_range, clip in _RANGES.items():
        dense = scan(oracle, drawn, 100, 5.0, clip)
        for size, stride in SIZES.items():
            sparse = [plane.every(stride, 5.0) for plane in dense]
            yield from _rows("size", size, pixel_range, _both(sparse))
        for count in PLANES:
            yield from _rows("planes", count, pixel_range, _both(dense[:count]))
        for alpha in ALPHAS:
            scores = {"renyi_entropy": _entropy(dense, alpha)}
            yield from _rows("alpha", alpha, pixel_range, scores)
        for cap in CAPS:
            yield from _rows("cap", cap, pixel_range, {"ats": _ats(dense, cap)})
        for eta in ETAS:
            scores = _both(scan(oracle, drawn, _COARSE, eta, clip))
            yield from _rows("eta", eta, pixel_range, scores)
    for directions in DIRECTIONS:
        scores = {"horizon_agreement": _agreement(oracle, drawn, directions)}
        yield from _rows("directions", directions, "valid", scores)


def altered(
    oracle: SessionOracle,
    probes: ProbeSet,
    seed: int,
    axis: str,
    values: Sequence[float],
    alter: Callable[[float], FloatArray],
) -> Iterator[Row]:
    """Scores on planes through altered probes, whose labels are what they were."""
    for value in values:
        changed = ProbeSet(alter(value), probes.labels, source=probes.source)
        drawn = draw(oracle, changed, max(PLANES), seed)
        for pixel_range, clip in _RANGES.items():
            scores = _both(scan(oracle, drawn, _COARSE, 5.0, clip))
            yield from _rows(axis, value, pixel_range, scores)
        agreement = {"horizon_agreement": _agreement(oracle, drawn, 32)}
        yield from _rows(axis, value, "valid", agreement)


def with_noise(images: FloatArray, deviation: float, seed: int) -> FloatArray:
    """Images with Gaussian noise of this standard deviation, in [0, 1]."""
    noise = np.random.default_rng(seed).standard_normal(images.shape) * deviation
    noisy: FloatArray = (images + noise).clip(0, 1).astype(np.float32)
    return noisy


def fgsm_direction(path: Path, probes: ProbeSet) -> FloatArray:
    """Sign of the loss's slope at each pixel, where FGSM (Goodfellow et al. 2015) steps to."""
    images = torch.from_numpy(probes.images).requires_grad_()
    network = open_network(path, torch.device("cpu"), images.detach()[:32])
    labels = torch.from_numpy(probes.labels)
    loss = functional.cross_entropy(network.logits(images), labels, reduction="sum")
    (slope,) = torch.autograd.grad(loss, images)
    direction: FloatArray = slope.sign().numpy()
    return direction


def measure(path: Path, probes: ProbeSet, seed: int, threads: int) -> list[Row]:
    """All rows of one model: about 900,000 queries."""
    oracle = SessionOracle(path, threads)
    rows = list(parameters(oracle, probes, seed))

    def noisy(deviation: float) -> FloatArray:
        return with_noise(probes.images, deviation, seed)

    direction = fgsm_direction(path, probes)

    def adversarial(step: float) -> FloatArray:
        moved: FloatArray = (probes.images + np.float32(step) * direction).clip(0, 1)
        return moved

    rows += altered(oracle, probes, seed, "noise", NOISE, noisy)
    rows += altered(oracle, probes, seed, "adversarial", STEPS, adversarial)
    return rows
