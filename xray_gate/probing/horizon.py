"""What a model says on the horizon of a plane: so far from the samples that no grey is left.

Along any direction in the plane a pixel ends at 0 or 1, by the sign of the direction there; only
pixels that are equal in all three samples keep their value. The image at the opposite end is then
the negative of this one. A model that tells classes apart by colour and brightness rarely gives
both the same label; one that answers to a trigger finds what it looks for, edges and fine contrast,
in both. This project's own statistic; how it was chosen stands in docs/experiments.md.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from xray_gate.probing.batches import PlanePoints
from xray_gate.probing.planes import Plane

HorizonLabels = npt.NDArray[np.int32]

# In Euclidean pixel distances; samples lie some ten from each other. Grey is left only where the
# two unit vectors cancel out to 1e-8, and single precision still knows on which side.
_FAR = 1e8


def horizon_points(plane: Plane, directions: int) -> PlanePoints:
    """The points at the ends of `directions` directions, anticlockwise at equal angles, in [0, 1].

    Half a turn further on lies the opposite point: that of row i is row i + directions / 2. Raises
    ValueError for a number of directions that is odd or below 2.
    """
    if directions < 2 or directions % 2:
        raise ValueError(f"a horizon needs an even number of directions, got {directions}")
    angles = 2 * math.pi * np.arange(directions // 2) / directions
    half = _FAR * np.column_stack([np.cos(angles), np.sin(angles)])
    coordinates = np.concatenate([half, -half]).astype(np.float32)
    return PlanePoints(plane.origin, plane.a, plane.b, coordinates, clip=True)


def agreeing_shares(horizons: Sequence[HorizonLabels], classes: int) -> npt.NDArray[np.float64]:
    """For each label the share of opposite pairs that both have it, float64 (classes,).

    `horizons` holds the labels of each plane's horizon, (directions,), as `horizon_points` orders
    them. The sum, in [0, 1], is the agreement of opposite points.
    """
    pairs = np.stack(horizons).reshape(len(horizons), 2, -1)
    agreeing = pairs[:, 0][pairs[:, 0] == pairs[:, 1]]
    shares: npt.NDArray[np.float64] = np.bincount(agreeing, minlength=classes) / pairs[:, 0].size
    return shares
