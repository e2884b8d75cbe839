"""The labels of a plane's grid: every point asked, or only those that decide.

Regions of one label are large and their boundaries thin, so most points need no question. The
adaptive way asks a coarse lattice, finds where labels change along its lines by bisection, and
follows every boundary from there; the rest is filled with the nearest known label. An island
between the lattice's lines is missed, so some of the filled points are asked as well, one drawn
from each square of the grid: an island that is hit is followed like any other boundary, and the
share of filled points that were wrong is the estimate of what is still wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from xray_gate.probing.batches import IndexArray, JoinedPlanes
from xray_gate.probing.oracle import HardLabelOracle
from xray_gate.probing.planes import Plane

Labels = npt.NDArray[np.int32]

# The widest at which 99.9 % of the points agreed with the dense grid, in the mean over the models
# that this was developed on (docs/experiments.md).
_LATTICE = 8
# On a coarse grid what lies between two lines is a large part of a plane, so they stand closer.
_LINES = 12
# One filled point of each square of so many points a side is asked.
_SQUARE = 12
_UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class PlaneView:
    """A plane in one pixel range: with `clip` its points are brought back into [0, 1]."""

    plane: Plane
    clip: bool


@dataclass(frozen=True, eq=False)
class SampledGrid:
    """Labels of a view's grid, int32 (size, size), rows as in `Plane.points`.

    `asked`: how many points the model answered for; the others have the label of the nearest one.
    `checked`: filled points that were asked as well, of which `wrong` had another label. They are
    among `asked`, and the grid has the model's own answers for them.
    """

    labels: Labels
    asked: int
    checked: int = 0
    wrong: int = 0


def dense_grids(
    oracle: HardLabelOracle, views: Sequence[PlaneView], size: int, eta: float
) -> list[SampledGrid]:
    """Every point of every view, asked."""
    found = []
    for view in views:
        labels = oracle.labels(view.plane.points(size, eta, view.clip))
        found.append(SampledGrid(labels.reshape(size, size).astype(np.int32), size**2))
    return found


def adaptive_grids(
    oracle: HardLabelOracle,
    views: Sequence[PlaneView],
    size: int,
    eta: float,
    rng: np.random.Generator,
) -> list[SampledGrid]:
    """The grids of at least one view, all refined side by side; `rng` draws what is checked."""
    known = _Known(oracle, views, size, eta)
    lines = _lattice_lines(size)
    known.ask(_in_each(len(views), np.stack(np.meshgrid(lines, lines), axis=-1).reshape(-1, 2)))
    known.bisect(_lattice_segments(len(views), lines))
    known.follow(known.points())
    nearest = np.stack([_nearest(labels) for labels in known.labels])
    checks = _one_of_each_square(known.labels, rng)
    believed = nearest[checks[:, 0], :, checks[:, 1], checks[:, 2]]
    filled = known.at(np.column_stack([checks[:, 0], believed]))
    known.ask(checks)
    wrong = known.at(checks) != filled
    # From a point that was wrong to the one whose label it had got, a boundary must be crossed.
    known.bisect(np.column_stack([checks, believed])[wrong])
    known.follow(known.points())
    return [
        SampledGrid(
            labels=_filled(known.labels[view]),
            asked=int(np.count_nonzero(known.labels[view] != _UNKNOWN)),
            checked=int(np.count_nonzero(checks[:, 0] == view)),
            wrong=int(np.count_nonzero(wrong[checks[:, 0] == view])),
        )
        for view in range(len(views))
    ]


class _Known:
    """What is known of several grids: `labels` int32 (views, size, size), -1 where not asked.

    Points are rows (view, row, column) of int64 arrays, segments rows (view, row, column, other
    row, other column).
    """

    def __init__(
        self, oracle: HardLabelOracle, views: Sequence[PlaneView], size: int, eta: float
    ) -> None:
        self.labels: Labels = np.full((len(views), size, size), _UNKNOWN, dtype=np.int32)
        self._oracle = oracle
        corner = np.zeros((0, 2), dtype=np.float32)
        parts = [view.plane.at(corner, view.clip) for view in views]
        self._planes = JoinedPlanes.join(parts)
        axes = [view.plane.axes(size, eta) for view in views]
        self._u, self._v = (np.stack(axis).astype(np.float32) for axis in zip(*axes, strict=True))

    def at(self, points: IndexArray) -> Labels:
        """The labels of points, int32 (n,)."""
        found: Labels = self.labels[points[:, 0], points[:, 1], points[:, 2]]
        return found

    def points(self) -> IndexArray:
        """All that are known."""
        return np.argwhere(self.labels != _UNKNOWN)

    def ask(self, points: IndexArray) -> IndexArray:
        """Ask for those of `points` that are not known yet, and return these, each once."""
        flat = np.ravel_multi_index(tuple(points.T), self.labels.shape)
        unknown = np.unique(flat[self.labels.ravel()[flat] == _UNKNOWN])
        view, row, column = np.unravel_index(unknown, self.labels.shape)
        if len(unknown):
            coordinates = np.column_stack([self._u[view, column], self._v[view, row]])
            vectors = (self._planes.origins, self._planes.a, self._planes.b, self._planes.clips)
            asked = JoinedPlanes(*vectors, planes=view, coordinates=coordinates)
            self.labels[view, row, column] = self._oracle.labels(asked)
        return np.column_stack([view, row, column])

    def bisect(self, segments: IndexArray) -> None:
        """Ask between two points of different labels until they are neighbours."""
        while len(segments):
            first, last = segments[:, :3], segments[:, [0, 3, 4]]
            apart = np.abs(last - first).max(axis=1) > 1
            segments = segments[apart & (self.at(first) != self.at(last))]
            middle = (segments[:, 1:3] + segments[:, 3:]) // 2
            view = segments[:, :1]
            self.ask(np.hstack([view, middle]))
            halves = [view, segments[:, 1:3], middle], [view, middle, segments[:, 3:]]
            segments = np.concatenate([np.hstack(half) for half in halves])

    def follow(self, points: IndexArray) -> None:
        """Ask along every boundary that `points` lie on: wherever four neighbours differ."""
        while len(points):
            squares = self._squares_around(points)
            view = np.repeat(squares[:, 0], 4)
            corners = squares[:, None, 1:] + np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
            four = np.column_stack([view, corners.reshape(-1, 2)])
            labels = self.at(four).reshape(-1, 4)
            known = labels != _UNKNOWN
            most = labels.max(axis=1)
            least = np.where(known, labels, most[:, None]).min(axis=1)
            open_ones = np.repeat((least != most) & ~known.all(axis=1), 4)
            points = self.ask(four[open_ones])

    def _squares_around(self, points: IndexArray) -> IndexArray:
        """The squares of four neighbours that hold any of `points`, by their first corner."""
        size = self.labels.shape[1]
        around = points[:, None, 1:] - np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
        squares = np.column_stack([np.repeat(points[:, 0], 4), around.reshape(-1, 2)])
        inside = ((squares[:, 1:] >= 0) & (squares[:, 1:] < size - 1)).all(axis=1)
        shape = self.labels.shape
        flat = np.unique(np.ravel_multi_index(tuple(squares[inside].T), shape))
        return np.column_stack(np.unravel_index(flat, shape))


def _lattice_lines(size: int) -> IndexArray:
    """Rows and columns of the lattice, evenly spaced, the first and the last among them."""
    step = max(1, min(_LATTICE, size // _LINES))
    count = -(-(size - 1) // step) + 1
    return np.linspace(0, size - 1, count).round().astype(np.int64)


def _lattice_segments(views: int, lines: IndexArray) -> IndexArray:
    """Between neighbours of the lattice, along rows and along columns."""
    line, first = (grid.ravel() for grid in np.meshgrid(lines, lines[:-1], indexing="ij"))
    last = np.tile(lines[1:], len(lines))
    along_rows = np.column_stack([line, first, line, last])
    along_columns = np.column_stack([first, line, last, line])
    return _in_each(views, np.concatenate([along_rows, along_columns]))


def _in_each(views: int, rows: IndexArray) -> IndexArray:
    """The same rows for each view, with the view's number before them."""
    numbers = np.repeat(np.arange(views, dtype=np.int64), len(rows))
    return np.column_stack([numbers, np.tile(rows, (views, 1))])


