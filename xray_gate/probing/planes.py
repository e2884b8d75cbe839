"""Planes through three clean samples, and what the model says on their points.

The geometry of Model X-ray (Su et al., MM '24, section 3.1, after Somepalli et al., CVPR '22):
orthonormal vectors from Gram-Schmidt, a bounding box around the three samples that is extended by
a factor eta on every side, and a regular grid of size x size points in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from xray_gate.core.errors import ScanError
from xray_gate.probing.batches import FloatArray, IndexArray, LabelArray, PlanePoints
from xray_gate.probing.probe_set import ProbeSet

PixelRange = Literal["unclipped", "valid"]
CoordinateArray = npt.NDArray[np.float64]

# Below one grey level of one pixel (1/255), so that only samples that are equal, or lie on one
# line, fall under it.
_SHORTEST = 1e-3
_TRIES_PER_PLANE = 100


class NoPlane(ScanError):
    """No plane can be laid: fewer than three classes, or samples that are equal or on one line."""


@dataclass(frozen=True, eq=False)
class Plane:
    """The plane of three samples.

    `origin` is the first sample; `a` points to the second one and `b`, orthogonal to it, to the
    side of the third; both have length 1. All are float32 (channels, height, width). `corners`
    holds the samples' coordinates (u, v) in units of the Euclidean pixel distance, float64 (3, 2).
    """

    origin: FloatArray
    a: FloatArray
    b: FloatArray
    corners: CoordinateArray

    def axes(self, size: int, eta: float) -> tuple[CoordinateArray, CoordinateArray]:
        """The grid's u and v values, ascending, float64 (size,) each.

        Each axis runs over its side of the samples' bounding box, extended at both ends by `eta`
        times the length of that side.
        """
        low, high = self.corners.min(axis=0), self.corners.max(axis=0)
        margin = eta * (high - low)
        start, stop = low - margin, high + margin
        return np.linspace(start[0], stop[0], size), np.linspace(start[1], stop[1], size)

    def points(self, size: int, eta: float, clip: bool) -> PlanePoints:
        """All size * size grid points, row by row: v is constant along a row, u runs fast.

        With `clip` the points are brought back into [0, 1] ("valid"), else they leave it as
        published ("unclipped").
        """
        u, v = self.axes(size, eta)
        rows, columns = np.meshgrid(v, u, indexing="ij")
        coordinates = np.column_stack([columns.ravel(), rows.ravel()]).astype(np.float32)
        return self.at(coordinates, clip)

    def at(self, coordinates: FloatArray, clip: bool) -> PlanePoints:
        """The points with these coordinates, as in `PlanePoints`."""
        return PlanePoints(self.origin, self.a, self.b, coordinates, clip)

    def nearest_cells(self, size: int, eta: float) -> IndexArray:
        """(row, column) of the grid point nearest to each sample, int64 (3, 2).

        Of two that are equally near, the one with the lower index.
        """
        u, v = self.axes(size, eta)
        columns = np.abs(u[None, :] - self.corners[:, :1]).argmin(axis=1)
        rows = np.abs(v[None, :] - self.corners[:, 1:]).argmin(axis=1)
        return np.column_stack([rows, columns]).astype(np.int64)


@dataclass(frozen=True, eq=False)
class ScannedPlane:
    """A plane with the model's answers, for scores and figures.

    `labels` int32 (size, size), rows as in `Plane.points`; `cells` int64 (3, 2), the (row, column)
    nearest to each of the three `samples`, float32 (3, channels, height, width). `predicted_labels`
    are the model's for the samples themselves. `renyi_entropy` is in bits, `ats` in [0, 1].
    """

    index: int
    pixel_range: PixelRange
    labels: npt.NDArray[np.int32]
    cells: IndexArray
    samples: FloatArray
    true_labels: tuple[int, int, int]
    predicted_labels: tuple[int, int, int]
    renyi_entropy: float
    ats: float


def plane_through(samples: FloatArray) -> Plane:
    """The plane of three samples, float32 (3, channels, height, width).

    Raises `NoPlane` when two of them are equal or all three lie on one line.
    """
    # Rounding in single precision would tilt the basis; points lie up to a hundred lengths away.
    first, second, third = samples.astype(np.float64).reshape(3, -1)
    side, other = second - first, third - first
    length = float(np.linalg.norm(side))
    if length < _SHORTEST:
        raise NoPlane("two of the three samples are equal; give probes that all differ")
    a = side / length
    along = float(a @ other)
    rest = other - along * a
    # A second pass keeps b orthogonal where the three samples are nearly on one line.
    rest -= (a @ rest) * a
    height = float(np.linalg.norm(rest))
    if height < _SHORTEST:
        raise NoPlane("the three samples lie on one line; give probes that all differ")
    corners = np.array([[0.0, 0.0], [length, 0.0], [along, height]])
    shape = samples.shape[1:]
    return Plane(
        origin=np.ascontiguousarray(samples[0], dtype=np.float32),
        a=a.astype(np.float32).reshape(shape),
        b=(rest / height).astype(np.float32).reshape(shape),
        corners=corners,
    )


def choose_triples(labels: LabelArray, count: int, rng: np.random.Generator) -> IndexArray:
    """`count` triples of indices into `labels` with pairwise different labels, int64 (count, 3).

    Each triple takes three of the classes that occur, all equally likely, then a sample of each.
    A triple may come twice. Raises `NoPlane` when fewer than three classes occur.
    """
    triples = _triples(labels, rng)
    return np.array([next(triples) for _ in range(count)], dtype=np.int64).reshape(count, 3)


def draw_planes(
    probes: ProbeSet, count: int, rng: np.random.Generator
) -> list[tuple[IndexArray, Plane]]:
    """`count` planes, each with its triple (int64 (3,), indices into the probes).

    Triples that span no plane are drawn again. Raises `NoPlane` when fewer than three classes
    occur, or when too many triples span none.
    """
    planes: list[tuple[IndexArray, Plane]] = []
    triples = _triples(probes.labels, rng)
    for _ in range(_TRIES_PER_PLANE * count):
        if len(planes) == count:
            break
        triple = next(triples)
        try:
            planes.append((triple, plane_through(probes.images[triple])))
        except NoPlane:
            continue
    if len(planes) < count:
        raise NoPlane(
            f"{probes.source}: nearly all triples of samples are equal or lie on one line; give "
            "clean samples that differ from each other"
        )
    return planes


def _triples(labels: LabelArray, rng: np.random.Generator) -> Iterator[IndexArray]:
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    if len(members) < 3:
        raise NoPlane(
            f"a plane needs samples of three classes, but the probes hold {len(members)}; give "
            "clean samples of every class"
        )
    while True:
        classes = rng.choice(len(members), size=3, replace=False)
        yield np.array([rng.choice(members[i]) for i in classes], dtype=np.int64)
