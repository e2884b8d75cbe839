"""A plane's labels as a picture, with its samples marked."""

import math

import numpy as np
from PIL import Image, ImageDraw

from xray_gate.probing.planes import ScannedPlane
from xray_gate.report.drawing import BADGE, INK, PAGE, badge, disc
from xray_gate.report.palette import label_colour

TILE_SIZE = 480
"""About how many pixels wide a plane is drawn."""

_DOT = 4
_LEADER = 32

Point = tuple[float, float]


def enlargement(size: int) -> int:
    """How many pixels wide a grid point of a plane of `size` x `size` points is drawn."""
    return max(1, round(TILE_SIZE / size))


def plane_tile(plane: ScannedPlane) -> Image.Image:
    """The plane in its labels' colours, u to the right and v upwards.

    A dot lies on the grid point nearest to each sample; a badge with the sample's number (1 to 3)
    stands beside it.
    """
    present, inverse = np.unique(plane.labels, return_inverse=True)
    colours = np.array([label_colour(int(label)) for label in present], dtype=np.uint8)
    rows, columns = plane.labels.shape
    # Rows of `labels` ascend in v, rows of an image go down.
    picture = np.ascontiguousarray(colours[inverse.reshape(rows, columns)][::-1])
    scale = enlargement(max(rows, columns))
    tile = Image.fromarray(picture).resize(
        (columns * scale, rows * scale), Image.Resampling.NEAREST
    )
    cells = [(int(row), int(column)) for row, column in plane.cells]
    _mark(tile, [((column + 0.5) * scale, (rows - row - 0.5) * scale) for row, column in cells])
    return tile


def _mark(tile: Image.Image, centres: list[Point]) -> None:
    draw = ImageDraw.Draw(tile)
    badges = _badge_places(centres, tile.width, tile.height)
    for centre, place in zip(centres, badges, strict=True):
        draw.line((*centre, *place), fill=INK, width=5)
        draw.line((*centre, *place), fill=PAGE, width=3)
    for centre in centres:
        disc(draw, centre, _DOT + 2, INK)
        disc(draw, centre, _DOT, PAGE)
    for number, place in enumerate(badges, start=1):
        badge(draw, place, number)


def _badge_places(centres: list[Point], width: int, height: int) -> list[Point]:
    """Evenly around the samples, in their own order by angle, so that no badge hides another."""
    x0 = sum(x for x, _ in centres) / len(centres)
    y0 = sum(y for _, y in centres) / len(centres)
    angles = [math.atan2(y - y0, x - x0) for x, y in centres]
    order = sorted(range(len(centres)), key=angles.__getitem__)
    step = math.tau / len(centres)
    start = sum(angles[index] - rank * step for rank, index in enumerate(order)) / len(centres)
    radius = max(math.hypot(x - x0, y - y0) for x, y in centres) + _LEADER
    margin = BADGE + 2
    places = list(centres)
    for rank, index in enumerate(order):
        angle = start + rank * step
        x, y = x0 + radius * math.cos(angle), y0 + radius * math.sin(angle)
        place = (_within(x, margin, width), _within(y, margin, height))
        places[index] = _beside(centres[index], place, (width / 2, height / 2))
    return places


def _beside(centre: Point, place: Point, middle: Point) -> Point:
    """`place`, or one towards the middle where the edge has pushed the badge onto its own dot."""
    inwards = math.dist(centre, middle)
    if math.dist(centre, place) >= _LEADER - 6 or inwards == 0:
        return place
    part = _LEADER / inwards
    return (
        centre[0] + part * (middle[0] - centre[0]),
        centre[1] + part * (middle[1] - centre[1]),
    )


def _within(value: float, margin: int, size: int) -> float:
    return min(max(value, margin), size - margin)
