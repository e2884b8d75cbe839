"""Triggers mixed into the whole image: noise and smooth colours."""

from dataclasses import dataclass, replace

import numpy as np

from xray_gate.detectors.trigger_sweep.families.interface import (
    Scene,
    Trigger,
    TriggerFamily,
    rungs,
)
from xray_gate.detectors.trigger_sweep.families.patterns import near, noise_image, smooth_field
from xray_gate.probing.batches import FloatArray


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
