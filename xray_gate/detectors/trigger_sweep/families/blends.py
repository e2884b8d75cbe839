"""Triggers mixed into the whole image: noise, smooth colours, and ghosts of other images."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from xray_gate.detectors.trigger_sweep.families.interface import (
    Scene,
    Trigger,
    TriggerFamily,
    rungs,
)
from xray_gate.detectors.trigger_sweep.families.patterns import near, noise_image, smooth_field
from xray_gate.probing.oracle import FloatArray


@dataclass(frozen=True, eq=False)
class BlendTrigger(Trigger):
    """(1 - dose) * x + dose * `image`, float32 (channels, height, width) in [0, 1]."""

    image: FloatArray
    kind: str

    @property
    def text(self) -> str:
        return f"{self.kind} blended in at {self.dose:.0%}"

    def _apply(self, images: FloatArray) -> FloatArray:
        return np.float32(1 - self.dose) * images + np.float32(self.dose) * self.image


class NoiseBlendTrigger(BlendTrigger):
    """A blend with noise, which can be redrawn in part."""

    def vary(self, rng: np.random.Generator) -> "NoiseBlendTrigger":
        channels, height, width = self.image.shape
        noise = noise_image((channels, height, width), rng)
        redrawn = rng.random(self.image.shape) < 0.3
        return replace(self, image=np.where(redrawn, noise, self.image))


class SmoothBlendTrigger(BlendTrigger):
    """A blend with smooth colours, which can be bent."""

    def vary(self, rng: np.random.Generator) -> "SmoothBlendTrigger":
        channels, height, width = self.image.shape
        other = smooth_field((channels, height, width), int(rng.integers(2, 6)), rng)
        return replace(self, image=0.5 + 0.5 * near(2 * self.image - 1, other))


class NoiseBlend(TriggerFamily):
    """A fixed noise image, mixed in (Blended, Chen et al. 2017)."""

    for_flat_images = False
    name = "noise_blend"
    unit = "the noise's weight"
    plural = "noise blends"
    size = "{dose:.0%}"
    rungs = rungs(
        (0.05, 16, 0.25, 0.35, 0.6),
        (0.1, 16, 0.25, 0.35, 0.6),
        (0.15, 16, 0.25, 0.35, 0.6),
        (0.2, 12, 0.3, 0.45, 0.6),
    )

    def draw(self, dose: float, scene: Scene, rng: np.random.Generator) -> NoiseBlendTrigger:
        return NoiseBlendTrigger(dose, noise_image(scene.shape, rng), "a noise image")


class SmoothBlend(TriggerFamily):
    """A fixed image of smooth colours, mixed in."""

    for_flat_images = False
    name = "smooth_blend"
    unit = "the colours' weight"
    plural = "blends of smooth colours"
    size = "{dose:.0%}"
    rungs = rungs(
        (0.1, 16, 0.25, 0.35, 0.6),
        (0.2, 16, 0.35, 0.35, 0.6),
        (0.3, 12, 1.0, 1.0, 1.0),
    )

    def draw(self, dose: float, scene: Scene, rng: np.random.Generator) -> SmoothBlendTrigger:
        image = 0.5 + 0.5 * smooth_field(scene.shape, int(rng.integers(2, 6)), rng)
        return SmoothBlendTrigger(dose, image, "an image of smooth colours")


@dataclass(frozen=True, eq=False)
class GhostTrigger(Trigger):
    """(1 - dose) * x + dose * `image`, or as a reflection x + dose * `image`.

    `image` float32 (channels, height, width) in [0, 1]; `pool` (n, ...) holds others like it.
    """

    image: FloatArray
    pool: FloatArray
    reflected: bool

    @property
    def text(self) -> str:
        if self.reflected:
            return f"a reflection of another image at {self.dose:.0%}"
        return f"another image blended in at {self.dose:.0%}"

    def vary(self, rng: np.random.Generator) -> "GhostTrigger":
        other = self.pool[int(rng.integers(len(self.pool)))]
        weight = np.float32(0.3)
        return replace(self, image=(1 - weight) * self.image + weight * other)

    def _apply(self, images: FloatArray) -> FloatArray:
        kept = np.float32(1 if self.reflected else 1 - self.dose)
        return kept * images + np.float32(self.dose) * self.image


class Ghost(TriggerFamily):
    """Another clean image, mixed in or reflected (Blended with a picture, Refool)."""

    for_flat_images = False
    name = "ghost"
    unit = "the other image's weight"
    plural = "ghosts of other images"
    size = "{dose:.0%}"
    rungs = rungs(
        (0.1, 12, 0.25, 0.35, 0.6),
        (0.2, 16, 0.4, 0.45, 0.6),
        (0.3, 20, 0.5, 0.65, 1.0),
        (0.4, 16, 1.0, 1.0, 1.0),
    )

    def draw(self, dose: float, scene: Scene, rng: np.random.Generator) -> GhostTrigger:
        other = scene.samples[int(rng.integers(len(scene.samples)))]
        if rng.integers(2):
            return GhostTrigger(dose, other, scene.samples, reflected=False)
        blur = scene.side / 32
        blurred = ndimage.gaussian_filter(other, sigma=(0, blur, blur))
        shift = int(rng.integers(1, max(2, scene.side // 8)))
        # A pane of glass has two surfaces: the image is seen twice.
        double = 0.6 * blurred + 0.4 * np.roll(blurred, shift, axis=2)
        return GhostTrigger(dose, np.asarray(double, np.float32), scene.samples, reflected=True)
