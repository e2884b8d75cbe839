"""Clean samples among the questions of a batch, in the batch's own form.

A point with the coordinates (0, 0) is its plane's first sample to the bit, wherever points are
made: products with 0 are 0, and the sum with the origin is exact. The other two samples of a plane
come out of a multiplication, right to rounding only, and are not used. An image under an empty
mask is the image itself for the same reason.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from xray_gate.probing.batches import (
    Batch,
    FloatArray,
    Images,
    IndexArray,
    JoinedPlanes,
    LabelArray,
    PlanePoints,
    Stamps,
)

# A batch of stamps is sent with all its images, and a message of them holds a few dozen only.
_NEW_TO_STAMPS = 2
_PIXELS_TOLD = 64


@dataclass(frozen=True, eq=False)
class CleanSamples:
    """Clean images, float32 (n, channels, height, width), and the model's own labels, int64 (n,).

    The labels are those that it gave where all of a batch was clean.
    """

    images: FloatArray
    labels: LabelArray

    def __len__(self) -> int:
        return len(self.images)

    def index_of(self, image: FloatArray) -> int | None:
        """Where `image` stands among them, to the bit; None where it does not."""
        alike = self._by_some_pixels.get(_some_pixels(image), [])
        return next((i for i in alike if np.array_equal(self.images[i], image)), None)

    @cached_property
    def _by_some_pixels(self) -> dict[bytes, list[int]]:
        found: dict[bytes, list[int]] = {}
        for index, image in enumerate(self.images):
            found.setdefault(_some_pixels(image), []).append(index)
        return found


@dataclass(frozen=True, eq=False)
class CleanRows:
    """Clean samples that a batch can hold: `samples` int64 (k,), their places among them.

    `ask` makes the batch of its own questions and these: for int64 rows, those below the batch's
    length are its own, and the i-th after them is sample i.
    """

    samples: IndexArray
    ask: Callable[[IndexArray], Batch]


def clean_rows(
    batch: Batch, clean: CleanSamples, count: int, rng: np.random.Generator
) -> CleanRows:
    """`count` clean samples for `batch`, drawn with repeats; none where its form allows none.

    Planes allow those that they begin at, images and stamps any of the batch's own shape.
    """
    if isinstance(batch, PlanePoints):
        return _in_plane(batch, clean, count)
    if isinstance(batch, JoinedPlanes):
        return _in_planes(batch, clean, count, rng)
    if batch.pixels.shape[1:] != clean.images.shape[1:]:
        return _none(batch)
    if isinstance(batch, Stamps):
        return _in_stamps(batch, clean, count, rng)
    return _in_images(batch, clean, count, rng)


def _some_pixels(image: FloatArray) -> bytes:
    """What mostly tells an image from others, without a hash over all of it in every batch."""
    return image.ravel()[:: max(1, image.size // _PIXELS_TOLD)].tobytes()


def _none(batch: Batch) -> CleanRows:
    return CleanRows(np.empty(0, dtype=np.int64), batch.take)


def _in_plane(batch: PlanePoints, clean: CleanSamples, count: int) -> CleanRows:
    place = clean.index_of(batch.origin)
    if place is None:
        return _none(batch)
    points = len(batch)

    def ask(rows: IndexArray) -> Batch:
        return replace(batch, coordinates=_or_the_origin(batch.coordinates, rows, points))

    return CleanRows(np.full(count, place, dtype=np.int64), ask)


def _in_planes(
    batch: JoinedPlanes, clean: CleanSamples, count: int, rng: np.random.Generator
) -> CleanRows:
    # Of planes that the batch asks about: others are not sent with it.
    planes = np.unique(batch.planes)
    places = [clean.index_of(batch.origins[plane]) for plane in planes]
    known = [(int(p), place) for p, place in zip(planes, places, strict=True) if place is not None]
    if not known:
        return _none(batch)
    drawn = np.array(known, dtype=np.int64)[rng.integers(0, len(known), size=count)]
    points = len(batch)

    def ask(rows: IndexArray) -> Batch:
        which = np.concatenate([batch.planes, drawn[:, 0]])[rows]
        coordinates = _or_the_origin(batch.coordinates, rows, points)
        return replace(batch, planes=which, coordinates=coordinates)

    return CleanRows(drawn[:, 1], ask)


def _in_images(
    batch: Images, clean: CleanSamples, count: int, rng: np.random.Generator
) -> CleanRows:
    samples = rng.integers(0, len(clean), size=count)
    own = len(batch)

    def ask(rows: IndexArray) -> Batch:
        # One copy of what may be many MiB, in which a few rows are written over.
        added = rows >= own
        pixels = batch.pixels[np.where(added, 0, rows)]
        pixels[added] = clean.images[samples[rows[added] - own]]
        return Images(pixels)

    return CleanRows(samples, ask)


def _in_stamps(
    batch: Stamps, clean: CleanSamples, count: int, rng: np.random.Generator
) -> CleanRows:
    few = rng.integers(0, len(clean), size=_NEW_TO_STAMPS)
    drawn = rng.integers(0, _NEW_TO_STAMPS, size=count)
    own, images, triggers = len(batch), len(batch.pixels), len(batch.masks)

    def ask(rows: IndexArray) -> Batch:
        trigger, image = batch.pairs(0, own)
        trigger = np.concatenate([trigger, np.full(count, triggers)])[rows]
        image = np.concatenate([image, images + drawn])[rows]
        return Stamps(
            np.concatenate([batch.pixels, clean.images[few]]),
            _and_nothing(batch.masks),
            _and_nothing(batch.patterns),
            trigger * (images + _NEW_TO_STAMPS) + image,
        )

    return CleanRows(few[drawn], ask)


def _and_nothing(arrays: FloatArray) -> FloatArray:
    return np.concatenate([arrays, np.zeros_like(arrays, shape=(1, *arrays.shape[1:]))])


def _or_the_origin(coordinates: FloatArray, rows: IndexArray, points: int) -> FloatArray:
    added = rows >= points
    found: FloatArray = coordinates[np.where(added, 0, rows)]
    found[added] = 0
    return found
