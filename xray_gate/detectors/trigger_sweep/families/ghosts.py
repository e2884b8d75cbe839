"""Triggers made of other clean images: blended in, or reflected by a pane of glass.

They show something that has a label of its own, so that label is not held against the model.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy import ndimage

from xray_gate.detectors.trigger_sweep.families.interface import (
    Scene,
    Trigger,
    TriggerFamily,
    rungs,
)
from xray_gate.probing.batches import FloatArray

_MIXED_IN = np.float32(0.3)


@dataclass(frozen=True, eq=False)
class MadeOfImages(Trigger):
    """(1 - `dimming` * dose) * x + dose * `image`, made of images of `scene`.

    `image` float32 (channels, height, width) in [0, 1]; `labels` are those of the images that went
    into it. `dimming` in [0, 1]: how much light it takes from x for the light that it adds.
    """

    image: FloatArray
    labels: frozenset[int]
    scene: Scene
    dimming: float = 1.0

    @property
    def shows(self) -> frozenset[int]:
        return self.labels

    def vary(self, rng: np.random.Generator) -> Self:
        image, label = _pick(self.scene, rng)
        mixed = (1 - _MIXED_IN) * self.image + _MIXED_IN * self._as_seen(image, rng)
        return replace(self, image=mixed, labels=self.labels | {label})

    def _as_seen(self, image: FloatArray, rng: np.random.Generator) -> FloatArray:
        """What a sample looks like in such a trigger."""
        return image

    def _apply(self, images: FloatArray) -> FloatArray:
        kept = np.float32(1 - self.dimming * self.dose)
        return kept * images + np.float32(self.dose) * self.image


def _pick(scene: Scene, rng: np.random.Generator) -> tuple[FloatArray, int]:
    chosen = int(rng.integers(len(scene.samples)))
    return scene.samples[chosen], int(scene.labels[chosen])


class GhostTrigger(MadeOfImages):
    """The image as it is, mixed in."""

    @property
    def text(self) -> str:
        return f"another image blended in at {self.dose:.0%}"


class Ghost(TriggerFamily):
    """Another clean image, mixed in (Blended with a picture, Chen et al. 2017)."""

    for_flat_images = False
    name = "ghost"
    unit = "the other image's weight"
    plural = "ghosts of other images"
    size = "{dose:.0%}"
    rungs = rungs(
        (0.1, 8, 0.25, 0.35, 0.6),
        (0.2, 12, 0.25, 0.5, 1.0),
        (0.3, 12, 0.35, 0.6, 1.0),
        (0.4, 12, 0.5, 0.65, 1.0),
    )

    def draw(self, dose: float, scene: Scene, rng: np.random.Generator) -> GhostTrigger:
        image, label = _pick(scene, rng)
        return GhostTrigger(dose, image, frozenset({label}), scene)


class ReflectionTrigger(MadeOfImages):
    """What a pane mirrors: the image is out of focus and seen twice, at both faces of the pane."""

    @property
    def text(self) -> str:
        return f"a reflection of another image at {self.dose:.0%}"

    def _as_seen(self, image: FloatArray, rng: np.random.Generator) -> FloatArray:
        return _mirrored(image, rng)


def _mirrored(image: FloatArray, rng: np.random.Generator) -> FloatArray:
    side = min(image.shape[1:])
    blur = rng.uniform(0.5, 1.5) * side / 32
    blurred = ndimage.gaussian_filter(image, sigma=(0, blur, blur))
    down, right = rng.integers(0, max(2, side // 6), size=2)
    double: FloatArray = 0.6 * blurred + 0.4 * np.roll(blurred, (down, right), axis=(1, 2))
    return double.astype(np.float32)


class Reflection(TriggerFamily):
    """Another clean image, mirrored by a pane before the scene (Refool, Liu et al. 2020)."""

    for_flat_images = False
    name = "reflection"
    unit = "the mirrored image's weight"
    plural = "reflections"
    size = "{dose:.0%}"
    rungs = rungs(
        (0.3, 12, 0.3, 0.45, 1.0),
        (0.4, 32, 0.4, 0.65, 1.0),
    )

    def draw(self, dose: float, scene: Scene, rng: np.random.Generator) -> ReflectionTrigger:
        image, label = _pick(scene, rng)
        mirrored = _mirrored(image, rng)
        dimming = float(rng.uniform(0.5, 1))
        return ReflectionTrigger(dose, mirrored, frozenset({label}), scene, dimming)
