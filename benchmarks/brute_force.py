"""Model X-ray once more, in plain Python loops: slow, obvious, and sharing no code with the gate.

Tests and benchmarks compare the gate's planes and scores with these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Vector = Sequence[float]
Grid = Sequence[Sequence[int]]
Cell = tuple[int, int]
Point = tuple[float, float]


def entropy_in_bits(labels: Grid, alpha: float) -> float:
    """Renyi entropy of the labels' shares to base 2; Shannon's for ``alpha`` 1."""
    counts: dict[int, int] = {}
    for row in labels:
        for label in row:
            counts[int(label)] = counts.get(int(label), 0) + 1
    total = sum(counts.values())
    shares = [count / total for count in counts.values()]
    if alpha == 1:
        return sum(share * math.log2(1 / share) for share in shares)
    return math.log2(sum(share**alpha for share in shares)) / (1 - alpha)


def region_size(labels: Grid, start: Cell) -> int:
    """Count the cells of ``start``'s label that it reaches by steps to the eight neighbours."""
    rows, columns = len(labels), len(labels[0])
    label = labels[start[0]][start[1]]
    seen = {start}
    waiting = [start]
    while waiting:
        row, column = waiting.pop()
        for r in range(max(0, row - 1), min(rows, row + 2)):
            for c in range(max(0, column - 1), min(columns, column + 2)):
                if (r, c) not in seen and labels[r][c] == label:
                    seen.add((r, c))
                    waiting.append((r, c))
    return len(seen)


def triple_area(
    labels: Grid,
    cells: Sequence[Cell],
    true_labels: Sequence[int],
    predicted_labels: Sequence[int],
    cap: float,
) -> float:
    """ATS: the share of the grid in the regions around the three samples, each below ``cap``."""
    total = len(labels) * len(labels[0])
    area = 0.0
    for cell, true, predicted in zip(cells, true_labels, predicted_labels, strict=True):
        if predicted == true and labels[cell[0]][cell[1]] == true:
            share = region_size(labels, cell) / total
            if not share >= cap:
                area += share
    return area


def sample_coordinates(x1: Vector, x2: Vector, x3: Vector) -> tuple[list[Point], Vector, Vector]:
    """Gram-Schmidt: the samples' coordinates in their plane, and its two orthonormal vectors."""
    v1 = [q - p for p, q in zip(x1, x2, strict=True)]
    v2 = [q - p for p, q in zip(x1, x3, strict=True)]
    length = math.sqrt(math.fsum(x * x for x in v1))
    e1 = [x / length for x in v1]
    along = math.fsum(x * y for x, y in zip(v2, e1, strict=True))
    beta = [x - along * y for x, y in zip(v2, e1, strict=True)]
    height = math.sqrt(math.fsum(x * x for x in beta))
    e2 = [x / height for x in beta]
    return [(0.0, 0.0), (length, 0.0), (along, height)], e1, e2


def axis_values(values: Sequence[float], size: int, eta: float) -> list[float]:
    """Evenly spaced values over the range of ``values``, extended by ``eta`` lengths each way."""
    low, high = min(values), max(values)
    start, stop = low - eta * (high - low), high + eta * (high - low)
    return [start + (stop - start) * i / (size - 1) for i in range(size)]


def nearest_cell(point: Point, u: Sequence[float], v: Sequence[float]) -> Cell:
    """Find the (row, column) of the grid point at the least distance from ``point``."""
    best, where = math.inf, (0, 0)
    for row, y in enumerate(v):
        for column, x in enumerate(u):
            distance = math.hypot(x - point[0], y - point[1])
            if distance < best:
                best, where = distance, (row, column)
    return where


def score_plane(
    predict: Callable[[list[float]], int],
    samples: Sequence[Vector],
    true_labels: Sequence[int],
    *,
    size: int,
    eta: float = 5.0,
    alpha: float = 10.0,
    cap: float = 0.5,
    clip: bool = False,
) -> tuple[float, float]:
    """Lay the plane of three flattened samples, ask ``predict`` for each point, and score it.

    Args:
        predict: The label of one flattened image.
        samples: Three flattened images with values in [0, 1].
        true_labels: Their true labels, pairwise different.
        size: Grid points along an axis.
        eta: How far the grid reaches beyond the samples' bounding box.
        alpha: Order of the Renyi entropy.
        cap: The share from which a region counts 0.
        clip: Whether points are brought back into [0, 1].

    Returns:
        Renyi entropy in bits, and ATS.

    """
    corners, e1, e2 = sample_coordinates(*samples)
    u = axis_values([corner[0] for corner in corners], size, eta)
    v = axis_values([corner[1] for corner in corners], size, eta)
    labels: list[list[int]] = []
    for y in v:
        row: list[int] = []
        for x in u:
            point = [o + x * p + y * q for o, p, q in zip(samples[0], e1, e2, strict=True)]
            row.append(predict([min(1.0, max(0.0, value)) for value in point] if clip else point))
        labels.append(row)
    cells = [nearest_cell(corner, u, v) for corner in corners]
    predicted = [predict(list(sample)) for sample in samples]
    area = triple_area(labels, cells, true_labels, predicted, cap)
    return entropy_in_bits(labels, alpha), area
