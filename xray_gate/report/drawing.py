"""Small helpers around Pillow: text that fits, badges, thumbnails."""

import io
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from xray_gate.report.palette import Colour
from xray_gate.report.visible import visible

PAGE: Colour = (255, 255, 255)
INK: Colour = (24, 26, 31)
FAINT: Colour = (96, 102, 112)
BADGE = 13
"""Radius of a badge in pixels."""


@lru_cache(maxsize=16)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, so that a figure looks the same on every machine."""
    return ImageFont.load_default(size=size)


def fitted_text(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    width: float,
    size: int,
    colour: Colour = INK,
) -> None:
    """Draw one line of foreign text, cut with an ellipsis where it is wider than `width`."""
    # No line of a figure holds more, and measuring a megabyte of text would take seconds.
    whole = text = visible(text, limit=200)[:200]
    while text and draw.textlength(whole, font=font(size)) > width:
        text = text[:-1]
        whole = text.rstrip() + "..."
    draw.text(at, whole, fill=colour, font=font(size))


def disc(
    draw: ImageDraw.ImageDraw, centre: tuple[float, float], radius: int, colour: Colour
) -> None:
    """A filled circle."""
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def badge(draw: ImageDraw.ImageDraw, centre: tuple[float, float], number: int) -> None:
    """A number in a dark disc with a light rim: readable on any colour."""
    disc(draw, centre, BADGE, PAGE)
    disc(draw, centre, BADGE - 2, INK)
    draw.text(centre, str(number), fill=PAGE, font=font(18), anchor="mm")


def thumbnail(pixels: npt.NDArray[np.float32], size: int) -> Image.Image:
    """An image float32 (channels, height, width) in [0, 1] as RGB, at most `size` on each side.

    Three channels are read as red, green, blue; of any other number the first is shown as grey.
    """
    channels = pixels if len(pixels) == 3 else np.repeat(pixels[:1], 3, axis=0)
    array = np.rint(np.clip(channels, 0.0, 1.0) * 255).astype(np.uint8).transpose(1, 2, 0)
    image = Image.fromarray(np.ascontiguousarray(array))
    longest = max(image.size)
    width, height = (max(1, round(side * size / longest)) for side in image.size)
    how = Image.Resampling.NEAREST if longest <= size else Image.Resampling.BOX
    return image.resize((width, height), how)


def png(image: Image.Image) -> bytes:
    """The bytes of a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=2)
    return buffer.getvalue()
