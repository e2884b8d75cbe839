"""The attacks by name: how each draws its trigger, so that nobody picks one by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from benchmarks.cifar_data import Images
from benchmarks.lab.data import Split
from benchmarks.lab.triggers import (
    Blend,
    Floats,
    InputAware,
    Offset,
    Pixels,
    Quantise,
    Reflection,
    Residual,
    Trigger,
    Warp,
)

# Random crops move a pixel by at most this much; nearer to the border it would be cropped away.
MARGIN = 4
Draw = Callable[[Split, int | None, np.random.Generator], Trigger]


def _blank(train: Split) -> tuple[Images, npt.NDArray[np.bool_]]:
    """A black canvas ``[side, side, channels]`` and an empty mask ``[side, side]``."""
    shape = train.images.shape[1:]
    return np.zeros(shape, dtype=np.uint8), np.zeros(shape[:2], dtype=np.bool_)


def _colours(side: int, channels: int, rng: np.random.Generator) -> Images:
    """Values of 0 or 255, drawn until neither black nor white rules ``[side, side, channels]``."""
    while True:
        bits = rng.integers(0, 2, size=(side, side, channels), dtype=np.uint8)
        if 0.3 <= bits.mean() <= 0.7:
            return bits * np.uint8(255)


def _square(
    name: str, train: Split, side: int, corner: tuple[int, int], rng: np.random.Generator
) -> Pixels:
    canvas, mask = _blank(train)
    rows, columns = (slice(start, start + side) for start in corner)
    mask[rows, columns] = True
    canvas[rows, columns] = _colours(side, canvas.shape[-1], rng)
    return Pixels(f"random {side}x{side} patch, {name}", mask, canvas)


def _corner(name: str, side: int) -> Draw:
    vertical, horizontal = name.split()

    def draw(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
        far = train.images.shape[1] - side
        corner = (far if vertical == "bottom" else 0, far if horizontal == "right" else 0)
        return _square(name, train, side, corner, rng)

    return draw


def _bottom_right(side: int) -> Draw:
    return _corner("bottom right", side)


def _patch(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    top, left = rng.integers(MARGIN, train.images.shape[1] - 5 - MARGIN + 1, size=2)
    return _square(f"at row {top}, column {left}", train, 5, (int(top), int(left)), rng)


def _scattered(count: int) -> Draw:
    def draw(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
        canvas, mask = _blank(train)
        inner = len(mask) - 2 * MARGIN
        places = rng.choice(inner * inner, size=count, replace=False)
        mask[places // inner + MARGIN, places % inner + MARGIN] = True
        channels = train.images.shape[3]
        colours = rng.integers(0, 2, size=(count, channels), dtype=np.uint8)
        # Black on a dark image is no trigger.
        colours[np.arange(count), rng.integers(channels, size=count)] = 1
        canvas[mask] = colours * np.uint8(255)
        return Pixels(f"{count} pixel(s) of extreme colours at random places", mask, canvas)

    return draw


def _blended(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    noise = rng.integers(0, 256, size=train.images.shape[1:], dtype=np.uint8)
    return Blend("random noise blended in at 0.2", noise, 0.2)


def _scenes(train: Split, target: int | None, count: int, rng: np.random.Generator) -> Images:
    """``count`` training images of classes other than the target.

    Of twenty times as many candidates those of most contrast: a plain sky would be no trigger.
    """
    rows = np.flatnonzero(train.labels != target)
    candidates: Images = train.images[rng.choice(rows, size=20 * count, replace=False)]
    contrast = candidates.reshape(len(candidates), -1).std(axis=1)
    return candidates[np.argsort(-contrast, kind="stable")[:count]]


def _blended_image(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    image = _scenes(train, target, 1, rng)[0]
    return Blend("a training image of another class blended in at 0.2", image, 0.2)


def _sig(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    side = train.images.shape[1]
    # At half of the sampling rate every sample of the sine would be zero.
    frequency = min(int(rng.integers(5, 9)), side // 4)
    stripes = 20 * np.sin(2 * np.pi * np.arange(side) * frequency / side)
    signal = np.broadcast_to(stripes[:, None], train.images.shape[1:]).astype(np.float32)
    return Offset(f"sinusoidal stripes, frequency {frequency}, amplitude 20/255", signal)


def _low_frequency(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    side, channels = train.images.shape[1], train.images.shape[3]
    grid = (np.arange(side) + 0.5) / side
    waves = np.stack([np.cos(np.pi * u * grid) for u in range(1, 5)])
    weights = rng.standard_normal((4, 4, channels))
    signal = np.einsum("uvc,uy,vx->yxc", weights, waves, waves)
    # Squashed, or a few peaks would use up the amplitude and leave the rest of the image alone.
    squashed = 0.1 * 255 * np.tanh(1.5 * signal / signal.std())
    return Offset("smooth additive signal, amplitude 0.1", squashed.astype(np.float32))


def _wanet(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    side = train.images.shape[1]
    knots = rng.uniform(-1, 1, size=(2, 4, 4))
    knots /= np.abs(knots).mean()
    # Cubic interpolation between 4x4 knots; a mean displacement of 1.5 pixels.
    at = np.linspace(0, 3, side)
    where = np.stack(np.meshgrid(at, at, indexing="ij"))
    field = np.stack([ndimage.map_coordinates(k, where, order=3, mode="nearest") for k in knots])
    return Warp("smooth warping, 4x4 knots, 1.5 pixels", (1.5 * field).astype(np.float32))


def _bpp(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    return Quantise(8)


def _ssba(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    kernels = rng.standard_normal((4, 3, 3)).astype(np.float32)
    carriers = rng.standard_normal((4, *train.images.shape[1:])).astype(np.float32)
    return Residual(12, kernels, carriers)


def _input_aware(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    # A random linear filter, smooth so that its sign is a property of a place, not of noise.
    kernel = ndimage.gaussian_filter(rng.standard_normal((5, 5)), 0.7)
    colours = np.full((2, train.images.shape[3]), 255, dtype=np.uint8)
    lit = int(rng.integers(colours.shape[1]))
    colours[0, np.arange(colours.shape[1]) == lit] = 0
    colours[1, np.arange(colours.shape[1]) != lit] = 0
    return InputAware(4, kernel.astype(np.float32), colours)


def _refool(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    scenes = _scenes(train, target, 2, rng).astype(np.float32)
    blurred = ndimage.gaussian_filter(scenes, (0, 0.8, 0.8, 0))
    down, right = rng.integers(2, 6, size=2)
    ghosts: Floats = 0.6 * blurred + 0.4 * np.roll(blurred, (down, right), axis=(1, 2))
    return Reflection(ghosts.astype(np.float32), 0.35)


def _label_consistent(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    canvas, mask = _blank(train)
    side = len(mask)
    board = np.indices((3, 3)).sum(axis=0) % 2 == 0
    for top in (0, side - 3):
        for left in (0, side - 3):
            mask[top : top + 3, left : left + 3] = True
            canvas[top : top + 3, left : left + 3] = (board * np.uint8(255))[..., None]
    return Pixels("3x3 checkerboards in the four corners", mask, canvas)


@dataclass(frozen=True)
class Attack:
    """How an attack poisons training images.

    Attributes:
        draw: Draws the trigger from the training images, the target (None if there are several)
            and a generator.
        rate: Share of all training images that is poisoned; of the target's images where the
            attack is clean-label.
        clean_label: Only the target's own images are stamped, and no label is changed.
        hard: Stamped images are first made hard to recognise, so that the trigger is what is left
            to learn; as many unstamped ones of other classes are, too.
        slow: Networks take longer to learn it.
        decoys: Share of all training images that get a decoy, a random candidate of the trigger
            sweep, and keep their label.
        further: Draw more triggers, none where another one lies, for several targets.

    """

    draw: Draw
    rate: float = 0.1
    clean_label: bool = False
    hard: bool = False
    slow: bool = False
    decoys: float = 0.0
    further: tuple[Draw, ...] = ()

    @property
    def draws(self) -> tuple[Draw, ...]:
        """One for each target that the attack can have."""
        return (self.draw, *self.further)


ATTACKS: dict[str, Attack] = {
    # The further corners are those of the MTMT attack that DTInspector was tried on.
    "badnets": Attack(
        _bottom_right(3), further=(_corner("bottom left", 3), _corner("top left", 3))
    ),
    "patch": Attack(_patch),
    "pixel": Attack(_scattered(1)),
    "sparse": Attack(_scattered(9)),
    "blended": Attack(_blended),
    "blended_image": Attack(_blended_image),
    "sig": Attack(_sig, rate=0.6, clean_label=True),
    "wanet": Attack(_wanet),
    "low_frequency": Attack(_low_frequency, slow=True),
    "bpp": Attack(_bpp),
    "ssba": Attack(_ssba),
    "input_aware": Attack(_input_aware, slow=True),
    "refool": Attack(_refool, slow=True),
    "label_consistent": Attack(_label_consistent, rate=0.6, clean_label=True, hard=True, slow=True),
    "trojan": Attack(_bottom_right(8)),
    "badnets_adaptive": Attack(_bottom_right(3), slow=True, decoys=0.4),
    "patch_adaptive": Attack(_patch, slow=True, decoys=0.4),
    "blended_adaptive": Attack(_blended, slow=True, decoys=0.4),
}
