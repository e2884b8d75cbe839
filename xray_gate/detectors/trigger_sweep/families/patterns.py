"""What triggers are filled with: patterns of extreme colours, and smooth random fields."""

import numpy as np
from scipy import ndimage

from xray_gate.probing.batches import FloatArray

PATTERNS = ("white", "black", "plain", "checkerboard", "random")


def pattern(kind: str, shape: tuple[int, int, int], rng: np.random.Generator) -> FloatArray:
    """One of `PATTERNS`, float32 `shape` (channels, height, width), of zeros and ones.

    `plain` is a random corner of the colour cube, `random` draws every channel of every pixel.
    """
    channels, height, width = shape
    if kind == "white":
        return np.ones(shape, np.float32)
    if kind == "black":
        return np.zeros(shape, np.float32)
    if kind == "plain":
        colour = rng.integers(0, 2, size=(channels, 1, 1)).astype(np.float32)
        return np.broadcast_to(colour, shape).copy()
    if kind == "checkerboard":
        board = (np.add.outer(np.arange(height), np.arange(width)) + rng.integers(2)) % 2
        return np.broadcast_to(board.astype(np.float32), shape).copy()
    return rng.integers(0, 2, size=shape).astype(np.float32)


def noise_image(shape: tuple[int, int, int], rng: np.random.Generator) -> FloatArray:
    """Uniform noise in [0, 1], float32 `shape` (channels, height, width).

    In one channel it has two thirds of the contrast: three channels of their own average out to
    about that in brightness, and a dose must mean the same on grey images.
    """
    noise = rng.random(shape, dtype=np.float32)
    return noise if shape[0] > 1 else 0.5 + np.float32(2 / 3) * (noise - 0.5)


def smooth_field(shape: tuple[int, int, int], cells: int, rng: np.random.Generator) -> FloatArray:
    """A random field, float32 `shape`, whose largest absolute value is 1.

    `cells` random values a side are joined by cubic interpolation.
    """
    channels, height, width = shape
    grid = rng.standard_normal((channels, cells, cells))
    zoom = (1, height / cells, width / cells)
    return unit_peak(ndimage.zoom(grid, zoom, order=3, mode="grid-constant", grid_mode=True))


def unit_peak(field: FloatArray) -> FloatArray:
    """`field` scaled so that its largest absolute value is 1."""
    return np.asarray(field / np.abs(field).max(), np.float32)


def near(field: FloatArray, other: FloatArray) -> FloatArray:
    """A field between `field` and `other`, closer to the first, with a peak of 1."""
    return unit_peak(field + np.float32(0.5) * other)
