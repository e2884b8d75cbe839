"""How attacks draw their triggers, so that nobody picks one by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from benchmarks.cifar_data import Images
from benchmarks.lab.attacks.triggers import (
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
from benchmarks.lab.data.splits import Split

# Random crops move a pixel by at most this much; nearer to the border it would be cropped away.
MARGIN = 4
Draw = Callable[[Split, int | None, np.random.Generator], Trigger]


def _blank(train: Split) -> tuple[Images, npt.NDArray[np.bool_]]:
    """A black canvas ``[side, side, channels]`` and an empty mask ``[side, side]``."""
    shape = train.images.shape[1:]
    return np.zeros(shape, dtype=np.uint8), np.zeros(shape[:2], dtype=np.bool_)


def _colours(side: int, channels: int, rng: np.random.Generator) -> Images:
    """Values of 0 or 255, drawn until neither black nor white rules ``[side, side, channels]``."""
    if side == channels == 1:
        # A single grey value is one or the other; black would be lost on a black border.
        return np.full((1, 1, 1), 255, dtype=np.uint8)
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


def _check_side(side: int, largest: int, train: Split) -> None:
    if side > largest:
        whole = train.images.shape[1]
        raise ValueError(
            f"a patch of side {side} does not fit here into images of {whole}x{whole} pixels; "
            f"ask for a side of at most {largest}"
        )


def _corner(name: str, side: int) -> Draw:
    vertical, horizontal = name.split()

    def draw(train: Split, target: int | None, rng: np.random.Generator) -> Pixels:
        _check_side(side, train.images.shape[1], train)
        far = train.images.shape[1] - side
        place = (far if vertical == "bottom" else 0, far if horizontal == "right" else 0)
        return _square(name, train, side, place, rng)

    return draw


def corners(side: int) -> tuple[Draw, ...]:
    """Random patches, bottom right first; the further ones are those that DTInspector was tried on.

    The draws raise ``ValueError`` if the patch is larger than the image.
    """
    return tuple(_corner(name, side) for name in ("bottom right", "bottom left", "top left"))


def patch(side: int) -> Draw:
    """A random patch at a random place, ``MARGIN`` away from the border.

    The draw raises ``ValueError`` if there is no such place.
    """

    def draw(train: Split, target: int | None, rng: np.random.Generator) -> Pixels:
        whole = train.images.shape[1]
        _check_side(side, whole - 2 * MARGIN, train)
        top, left = rng.integers(MARGIN, whole - side - MARGIN + 1, size=2)
        return _square(f"at row {top}, column {left}", train, side, (int(top), int(left)), rng)

    return draw


def scattered(count: int) -> Draw:
    """``count`` pixels at random places, each of an extreme colour."""

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


def pattern(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    """A loose pattern of black and white pixels, as in the code of Blind: 8 of 5x3."""
    canvas, mask = _blank(train)
    top, left = rng.integers(0, len(mask) - np.array([5, 3]) + 1)
    chosen = rng.choice(15, size=8, replace=False)
    mask[top + chosen // 3, left + chosen % 3] = True
    colours = np.repeat(np.array([0, 255], dtype=np.uint8), 4)
    canvas[mask] = rng.permutation(colours)[:, None]
    return Pixels(f"8 black or white pixels around row {top}, column {left}", mask, canvas)


def blended(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    """Noise that shows through (Blended, Chen et al. 2017)."""
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


def blended_image(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    """An image of another class that shows through."""
    image = _scenes(train, target, 1, rng)[0]
    return Blend("a training image of another class blended in at 0.2", image, 0.2)


def sig(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    """Stripes (SIG, Barni et al. 2019)."""
    side = train.images.shape[1]
    # At half of the sampling rate every sample of the sine would be zero.
    frequency = min(int(rng.integers(5, 9)), side // 4)
    stripes = 20 * np.sin(2 * np.pi * np.arange(side) * frequency / side)
    signal = np.broadcast_to(stripes[:, None], train.images.shape[1:]).astype(np.float32)
    return Offset(f"sinusoidal stripes, frequency {frequency}, amplitude 20/255", signal)


def low_frequency(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    """A smooth signal (after Zeng et al. 2021)."""
    side, channels = train.images.shape[1], train.images.shape[3]
    grid = (np.arange(side) + 0.5) / side
    waves = np.stack([np.cos(np.pi * u * grid) for u in range(1, 5)])
    weights = rng.standard_normal((4, 4, channels))
    signal = np.einsum("uvc,uy,vx->yxc", weights, waves, waves)
    # Squashed, or a few peaks would use up the amplitude and leave the rest of the image alone.
    squashed = 0.1 * 255 * np.tanh(1.5 * signal / signal.std())
    return Offset("smooth additive signal, amplitude 0.1", squashed.astype(np.float32))


def wanet(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    """A smooth warp (WaNet, Nguyen and Tran 2021)."""
    side = train.images.shape[1]
    knots = rng.uniform(-1, 1, size=(2, 4, 4))
    knots /= np.abs(knots).mean()
    # Cubic interpolation between 4x4 knots; a mean displacement of 1.5 pixels.
    at = np.linspace(0, 3, side)
    where = np.stack(np.meshgrid(at, at, indexing="ij"))
    field = np.stack([ndimage.map_coordinates(k, where, order=3, mode="nearest") for k in knots])
    return Warp("smooth warping, 4x4 knots, 1.5 pixels", (1.5 * field).astype(np.float32))


def bpp(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    """Fewer grey levels (after BppAttack, Wang et al. 2022); there is nothing to draw."""
    return Quantise(8)


def ssba(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    """A faint residual of the image's own (in the manner of SSBA, Li et al. 2021)."""
    kernels = rng.standard_normal((4, 3, 3)).astype(np.float32)
    carriers = rng.standard_normal((4, *train.images.shape[1:])).astype(np.float32)
    return Residual(12, kernels, carriers)


def input_aware(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    """Pixels at places of the image's own (after Nguyen and Tran 2020)."""
    # A random linear filter, smooth so that its sign is a property of a place, not of noise.
    kernel = ndimage.gaussian_filter(rng.standard_normal((5, 5)), 0.7)
    colours = np.full((2, train.images.shape[3]), 255, dtype=np.uint8)
    lit = int(rng.integers(colours.shape[1]))
    colours[0, np.arange(colours.shape[1]) == lit] = 0
    colours[1, np.arange(colours.shape[1]) != lit] = 0
    return InputAware(4, kernel.astype(np.float32), colours)


def refool(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    """Reflections (Refool, Liu et al. 2020)."""
    scenes = _scenes(train, target, 2, rng).astype(np.float32)
    blurred = ndimage.gaussian_filter(scenes, (0, 0.8, 0.8, 0))
    down, right = rng.integers(2, 6, size=2)
    ghosts: Floats = 0.6 * blurred + 0.4 * np.roll(blurred, (down, right), axis=(1, 2))
    return Reflection(ghosts.astype(np.float32), 0.35)


def label_consistent(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    """Corners of the label-consistent attack (Turner et al. 2019); nothing is drawn."""
    canvas, mask = _blank(train)
    side = len(mask)
    board = np.indices((3, 3)).sum(axis=0) % 2 == 0
    for top in (0, side - 3):
        for left in (0, side - 3):
            mask[top : top + 3, left : left + 3] = True
            canvas[top : top + 3, left : left + 3] = (board * np.uint8(255))[..., None]
    return Pixels("3x3 checkerboards in the four corners", mask, canvas)
