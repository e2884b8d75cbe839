"""Inline drawings of a trigger: the map of its positions and the curve of its doses.

As in `svg`, colours of letters and lines come from the page's classes. Foreign strings, which are
class names and units, are escaped here.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

from xray_gate.probing.shown_trigger import DoseCurve
from xray_gate.report.measures import percent
from xray_gate.report.palette import hex_colour, hex_share, is_light
from xray_gate.report.visible import label_name, visible

_MAP, _LEGEND = 252, 44
_SMALLEST_WITH_TEXT = 22
_LEFT, _TOP, _PLOT_WIDTH, _PLOT_HEIGHT = 44, 22, 190, 200
_WIDTH, _HEIGHT = 344, 266
_LINE = 13
_LONGEST_NAME = 13


def heat_map(shares: npt.NDArray[np.float32]) -> Markup:
    """`shares` (rows, columns) in [0, 1] as coloured cells with their percent, and a scale.

    In a grid too fine for numbers the colours stand alone.
    """
    rows, columns = shares.shape
    cell = _MAP / max(rows, columns)
    cells = [
        _cell(column * cell, row * cell, cell, float(shares[row, column]))
        for row in range(rows)
        for column in range(columns)
    ]
    height = rows * cell
    low, high = float(shares.min()), float(shares.max())
    said = (
        f"map of {rows} x {columns} positions: {percent(low)} to {percent(high)} of the images move"
    )
    return _ours(
        f'<svg class="chart map" viewBox="0 0 {_MAP} {height + _LEGEND:.1f}" role="img" '
        f'aria-label="{said}">{"".join(cells)}'
        f'<rect class="frame" width="{columns * cell:.1f}" height="{height:.1f}"/>'
        f"{_scale(height)}</svg>"
    )


def dose_chart(curve: DoseCurve, class_names: Sequence[str] | None = None) -> Markup:
    """A line for each label from dose to dose, which stand at equal distances.

    Labels that draw no image at any dose are left out, all but the first.
    """
    drawn = _drawn(curve.shares)
    lines = [_polyline(label, shares) for label, shares in drawn.items()]
    return _ours(
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(curve_in_words(curve, class_names))}">'
        f"{_axes(curve)}{_found(curve)}{''.join(lines)}{_names(drawn, class_names)}</svg>"
    )


def curve_in_words(curve: DoseCurve, class_names: Sequence[str] | None = None) -> str:
    """`share of the images that each label draws, by dose: 5 dog 0 %, 40 %, 100 %`."""
    said = [
        f"{label_name(label, class_names)} {', '.join(map(percent, shares))}"
        for label, shares in _drawn(curve.shares).items()
    ]
    doses = ", ".join(f"{dose:.2g}" for dose in curve.doses)
    return f"share of the images that each label draws at the doses {doses}: {'; '.join(said)}"


def _drawn(shares: Mapping[int, tuple[float, ...]]) -> dict[int, tuple[float, ...]]:
    return {
        label: values
        for index, (label, values) in enumerate(shares.items())
        if index == 0 or max(values, default=0) > 0
    }


def _cell(x: float, y: float, size: float, share: float) -> str:
    cell = (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{size:.1f}" height="{size:.1f}" '
        f'fill="{hex_share(share)}"/>'
    )
    if size < _SMALLEST_WITH_TEXT:
        return cell
    tone = "on-light" if is_light(share) else "on-dark"
    middle = f'x="{x + size / 2:.1f}" y="{y + size / 2 + 4:.1f}"'
    return f'{cell}<text class="{tone}" {middle} text-anchor="middle">{100 * share:.0f}</text>'


def _scale(top: float) -> str:
    steps, width = 5, 22
    boxes = []
    for step in range(steps):
        share = step / (steps - 1)
        x = step * (width + 26)
        boxes.append(
            f'<rect class="key" x="{x + 0.5}" y="{top + 10:.1f}" width="{width}" height="12" '
            f'fill="{hex_share(share)}"/>'
            f"{_text(x, top + 36, percent(share), 'start')}"
        )
    return "".join(boxes)


def _axes(curve: DoseCurve) -> str:
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = _y(share)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f} H{_LEFT + _PLOT_WIDTH}"/>')
        parts.append(_text(_LEFT - 6, y + 4, percent(share), "end"))
    for index, dose in enumerate(curve.doses):
        x = _x(index, len(curve.doses))
        parts.append(_text(x, _TOP + _PLOT_HEIGHT + 16, f"{dose:.2g}", "middle"))
    middle = _LEFT + _PLOT_WIDTH / 2
    unit = str(escape(visible(curve.unit, limit=48)))
    parts.append(_text(middle, _TOP + _PLOT_HEIGHT + 36, f"dose: {unit}", "middle"))
    return "".join(parts)


def _found(curve: DoseCurve) -> str:
    """A dashed line at the dose of the trigger, between two doses where it is none of them."""
    count = len(curve.doses)
    x = _x(float(np.interp(curve.dose, curve.doses, np.arange(count))), count)
    anchor = "start" if x < _LEFT + _PLOT_WIDTH / 2 else "end"
    return (
        f'<path class="found" d="M{x:.1f} {_TOP - 6} V{_TOP + _PLOT_HEIGHT}"/>'
        f"{_text(x, _TOP - 10, f'found at {curve.dose:.2g}', anchor)}"
    )


def _polyline(label: int, shares: Sequence[float]) -> str:
    points = [(_x(index, len(shares)), _y(share)) for index, share in enumerate(shares)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    colour = hex_colour(label)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in points)
    return (
        f'<g class="curve"><polyline class="casing" points="{path}"/>'
        f'<polyline points="{path}" stroke="{colour}"/>{dots}</g>'
    )


def _names(drawn: Mapping[int, Sequence[float]], class_names: Sequence[str] | None) -> str:
    """Each label's name at the end of its line, moved apart where lines end together."""
    ends = sorted(((_y(shares[-1]), label) for label, shares in drawn.items()), reverse=True)
    placed = []
    floor = _TOP + _PLOT_HEIGHT + _LINE / 2
    for y, label in ends:
        floor = min(y, floor - _LINE)
        name = label_name(label, class_names)
        short = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1].rstrip() + "…"
        x = _LEFT + _PLOT_WIDTH
        placed.append(
            f'<path class="leader" d="M{x + 5} {y:.1f} L{x + 12} {floor:.1f}"/>'
            f'<text class="name" x="{x + 15}" y="{floor + 4:.1f}">{escape(short)}</text>'
        )
    return "".join(placed)


def _x(index: float, count: int) -> float:
    return _LEFT + _PLOT_WIDTH * (index / (count - 1) if count > 1 else 0.5)


def _y(share: float) -> float:
    return _TOP + _PLOT_HEIGHT * (1 - share)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _ours(drawing: str) -> Markup:
    return Markup(drawing)  # noqa: S704 - numbers and words of this module, the rest is escaped
