"""Scores of a plane of labels: Renyi entropy and the areas dominated by the triple samples.

Both are low for most backdoored models (Su et al., MM '24, section 4.2). Areas are counted in
grid points.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from xray_gate.probing.batches import IndexArray

LabelGrid = npt.NDArray[np.integer[Any]]
Triple = tuple[int, int, int]


def as_triple(labels: npt.NDArray[np.integer[Any]]) -> Triple:
    """Three labels, (3,), as plain numbers."""
    first, second, third = (int(label) for label in labels)
    return first, second, third


_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=np.int64)


def renyi_entropy(labels: LabelGrid, alpha: float = 10.0) -> float:
    """Renyi entropy of the labels' shares, in bits, from 0 (one label) up to log2(labels).

    Eq. 3 with the logarithm to base 2, which the published thresholds need. `alpha` is at least 1;
    at exactly 1 it is the limit, Shannon's entropy. Raises ValueError for an empty grid or any
    other alpha.
    """
    if not 1.0 <= alpha < math.inf or labels.size == 0:
        raise ValueError(
            f"needs labels and a finite alpha of at least 1, got {labels.size} labels and {alpha}"
        )
    logs = np.log2(np.unique_counts(labels).counts / labels.size)
    if alpha == 1.0:
        entropy = -float(np.sum(np.exp2(logs) * logs))
    else:
        # Relative to the largest share, so that no power underflows to nothing.
        largest = float(logs.max())
        total = float(np.sum(np.exp2(alpha * (logs - largest))))
        entropy = (alpha * largest + math.log2(total)) / (1.0 - alpha)
    return max(0.0, entropy)


def label_shares(labels: LabelGrid, classes: int) -> npt.NDArray[np.float64]:
    """Each label's part of the area (Eq. 2), float64 (classes,), summing to 1.

    Raises ValueError when a label is outside [0, classes).
    """
    counts = np.bincount(labels.ravel(), minlength=classes)
    if len(counts) > classes:
        raise ValueError(f"found the label {len(counts) - 1} among those of {classes} classes")
    return counts / labels.size


def areas_of_triple_samples(
    labels: LabelGrid,
    cells: IndexArray,
    true_labels: Triple,
    predicted_labels: Triple,
    cap: float = 0.5,
) -> float:
    """ATS, the part of the plane that the three samples dominate (Eq. 4), in [0, 1].

    A sample's area is the 8-connected region of points predicted as its true label that holds the
    grid point nearest to it (`cells`, the (row, column) of each). It counts 0 when the model gets
    the sample itself wrong, when that grid point has another label, or when the region takes
    `cap` of the plane or more, as that of a target label does. The true labels differ pairwise,
    so no region is counted twice; ValueError when they do not.
    """
    if len(set(true_labels)) != 3:
        raise ValueError(f"triple samples must be of three different classes, got {true_labels}")
    area = 0.0
    for (row, column), true, predicted in zip(cells, true_labels, predicted_labels, strict=True):
        if predicted != true or labels[row, column] != true:
            continue
        regions, _ = ndimage.label(labels == true, structure=_EIGHT_NEIGHBOURS)
        share = float(np.count_nonzero(regions == regions[row, column])) / labels.size
        if share < cap:
            area += share
    return area
