"""Half precision for labels, where it changes none: compared on a sample before it is used."""

from collections.abc import Callable

import numpy as np

from xray_gate.backends.interface import Runner, clipped
from xray_gate.probing.batches import Batch, FloatArray, Images, JoinedPlanes, LabelArray
from xray_gate.probing.planes import NoPlane, plane_through

Ask = Callable[[Runner, Batch, int], LabelArray]

# As planes are laid by default; eight points a side of each triple's plane in each pixel range,
# so 512 points for twelve images.
_ETA = 5.0
_SIDE = 8
# Kernels are chosen by the size of a batch, and round differently.
_SMALL_BATCH = 48


def settle_precision(
    full: Runner, ask: Ask, batch_size: int, images: FloatArray | None
) -> tuple[Runner, str | None]:
    """The runner to ask for labels, and the precision that it answers in, with the reason.

    `ask` gives the labels of a runner for questions, in batches of a size. Half precision is used
    only if no label of the sample changes, neither in batches of `batch_size` nor in small ones:
    so it follows from the model, its device and the sample alone. The precision is None where the
    runner has but one.
    """
    half = full.in_half()
    if half is None:
        return full, None
    sample = [] if images is None else sample_questions(images)
    count = sum(len(batch) for batch in sample)
    if count == 0:
        return full, "float32 (no images to compare half precision on)"
    changed = 0
    for batch in sample:
        expected = ask(full, batch, batch_size)
        try:
            other = ask(half, batch, batch_size) != expected
            other |= ask(half, batch, _SMALL_BATCH) != expected
        except Exception as error:
            return full, f"float32 (half precision failed: {clipped(error)})"
        changed += int(np.count_nonzero(other))
    if changed:
        return full, f"float32 (half precision changed {changed} of {count} labels)"
    return half, half.environment["precision"]


def sample_questions(images: FloatArray) -> list[Batch]:
    """The images, and points of planes through each three of them in a row, in both pixel ranges.

    `images` float32 (n, channels, height, width). Triples that span no plane are left out.
    """
    if len(images) == 0:
        return []
    found: list[Batch] = [Images(images)]
    points = []
    for first in range(0, len(images) - 2, 3):
        try:
            plane = plane_through(images[first : first + 3])
        except NoPlane:
            continue
        points += [plane.points(_SIDE, _ETA, clip) for clip in (False, True)]
    return [*found, JoinedPlanes.join(points)] if points else found
