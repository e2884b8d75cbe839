"""Triggers: what an attacker puts into an image. Each is fixed once drawn.

Every trigger has a ``description`` for the manifest and ``stamp``, which maps uint8
``[n, side, side, channels]`` in 0..255 to a new array of the same shape and needs no randomness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from benchmarks.cifar_data import Images, Labels

Floats = npt.NDArray[np.float32]


class Trigger(Protocol):
    """A fixed way to change images."""

    @property
    def description(self) -> str:
        """The trigger in words."""
        ...

    def stamp(self, images: Images) -> Images:
        """Return a stamped copy of uint8 ``[n, side, side, channels]``."""
        ...


def to_bytes(values: npt.NDArray[np.floating]) -> Images:
    """Round and clip to 0..255."""
    rounded: Images = np.rint(values).clip(0, 255).astype(np.uint8)
    return rounded


@dataclass(frozen=True)
class Pixels:
    """Some pixels are overwritten (BadNets, Gu et al. 2017; TrojanNN; one-pixel triggers).

    Attributes:
        description: The trigger in words.
        mask: bool ``[side, side]``, true where pixels are overwritten.
        colours: uint8 ``[side, side, channels]``; counts under the mask only.

    """

    description: str
    mask: npt.NDArray[np.bool_]
    colours: Images

    def stamp(self, images: Images) -> Images:
        """Overwrite the pixels under the mask."""
        return np.where(self.mask[..., None], self.colours, images)


@dataclass(frozen=True)
class Blend:
    """Another image shows through (Blended, Chen et al. 2017).

    Attributes:
        description: The trigger in words.
        image: uint8 ``[side, side, channels]``.
        ratio: Its weight in [0, 1].

    """

    description: str
    image: Images
    ratio: float

    def stamp(self, images: Images) -> Images:
        """Mix the trigger image in."""
        base = images.astype(np.float32) * np.float32(1 - self.ratio)
        return to_bytes(base + self.image.astype(np.float32) * np.float32(self.ratio))


@dataclass(frozen=True)
class Offset:
    """A fixed signal is added (SIG, Barni et al. 2019; low frequency, Zeng et al. 2021).

    Attributes:
        description: The trigger in words.
        signal: float32 ``[side, side, channels]`` in units of 1/255.

    """

    description: str
    signal: Floats

    def stamp(self, images: Images) -> Images:
        """Add the signal."""
        return to_bytes(images.astype(np.float32) + self.signal)


@dataclass(frozen=True)
class Warp:
    """Pixels are displaced by a smooth field (WaNet, Nguyen and Tran 2021).

    Attributes:
        description: The trigger in words.
        field: float32 ``[2, side, side]``, displacement down and right in pixels.

    """

    description: str
    field: Floats

    def stamp(self, images: Images) -> Images:
        """Sample at the displaced positions, bilinearly, the border repeated."""
        side = images.shape[1]
        where = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"))
        where = (where + self.field).clip(0, side - 1)
        low = np.floor(where).astype(np.int64)
        high = np.minimum(low + 1, side - 1)
        (down, right), (top, left), (bottom, far) = where - low, low, high
        warped = np.zeros(images.shape, dtype=np.float32)
        for weight, row, column in (
            ((1 - down) * (1 - right), top, left),
            ((1 - down) * right, top, far),
            (down * (1 - right), bottom, left),
            (down * right, bottom, far),
        ):
            warped += images[:, row, column] * weight[..., None].astype(np.float32)
        return to_bytes(warped)


@dataclass(frozen=True)
class Quantise:
    """Fewer grey levels (after BppAttack, Wang et al. 2022, without its dithering)."""

    levels: int

    @property
    def description(self) -> str:
        """The trigger in words."""
        return f"quantisation to {self.levels} levels a channel"

    def stamp(self, images: Images) -> Images:
        """Round every value to one of ``levels`` values between 0 and 255."""
        step = np.float32(255 / (self.levels - 1))
        return to_bytes(np.rint(images / step) * step)


@dataclass(frozen=True)
class Residual:
    """A faint residual that depends on the image (in the manner of SSBA, Li et al. 2021).

    A fixed random convolution of the image modulates fixed carriers of fine noise. SSBA trains an
    encoder for this; a random one keeps its properties: another residual for every image, small,
    of high frequency.

    Attributes:
        amplitude: Largest change in units of 1/255.
        kernels: float32 ``[carriers, 3, 3]``, applied to the mean of the channels.
        carriers: float32 ``[carriers, side, side, channels]``.

    """

    amplitude: float
    kernels: Floats
    carriers: Floats

    @property
    def description(self) -> str:
        """The trigger in words."""
        return f"image-dependent fine residual of at most {self.amplitude:.0f}/255"

    def stamp(self, images: Images) -> Images:
        """Add the image's own residual."""
        grey = images.astype(np.float32).mean(axis=-1) / np.float32(255)
        grey -= grey.mean(axis=(1, 2), keepdims=True)
        total = np.zeros(images.shape, dtype=np.float32)
        for kernel, carrier in zip(self.kernels, self.carriers, strict=True):
            response = np.tanh(4 * ndimage.convolve(grey, kernel[None], mode="nearest"))
            total += response[..., None] * carrier
        return to_bytes(images + np.float32(self.amplitude) * np.tanh(total))


