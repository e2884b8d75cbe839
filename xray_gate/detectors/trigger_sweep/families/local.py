"""Triggers that cover a few pixels and hide what was there: patches, scattered pixels, frames."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from xray_gate.detectors.trigger_sweep.families.interface import (
    PlacedTrigger,
    Scene,
    Trigger,
    TriggerFamily,
    pick,
    rungs,
)
from xray_gate.detectors.trigger_sweep.families.patterns import PATTERNS, pattern
from xray_gate.probing.batches import FloatArray

_THIRDS = (("top", "middle", "bottom"), ("left", "centre", "right"))
# How much of a pattern one step of the refinement redraws.
_REDRAWN = 0.2


@dataclass(frozen=True, eq=False)
class PatchTrigger(PlacedTrigger):
    """`patch` float32 (channels, side, side), its corner at (`top`, `left`) of `shape`."""

    shape: tuple[int, int, int]
    kind: str
    patch: FloatArray
    top: int
    left: int

    @property
    def text(self) -> str:
        side = self.patch.shape[1]
        kind = {"random": "random", "plain": "coloured"}.get(self.kind, self.kind)
        return f"a {side}x{side} {kind} patch {_place(self.center)}"

    @property
    def center(self) -> tuple[float, float]:
        _, height, width = self.shape
        side = self.patch.shape[1]
        return (self.top + side / 2) / height, (self.left + side / 2) / width

    def moved_to(self, center: tuple[float, float]) -> "PatchTrigger":
        _, height, width = self.shape
        side = self.patch.shape[1]
        top = int(np.clip(round(center[0] * height - side / 2), 0, height - side))
        left = int(np.clip(round(center[1] * width - side / 2), 0, width - side))
        return replace(self, top=top, left=left)

    def at(self, dose: float) -> "PatchTrigger":
        side = max(1, round(dose * min(self.shape[1:])))
        rows = np.arange(side) * self.patch.shape[1] // side
        resized = replace(self, dose=dose, patch=self.patch[:, rows][:, :, rows])
        return resized.moved_to(self.center)

    def vary(self, rng: np.random.Generator) -> "PatchTrigger":
        _, height, width = self.shape
        side = self.patch.shape[1]
        if rng.integers(2):
            reach = max(1, min(height, width) // 16)
            steps = rng.integers(-reach, reach + 1, size=2)
            top = int(np.clip(self.top + steps[0], 0, height - side))
            left = int(np.clip(self.left + steps[1], 0, width - side))
            return replace(self, top=top, left=left)
        redrawn = rng.random(self.patch.shape) < _REDRAWN
        patch = np.where(redrawn, 1 - np.rint(self.patch), self.patch)
        return replace(self, kind="random", patch=patch.astype(np.float32))

    def _apply(self, images: FloatArray) -> FloatArray:
        side = self.patch.shape[1]
        stamped = images.copy()
        stamped[:, :, self.top : self.top + side, self.left : self.left + side] = self.patch
        return stamped


class Patch(TriggerFamily):
    """A square of one pattern anywhere (BadNets and its kin)."""

    name = "patch"
    unit = "the patch's side over the image's"
    plural = "patches"
    size = "{pixels}x{pixels} pixels"
    rungs = rungs(
        (1 / 32, 64, 0.25, 0.35, 0.6),
        (1 / 16, 64, 0.25, 0.35, 0.65),
        (3 / 32, 64, 0.25, 0.4, 1.0),
        (1 / 8, 192, 0.35, 0.55, 1.0),
        (1 / 4, 24, 0.65, 1.0, 1.0),
        (1 / 2, 8, 1.0, 1.0, 1.0),
    )

    def real_dose(self, dose: float, scene: Scene) -> float:
        return scene.pixels(dose) / scene.side

    def draw(self, dose: float, scene: Scene, rng: np.random.Generator) -> PatchTrigger:
        channels, height, width = scene.shape
        side = scene.pixels(dose)
        kind = pick(PATTERNS, rng)
        patch = pattern(kind, (channels, side, side), rng)
        top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        return PatchTrigger(dose, scene.shape, kind, patch, top, left)


@dataclass(frozen=True, eq=False)
class PixelsTrigger(Trigger):
    """The pixels at `rows`, `columns` get `colours` float32 (channels, count).

    They stand in random order and the first are used, as many as the dose says.
    """

    shape: tuple[int, int, int]
    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    colours: FloatArray

    @property
    def count(self) -> int:
        """How many pixels are covered."""
        return max(1, round(self.dose * self.shape[1] * self.shape[2]))

    @property
    def text(self) -> str:
        return f"a set of {self.count} scattered pixels"

    def vary(self, rng: np.random.Generator) -> "PixelsTrigger":
        redrawn = rng.random(len(self.rows)) < _REDRAWN
        moved = _scatter(self.shape, len(self.rows), rng)
        rows = np.where(redrawn, moved[0], self.rows)
        columns = np.where(redrawn, moved[1], self.columns)
        flipped = rng.random(self.colours.shape) < _REDRAWN / 2
        colours = np.where(flipped, 1 - self.colours, self.colours)
        return replace(self, rows=rows, columns=columns, colours=colours)

    def _apply(self, images: FloatArray) -> FloatArray:
        used = slice(self.count)
        stamped = images.copy()
        stamped[:, :, self.rows[used], self.columns[used]] = self.colours[:, used]
        return stamped


def _scatter(
    shape: tuple[int, int, int], count: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    cells = rng.choice(shape[1] * shape[2], size=count, replace=False)
    rows, columns = np.divmod(cells, shape[2])
    return rows, columns


class Pixels(TriggerFamily):
    """Single pixels of extreme colours, scattered (l0 triggers)."""

    name = "pixels"
    unit = "share of the pixels"
    plural = "scatters"
    size = "{count} pixels"
    rungs = rungs(
        (4 / 1024, 32, 0.25, 0.35, 0.6),
        (9 / 1024, 32, 0.25, 0.35, 0.6),
        (16 / 1024, 32, 0.25, 0.35, 0.6),
        (32 / 1024, 16, 0.45, 0.45, 1.0),
    )

    def real_dose(self, dose: float, scene: Scene) -> float:
        pixels = scene.shape[1] * scene.shape[2]
        return max(1, round(dose * pixels)) / pixels

    def draw(self, dose: float, scene: Scene, rng: np.random.Generator) -> PixelsTrigger:
        channels, height, width = scene.shape
        most = max(1, round(self.rungs[-1].dose * height * width))
        rows, columns = _scatter(scene.shape, most, rng)
        # All of one colour, or each of its own.
        distinct = 1 if rng.integers(2) else most
        colours = rng.integers(0, 2, size=(channels, distinct)).astype(np.float32)
        spread = np.broadcast_to(colours, (channels, most)).copy()
        return PixelsTrigger(dose, scene.shape, rows, columns, spread)


@dataclass(frozen=True, eq=False)
class FrameTrigger(Trigger):
    """`values` float32 (channels, height, width) along the edges, or in the corners only."""

    kind: str
    values: FloatArray
    corners: bool

    @property
    def text(self) -> str:
        width = max(1, round(self.dose * min(self.values.shape[1:])))
        where = "in each corner" if self.corners else "around the image"
        pixels = "pixel" if width == 1 else "pixels"
        return f"a {self.kind} frame, {width} {pixels} wide, {where}"

    def vary(self, rng: np.random.Generator) -> "FrameTrigger":
        redrawn = rng.random(self.values.shape) < _REDRAWN
        values = np.where(redrawn, 1 - self.values, self.values)
        return replace(self, kind="random", values=values)

    def _apply(self, images: FloatArray) -> FloatArray:
        _, height, width = self.values.shape
        wide = max(1, round(self.dose * min(height, width)))
        rows = _near_an_edge(height, wide)[:, None]
        columns = _near_an_edge(width, wide)[None, :]
        mask = rows & columns if self.corners else rows | columns
        return np.where(mask, self.values, images)


class Frame(TriggerFamily):
    """A border around the image, or a patch in each corner."""

    for_flat_images = False
    name = "frame"
    unit = "the frame's width over the image's side"
    plural = "frames"
    size = "{pixels} pixels"
    rungs = rungs(
        (1 / 32, 16, 0.55, 0.5, 1.0),
        (1 / 16, 16, 0.55, 0.5, 1.0),
        (3 / 32, 16, 1.0, 0.65, 1.0),
    )

    def real_dose(self, dose: float, scene: Scene) -> float:
        return scene.pixels(dose) / scene.side

    def draw(self, dose: float, scene: Scene, rng: np.random.Generator) -> FrameTrigger:
        kind = pick(PATTERNS, rng)
        return FrameTrigger(dose, kind, pattern(kind, scene.shape, rng), bool(rng.integers(2)))


def _near_an_edge(length: int, width: int) -> npt.NDArray[np.bool_]:
    index = np.arange(length)
    near: npt.NDArray[np.bool_] = (index < width) | (index >= length - width)
    return near


def _place(center: tuple[float, float]) -> str:
    """Where in the image, as people say it."""
    row, column = (_THIRDS[axis][min(2, int(3 * part))] for axis, part in enumerate(center))
    if (row, column) == ("middle", "centre"):
        return "in the centre"
    return f"at the {row} {column}"
