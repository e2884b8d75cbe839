"""Triggers that change every pixel by a rule: fewer levels, other colours, a warp."""

from dataclasses import dataclass, replace

import numpy as np

from xray_gate.detectors.trigger_sweep.families.interface import (
    Scene,
    Trigger,
    TriggerFamily,
    rungs,
)
from xray_gate.detectors.trigger_sweep.families.patterns import near, smooth_field
from xray_gate.probing.batches import FloatArray


@dataclass(frozen=True, eq=False)
class QuantisationTrigger(Trigger):
    """Values rounded to multiples of the dose, after adding `dither` in units of it."""

    dither: FloatArray

    @property
    def text(self) -> str:
        return f"quantisation to {round(1 / self.dose) + 1} levels"

    def _apply(self, images: FloatArray) -> FloatArray:
        steps = np.float32(round(1 / self.dose))
        rounded: FloatArray = np.rint(images * steps + self.dither) / steps
        return rounded


class Quantisation(TriggerFamily):
    """Fewer levels a channel (BppAttack, Wang et al. 2022), plain or dithered by a fixed noise."""

    name = "quantisation"
    unit = "distance of two levels"
    plural = "quantisations"
    size = "steps of {dose:.2f}"
    rungs = rungs(
        (1 / 15, 4, 0.25, 0.35, 0.6),
        (1 / 7, 4, 0.65, 0.65, 1.0),
        (1 / 5, 4, 0.65, 0.65, 1.0),
    )

    def draw(self, dose: float, scene: Scene, rng: np.random.Generator) -> QuantisationTrigger:
        dither = rng.uniform(-0.5, 0.5, scene.shape).astype(np.float32)
        return QuantisationTrigger(dose, dither * np.float32(rng.integers(2)))


@dataclass(frozen=True, eq=False)
class ColourTrigger(Trigger):
    """0.5 + (1 + dose * `gain`) * (I + dose * `mix`) (x - 0.5) + dose / 2 * `offset`.

    `mix` float32 (channels, channels), `offset` (channels,), all in [-1, 1].
    """

    mix: FloatArray
    gain: float
    offset: FloatArray

    @property
    def text(self) -> str:
        return f"a change of colours by {self.dose:.0%}"

    def vary(self, rng: np.random.Generator) -> "ColourTrigger":
        channels = len(self.mix)
        other = _colours(self.dose, channels, rng)
        return replace(
            self,
            mix=0.7 * self.mix + 0.3 * other.mix,
            gain=0.7 * self.gain + 0.3 * other.gain,
            offset=0.7 * self.offset + 0.3 * other.offset,
        )

    def _apply(self, images: FloatArray) -> FloatArray:
        channels = len(self.mix)
        weights = (1 + self.dose * self.gain) * (np.eye(channels) + self.dose * self.mix / channels)
        added = 0.5 + self.dose / 2 * self.offset
        turned = np.einsum("oc,nchw->nohw", weights.astype(np.float32), images - np.float32(0.5))
        shifted: FloatArray = turned + added.astype(np.float32)[:, None, None]
        return shifted


def _colours(dose: float, channels: int, rng: np.random.Generator) -> ColourTrigger:
    mix = rng.uniform(-1, 1, (channels, channels)).astype(np.float32)
    gain = float(rng.uniform(-1, 1))
    return ColourTrigger(dose, mix, gain, rng.uniform(-1, 1, channels).astype(np.float32))


class ColourShift(TriggerFamily):
    """Another colour balance, contrast or brightness."""

    for_flat_images = False
    name = "colour"
    unit = "largest change of a channel's weight"
    plural = "changes of colour"
    size = "{dose:.0%}"
    rungs = rungs(
        (0.1, 16, 0.25, 0.35, 0.6),
        (0.2, 12, 0.6, 0.45, 1.0),
    )

    def draw(self, dose: float, scene: Scene, rng: np.random.Generator) -> ColourTrigger:
        return _colours(dose, scene.shape[0], rng)


@dataclass(frozen=True, eq=False)
class WarpTrigger(Trigger):
    """Pixels are read from where `field` float32 (2, height, width) points, bilinearly.

    The field is scaled so that the mean shift along an axis is the dose times the image's side.
    """

    field: FloatArray

    @property
    def text(self) -> str:
        return f"a smooth warp by {self.dose:.1%} of the side on average"

    def vary(self, rng: np.random.Generator) -> "WarpTrigger":
        _, height, width = self.field.shape
        other = smooth_field((2, height, width), int(rng.integers(3, 9)), rng)
        return replace(self, field=near(self.field, other))

    def _apply(self, images: FloatArray) -> FloatArray:
        _, height, width = self.field.shape
        shift = self.field * (self.dose * min(height, width) / np.abs(self.field).mean())
        rows = np.clip(np.arange(height)[:, None] + shift[0], 0, height - 1)
        columns = np.clip(np.arange(width)[None, :] + shift[1], 0, width - 1)
        return _resample(images, rows, columns)


class Warp(TriggerFamily):
    """A smooth warp (WaNet, Nguyen & Tran 2021)."""

    for_flat_images = False
    name = "warp"
    unit = "mean shift over the image's side"
    plural = "warps"
    size = "{dose:.1%} of the side"
    rungs = rungs(
        (0.25 / 32, 24, 0.25, 0.35, 0.6),
        (0.5 / 32, 24, 0.25, 0.35, 0.6),
        (1 / 32, 24, 0.3, 0.4, 0.65),
        (1.5 / 32, 16, 0.4, 0.65, 0.65),
    )

    def draw(self, dose: float, scene: Scene, rng: np.random.Generator) -> WarpTrigger:
        height, width = scene.shape[1:]
        return WarpTrigger(dose, smooth_field((2, height, width), int(rng.integers(3, 9)), rng))


def _resample(images: FloatArray, rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Read every pixel from (`rows`, `columns`), float (height, width)."""
    top, left = np.floor(rows).astype(np.int64), np.floor(columns).astype(np.int64)
    down = np.asarray(rows - top, dtype=np.float32)
    right = np.asarray(columns - left, dtype=np.float32)
    below = np.minimum(top + 1, rows.shape[0] - 1)
    beyond = np.minimum(left + 1, rows.shape[1] - 1)
    upper = _between(images[:, :, top, left], images[:, :, top, beyond], right)
    lower = _between(images[:, :, below, left], images[:, :, below, beyond], right)
    return _between(upper, lower, down)


def _between(first: FloatArray, second: FloatArray, weight: FloatArray) -> FloatArray:
    mixed: FloatArray = first * (1 - weight) + second * weight
    return mixed