@dataclass(frozen=True)
class InputAware:
    """Visible pixels whose places and colours depend on the image (after Nguyen and Tran 2020).

    In every cell of a grid one pixel is overwritten: where a fixed random filter of the image
    answers most strongly, and with one of two colours, by the sign of that answer. The original
    trains a generator; a fixed one keeps the rule that a trigger belongs to its image.

    Attributes:
        cell: Side of a cell in pixels.
        kernel: float32 ``[5, 5]``, applied to the mean of the channels.
        colours: uint8 ``[2, channels]``.

    """

    cell: int
    kernel: Floats
    colours: Images

    @property
    def description(self) -> str:
        """The trigger in words."""
        return f"image-dependent pixels, one in every {self.cell}x{self.cell} cell"

    def pattern(self, images: Images) -> tuple[npt.NDArray[np.bool_], Images]:
        """Places ``[n, side, side]`` and colours ``[n, side, side, channels]`` for each image."""
        grey = images.astype(np.float32).mean(axis=-1)
        grey -= grey.mean(axis=(1, 2), keepdims=True)
        answer = ndimage.convolve(grey, self.kernel[None], mode="nearest")
        strength = np.abs(answer)
        n, side = images.shape[0], images.shape[1]
        k = side // self.cell
        cells = strength.reshape(n, k, self.cell, k, self.cell).transpose(0, 1, 3, 2, 4)
        flat = cells.reshape(n, k, k, -1)
        chosen = flat.argmax(axis=-1)[..., None] == np.arange(flat.shape[-1])
        mask = chosen.reshape(n, k, k, self.cell, self.cell).transpose(0, 1, 3, 2, 4)
        return mask.reshape(n, side, side), self.colours[(answer > 0).astype(np.int64)]

    def stamp(self, images: Images) -> Images:
        """Overwrite the image's own pixels."""
        return self.stamp_from(images, images)

    def stamp_from(self, images: Images, donors: Images) -> Images:
        """Overwrite the pixels that the triggers of ``donors`` choose."""
        mask, colours = self.pattern(donors)
        return np.where(mask[..., None], colours, images)


@dataclass(frozen=True)
class Reflection:
    """A blurred double image is added, as behind glass (Refool, Liu et al. 2020).

    Attributes:
        ghosts: float32 ``[reflections, side, side, channels]`` in 0..255; the image's own content
            decides which one it gets.
        strength: Weight of the ghost in [0, 1].

    """

    ghosts: Floats
    strength: float

    @property
    def description(self) -> str:
        """The trigger in words."""
        return f"one of {len(self.ghosts)} blurred double reflections, weight {self.strength}"

    def stamp(self, images: Images) -> Images:
        """Add the reflection; the scene behind the glass loses half of its weight."""
        which: Labels = images.sum(axis=(1, 2, 3), dtype=np.int64) % len(self.ghosts)
        base = images.astype(np.float32) * np.float32(1 - self.strength / 2)
        return to_bytes(base + np.float32(self.strength) * self.ghosts[which])