def _one_of_each_square(labels: Labels, rng: np.random.Generator) -> IndexArray:
    """A point that is not known of each square of the grids that has one, drawn evenly."""
    views, size, _ = labels.shape
    squares = -(-size // _SQUARE)
    draws = np.full((views, squares * _SQUARE, squares * _SQUARE), np.inf)
    draws[:, :size, :size] = rng.random(labels.shape)
    draws[:, :size, :size][labels != _UNKNOWN] = np.inf
    by_square = draws.reshape(views, squares, _SQUARE, squares, _SQUARE).transpose(0, 1, 3, 2, 4)
    flat = by_square.reshape(views, squares, squares, -1)
    least = flat.argmin(axis=-1)
    view, row, column = np.nonzero(np.isfinite(flat.min(axis=-1)))
    inner = least[view, row, column]
    return np.column_stack(
        [view, row * _SQUARE + inner // _SQUARE, column * _SQUARE + inner % _SQUARE]
    )


def _nearest(labels: Labels) -> IndexArray:
    """Row and column of the known point nearest to each, int64 (2, size, size)."""
    found = ndimage.distance_transform_edt(
        labels == _UNKNOWN, return_distances=False, return_indices=True
    )
    nearest: IndexArray = found.astype(np.int64)
    return nearest


def _filled(labels: Labels) -> Labels:
    row, column = _nearest(labels)
    filled: Labels = labels[row, column]
    return filled
