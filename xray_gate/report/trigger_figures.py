"""A trigger as pictures: images without and with it, and where it changes them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from xray_gate.probing.batches import FloatArray
from xray_gate.probing.shown_trigger import ShownTrigger
from xray_gate.report.drawing import FAINT, INK, PAGE, fitted_text, png, thumbnail
from xray_gate.report.dtinspector_section import DTINSPECTOR
from xray_gate.report.palette import label_colour, share_colour
from xray_gate.report.visible import label_name

MOST_PAIRS = 8
"""How many images a figure shows."""

IMAGE_SIZE = 128
"""About how many pixels wide an image is drawn."""

_CHANGE_SIZE = 256
_PART_SIZE = 192
_GAP, _MARGIN, _TITLE, _LABEL = 16, 20, 74, 36
_FRAME, _SPACE = 4, 2


def noun(trigger: ShownTrigger) -> str:
    """What captions call it: DTInspector's patches are no attacker's triggers."""
    return "patch" if trigger.detector == DTINSPECTOR else "trigger"


def title(trigger: ShownTrigger, class_names: Sequence[str] | None = None) -> str:
    """Short enough for a figure; of a patch, that it leads away from its label."""
    if trigger.detector != DTINSPECTOR or trigger.label is None:
        return trigger.text
    return f"Patch that leads away from label {label_name(trigger.label, class_names)}"


def enlarged(pixels: FloatArray, size: int = IMAGE_SIZE) -> Image.Image:
    """An image float32 (channels, height, width) in [0, 1], at most `size` wide and high.

    A small one is enlarged by a whole number, so that every pixel of it is a square.
    """
    longest = max(pixels.shape[1:])
    return thumbnail(pixels, longest * (size // longest) if longest <= size else size)


def trigger_figure(trigger: ShownTrigger, class_names: Sequence[str] | None = None) -> bytes:
    """A PNG with a column for each image: without the trigger, its label, with it, its label.

    A stamped image whose label has changed has a thick frame and an arrow before its label.
    """
    columns = max(1, min(len(trigger.before), MOST_PAIRS))
    step = IMAGE_SIZE + _GAP
    row = IMAGE_SIZE + _LABEL + _GAP
    page = Image.new("RGB", (2 * _MARGIN + columns * step - _GAP, _TITLE + 2 * row), PAGE)
    draw = ImageDraw.Draw(page)
    width = page.width - 2 * _MARGIN
    fitted_text(draw, (_MARGIN, 12), title(trigger, class_names), width, 24)
    images = "samples" if trigger.detector == DTINSPECTOR else "clean images"
    below = f"below the same ones with the {noun(trigger)}, each with its label"
    fitted_text(draw, (_MARGIN, 42), f"above the {images}, {below}", width, 16, FAINT)
    for index in range(min(len(trigger.before), MOST_PAIRS)):
        left = _MARGIN + index * step
        before, after = int(trigger.labels_before[index]), int(trigger.labels_after[index])
        _draw_image(page, trigger.before[index], (left, _TITLE), False)
        _draw_label(draw, before, (left, _TITLE), class_names, False)
        _draw_image(page, trigger.after[index], (left, _TITLE + row), after != before)
        _draw_label(draw, after, (left, _TITLE + row), class_names, after != before)
    return png(page)


def change_figure(trigger: ShownTrigger) -> tuple[bytes, float]:
    """Where the trigger changes the images: a PNG, and the change in [0, 1] at its darkest point.

    Each point is the mean over the images of the largest change of a channel.
    """
    change = np.abs(trigger.after - trigger.before).max(axis=1).mean(axis=0)
    largest = float(change.max())
    return _shaded(change / max(largest, 1e-9), _CHANGE_SIZE), largest


def mask_figure(mask: npt.NDArray[np.float32]) -> bytes:
    """A PNG of a mask (height, width) in [0, 1]: nearly white at 0, dark at 1."""
    return _shaded(mask, _PART_SIZE)


def pattern_figure(pattern: FloatArray) -> bytes:
    """A PNG of a pattern (channels, height, width) in [0, 1], as an image is drawn."""
    return png(enlarged(pattern, _PART_SIZE))


def _shaded(shares: npt.NDArray[np.floating], size: int) -> bytes:
    """Shares (height, width) in [0, 1] in the shades of `share_colour`."""
    shades = np.array([share_colour(step / 255) for step in range(256)], dtype=np.float32) / 255
    levels = np.rint(np.clip(shares, 0, 1) * 255).astype(np.int64)
    return png(enlarged(_channels_first(shades[levels]), size))


def _channels_first(pixels: npt.NDArray[np.float32]) -> FloatArray:
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _draw_image(page: Image.Image, pixels: FloatArray, at: tuple[int, int], changed: bool) -> None:
    picture = enlarged(pixels)
    left, top = at
    page.paste(picture, at)
    if changed:
        # A light space between, or the frame would be lost on dark images.
        reach = _FRAME + _SPACE
        right, bottom = left + picture.width + reach - 1, top + picture.height + reach - 1
        box = (left - reach, top - reach, right, bottom)
        ImageDraw.Draw(page).rectangle(box, outline=INK, width=_FRAME)


def _draw_label(
    draw: ImageDraw.ImageDraw,
    label: int,
    at: tuple[int, int],
    class_names: Sequence[str] | None,
    changed: bool,
) -> None:
    """Under the image whose upper left corner is `at`."""
    x, y = at[0], at[1] + IMAGE_SIZE + 8
    if changed:
        draw.line((x, y + 11, x + 14, y + 11), fill=INK, width=3)
        draw.polygon([(x + 12, y + 5), (x + 20, y + 11), (x + 12, y + 17)], fill=INK)
        x += 26
    draw.rectangle((x, y + 3, x + 15, y + 18), fill=label_colour(label), outline=INK)
    right = at[0] + IMAGE_SIZE
    fitted_text(draw, (x + 22, y), label_name(label, class_names), right - x - 22, 18)
