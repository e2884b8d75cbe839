"""Triggers added to the whole image: smooth fields, stripes, and residuals that follow it."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from xray_gate.detectors.trigger_sweep.families.interface import (
    Scene,
    Trigger,
    TriggerFamily,
    rungs,
)
from xray_gate.detectors.trigger_sweep.families.patterns import near, smooth_field
from xray_gate.probing.batches import FloatArray


@dataclass(frozen=True, eq=False)
class SmoothFieldTrigger(Trigger):
    """x + dose * `field`, float32 (channels, height, width) with a peak of 1."""

    field: FloatArray

    @property
    def text(self) -> str:
        return f"a smooth field of amplitude {self.dose:.2f}"

    def vary(self, rng: np.random.Generator) -> "SmoothFieldTrigger":
        channels, height, width = self.field.shape
        other = smooth_field((channels, height, width), int(rng.integers(2, 9)), rng)
        return replace(self, field=near(self.field, other))

    def _apply(self, images: FloatArray) -> FloatArray:
        return images + np.float32(self.dose) * self.field


class SmoothField(TriggerFamily):
    """A smooth, low-frequency field (Zeng et al. 2021)."""

    for_flat_images = False
    name = "smooth_field"
    unit = "peak amplitude"
    plural = "smooth fields"
    size = "amplitude {dose:.2f}"
    rungs = rungs(
        (0.04, 16, 0.25, 0.35, 0.6),
        (0.08, 16, 0.25, 0.35, 0.6),
        (0.12, 16, 0.25, 0.35, 0.6),
        (0.2, 12, 1.0, 0.55, 1.0),
    )

    def draw(self, dose: float, scene: Scene, rng: np.random.Generator) -> SmoothFieldTrigger:
        return SmoothFieldTrigger(dose, smooth_field(scene.shape, int(rng.integers(2, 9)), rng))


@dataclass(frozen=True, eq=False)
class StripesTrigger(Trigger):
    """A sine wave: `cycles` over the image's side, `angle` and `phase` in radians."""

    cycles: float
    angle: float
    phase: float

    @property
    def text(self) -> str:
        return f"a pattern of {self.cycles:.1f} stripes of amplitude {self.dose:.2f}"

    def vary(self, rng: np.random.Generator) -> "StripesTrigger":
        return replace(
            self,
            cycles=self.cycles * float(np.exp(rng.normal(0, 0.1))),
            angle=self.angle + float(rng.normal(0, 0.05)),
            phase=self.phase + float(rng.normal(0, 0.5)),
        )

    def _apply(self, images: FloatArray) -> FloatArray:
        height, width = images.shape[2:]
        rows, columns = np.mgrid[:height, :width] / min(height, width)
        along = np.cos(self.angle) * columns + np.sin(self.angle) * rows
        wave = np.sin(2 * np.pi * self.cycles * along + self.phase)
        return images + np.asarray(self.dose * wave, np.float32)


class Stripes(TriggerFamily):
    """A sine wave of any direction (SIG, Barni et al. 2019)."""

    for_flat_images = False
    name = "stripes"
    unit = "amplitude"
    plural = "stripes"
    size = "amplitude {dose:.2f}"
    rungs = rungs(
        (0.03, 24, 0.25, 0.35, 0.6),
        (0.06, 24, 0.65, 1.0, 1.0),
        (0.09, 24, 1.0, 1.0, 1.0),
    )

    def draw(self, dose: float, scene: Scene, rng: np.random.Generator) -> StripesTrigger:
        # Up to a period of four pixels; an octave is as likely as the next.
        cycles = float(np.exp(rng.uniform(0.0, np.log(max(1.0, scene.side / 4)))))
        angle = float(rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)]))
        return StripesTrigger(dose, cycles, angle, float(rng.uniform(0, 2 * np.pi)))


@dataclass(frozen=True, eq=False)
class ResidualTrigger(Trigger):
    """x + dose * r(x), where r(x) is x filtered by `kernels` and scaled to a root mean square of 1.

    `kernels` float32 (channels, channels, size, size); each sums to 0, so that edges and texture
    carry the trigger and a plain surface does not.
    """

    kernels: FloatArray

    @property
    def text(self) -> str:
        return f"a residual of the image itself, root mean square {self.dose:.2f},"

    def vary(self, rng: np.random.Generator) -> "ResidualTrigger":
        return replace(self, kernels=self.kernels + 0.5 * _kernels(self.kernels.shape, rng))

    def _apply(self, images: FloatArray) -> FloatArray:
        made = np.zeros_like(images)
        for out, per_channel in enumerate(self.kernels):
            for channel, kernel in enumerate(per_channel):
                made[:, out] += ndimage.convolve(images[:, channel], kernel[None], mode="nearest")
        scale = np.sqrt(np.mean(made**2, axis=(1, 2, 3), keepdims=True))
        # Below that there is no texture, only what rounding leaves of a plain surface.
        residual: FloatArray = made / np.maximum(scale, np.float32(1e-4))
        return images + np.float32(self.dose) * residual


def _kernels(shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    kernels = rng.standard_normal(shape, dtype=np.float32)
    centred: FloatArray = kernels - kernels.mean(axis=(2, 3), keepdims=True)
    return centred


class Residual(TriggerFamily):
    """What a random filter makes of the image itself (after sample-specific triggers).

    SSBA's and input-aware triggers differ from image to image; so does this one.
    """

    name = "residual"
    unit = "root mean square"
    plural = "residuals"
    size = "{dose:.2f}"
    rungs = rungs(
        (0.02, 16, 0.25, 0.35, 0.6),
        (0.04, 16, 0.3, 0.35, 1.0),
        (0.06, 12, 0.45, 0.35, 1.0),
    )

    def draw(self, dose: float, scene: Scene, rng: np.random.Generator) -> ResidualTrigger:
        channels = scene.shape[0]
        size = int(rng.choice([3, 5]))
        return ResidualTrigger(dose, _kernels((channels, channels, size, size), rng))
