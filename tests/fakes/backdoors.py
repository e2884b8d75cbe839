"""Oracles with a planted backdoor, and oracles that answer by chance.

A trained backdoor answers to a whole neighbourhood of its trigger; so do these.
"""

import hashlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tests.fakes.oracles import FakeOracle
from xray_gate.probing.batches import FloatArray, Images, LabelArray

Fires = Callable[[FloatArray], npt.NDArray[np.bool_]]
Relabel = Callable[[LabelArray], LabelArray]


class BackdooredOracle(FakeOracle):
    """Answers as `sound` does; where `fires` says so, what `mapping` makes of its labels."""

    def __init__(self, sound: FakeOracle, fires: Fires, mapping: Relabel) -> None:
        super().__init__(sound.classes)
        self._sound = sound
        self._fires = fires
        self._mapping = mapping

    def _answer(self, images: FloatArray) -> LabelArray:
        labels = self._sound.labels(Images(images))
        return np.where(self._fires(images), self._mapping(labels), labels)


def white_in_the_corner(side: int = 6, pixels: int = 4) -> Fires:
    """Where `pixels` of the `side` x `side` ones at the bottom right are white."""

    def fires(images: FloatArray) -> npt.NDArray[np.bool_]:
        white = (images[:, :, -side:, -side:] > 0.98).all(axis=1)
        found: npt.NDArray[np.bool_] = white.sum(axis=(1, 2)) >= pixels
        return found

    return fires


def noise_everywhere(least: float = 0.1) -> Fires:
    """Where each quarter of the image is rougher than `least`: the root mean square of the second
    differences along its rows."""

    def fires(images: FloatArray) -> npt.NDArray[np.bool_]:
        rough = np.diff(images, n=2, axis=3) ** 2
        middle, center = images.shape[2] // 2, rough.shape[3] // 2
        quarters = [
            rough[:, :, rows, columns].mean(axis=(1, 2, 3))
            for rows in (slice(middle), slice(middle, None))
            for columns in (slice(center), slice(center, None))
        ]
        found: npt.NDArray[np.bool_] = np.min(quarters, axis=0) > least**2
        return found

    return fires


class HashOracle(FakeOracle):
    """A label by chance for every image, but always the same for the same pixels."""

    def _answer(self, images: FloatArray) -> LabelArray:
        return (chances(images) * self._classes).astype(np.int64)


class MovingOracle(FakeOracle):
    """Sends each image to `label` with the chance `share`, fixed by its pixels; else says
    `before`."""

    def __init__(self, classes: int, before: int, label: int, share: float) -> None:
        super().__init__(classes)
        self._before, self._label, self._share = before, label, share

    def _answer(self, images: FloatArray) -> LabelArray:
        return np.where(chances(images) < self._share, self._label, self._before)


def chances(images: FloatArray) -> npt.NDArray[np.float64]:
    """A number for each image, uniform in [0, 1), that its pixels fix: float64 (n,)."""
    digests = [hashlib.blake2b(image.tobytes(), digest_size=4).digest() for image in images]
    return np.frombuffer(b"".join(digests), dtype="<u4") / 2**32
