"""Planes as PNG figures, drawn with Pillow alone so that a figure costs milliseconds."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from xray_gate.probing.planes import ScannedPlane
from xray_gate.report.drawing import FAINT, INK, PAGE, badge, fitted_text, font, png, thumbnail
from xray_gate.report.palette import label_colour
from xray_gate.report.plane_tile import TILE_SIZE, plane_tile
from xray_gate.report.visible import label_name

PLANE_LEFT, PLANE_TOP = 16, 54
"""Where a plane's upper left pixel lies in `plane_figure`."""

_SIDE, _GAP, _THUMBNAIL, _ROW = 392, 24, 84, 27
_NARROWEST_COLUMN, _WIDEST_COLUMN = 180, 260
_AXES = "u to the right, v upwards; dots mark the three samples"

Shares = list[tuple[int, float]]
Box = tuple[int, int, int, int]


def plane_figure(plane: ScannedPlane, class_names: Sequence[str] | None = None) -> bytes:
    """A PNG of one plane (`plane_tile.plane_tile`), its three samples and a legend.

    To the right the samples, numbered as in the plane, with their true and predicted labels;
    under them the labels present, each with its part of the area in percent.
    """
    tile = plane_tile(plane)
    left = PLANE_LEFT + tile.width + _GAP
    page = Image.new("RGB", (left + _SIDE, PLANE_TOP + max(tile.height, TILE_SIZE) + 32), PAGE)
    draw = ImageDraw.Draw(page)
    draw.text((PLANE_LEFT, 14), caption(plane), fill=INK, font=font(24))
    page.paste(tile, (PLANE_LEFT, PLANE_TOP))
    draw.text((PLANE_LEFT, PLANE_TOP + tile.height + 5), _AXES, fill=FAINT, font=font(16))
    _draw_samples(page, plane, left, class_names)
    top = PLANE_TOP + 3 * (_THUMBNAIL + 10) + 6
    _draw_legend(
        draw, label_shares([plane]), (left, top, page.width - 16, page.height), class_names
    )
    return png(page)


def contact_sheet(
    planes: Sequence[ScannedPlane],
    captions: Sequence[str] | None = None,
    columns: int | None = None,
    class_names: Sequence[str] | None = None,
) -> bytes:
    """A PNG of several planes side by side, `columns` in a row (at most 4), with one legend.

    `captions`, one for each plane, are the headings. Raises ValueError when there is no plane, or
    not one caption for each.
    """
    if not planes or (captions is not None and len(captions) != len(planes)):
        raise ValueError("a contact sheet needs planes, and one caption for each or none")
    tiles = [plane_tile(plane) for plane in planes]
    columns = columns or min(len(planes), 4)
    width, height = max(t.width for t in tiles) + _GAP, max(t.height for t in tiles) + 88
    bottom = math.ceil(len(tiles) / columns) * height
    page = Image.new("RGB", (columns * width + 32 - _GAP, bottom + 4 * _ROW), PAGE)
    draw = ImageDraw.Draw(page)
    for index, (plane, tile) in enumerate(zip(planes, tiles, strict=True)):
        left, top = 16 + index % columns * width, 12 + index // columns * height
        heading = f"plane {plane.index}" if captions is None else captions[index]
        fitted_text(draw, (left, top), heading, tile.width, 26)
        fitted_text(draw, (left, top + 32), caption(plane), tile.width, 20, FAINT)
        page.paste(tile, (left, top + 62))
    box = (16, bottom + 4, page.width - 16, page.height)
    _draw_legend(draw, label_shares(planes), box, class_names)
    return png(page)


def caption(plane: ScannedPlane) -> str:
    """`plane 3, valid range: RE 1.23 bits, ATS 0.18`."""
    return (
        f"plane {plane.index}, {plane.pixel_range} range: "
        f"RE {plane.renyi_entropy:.2f} bits, ATS {plane.ats:.2f}"
    )


def label_shares(planes: Sequence[ScannedPlane]) -> Shares:
    """The labels present and their mean part of the area in [0, 1], the largest first."""
    shares: dict[int, float] = {}
    for plane in planes:
        labels, counts = np.unique(plane.labels, return_counts=True)
        for label, count in zip(labels.tolist(), counts.tolist(), strict=True):
            shares[label] = shares.get(label, 0.0) + count / plane.labels.size / len(planes)
    return sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))


def _draw_samples(
    page: Image.Image, plane: ScannedPlane, left: int, class_names: Sequence[str] | None
) -> None:
    draw = ImageDraw.Draw(page)
    samples = zip(plane.samples, plane.true_labels, plane.predicted_labels, strict=True)
    for number, (pixels, true, predicted) in enumerate(samples, start=1):
        top = PLANE_TOP + (number - 1) * (_THUMBNAIL + 10)
        badge(draw, (left + 14, top + _THUMBNAIL / 2), number)
        picture = thumbnail(pixels, _THUMBNAIL)
        page.paste(picture, (left + 36, top))
        verb = "predicted" if predicted == true else "predicted (wrong)"
        text, room = left + 36 + _THUMBNAIL + 12, _SIDE - _THUMBNAIL - 64
        for row, (what, label) in enumerate((("true", true), (verb, predicted))):
            y = top + 4 + row * 41
            draw.text((text, y), what, fill=FAINT, font=font(15))
            _draw_label(draw, label, (text, y + 17, text + room), class_names)


def _draw_legend(
    draw: ImageDraw.ImageDraw, shares: Shares, box: Box, class_names: Sequence[str] | None
) -> None:
    """As many labels as the box holds, in columns, the rest in one line."""
    left, top, right, bottom = box
    rows = (bottom - top) // _ROW - 1
    columns = min(max(1, (right - left) // _NARROWEST_COLUMN), math.ceil(len(shares) / rows))
    shown = shares[: rows * columns]
    width = min((right - left) // columns, _WIDEST_COLUMN)
    for index, (label, share) in enumerate(shown):
        x, y = left + index // rows * width, top + index % rows * _ROW
        percent = f"{100 * share:.1f} %" if share >= 0.0005 else "< 0.1 %"
        edge = x + width - 20 - draw.textlength(percent, font=font(18))
        _draw_label(draw, label, (x, y, edge - 6), class_names)
        draw.text((edge, y), percent, fill=INK, font=font(18))
    if rest := shares[len(shown) :]:
        share = sum(part for _, part in rest)
        text = f"and {len(rest)} more labels: {100 * share:.1f} % together"
        draw.text((left, top + rows * _ROW), text, fill=FAINT, font=font(18))


def _draw_label(
    draw: ImageDraw.ImageDraw,
    label: int,
    at: tuple[float, float, float],
    class_names: Sequence[str] | None,
) -> None:
    """A swatch and the label's name, from x at y up to a right edge."""
    x, y, right = at
    draw.rectangle((x, y + 3, x + 15, y + 18), fill=label_colour(label), outline=INK)
    fitted_text(draw, (x + 22, y), label_name(label, class_names), right - x - 22, 18)
