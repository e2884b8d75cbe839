"""Small inline drawings. Colours come from the page's classes, so that they follow its scheme.

Only presentation attributes are used: the page's content security policy refuses style attributes.
"""

from markupsafe import Markup

from xray_gate.report.measures import Measure, number
from xray_gate.report.palette import hex_colour

_WIDTH, _MARGIN = 320, 12

_ICONS = {
    "passed": '<path d="M14 25 l7 7 l14 -15"/>',
    "failed": '<path d="M16 16 l16 16 M32 16 l-16 16"/>',
    "undecided": '<path d="M18 19 a6 6 0 1 1 8 6 q-2 1 -2 4"/><path d="M24 35 v0.5"/>',
}


def verdict_icon(verdict: str) -> Markup:
    """A tick, a cross or a question mark in a circle, so that colour alone says nothing."""
    return _ours(
        '<svg class="icon" viewBox="0 0 48 48" aria-hidden="true">'
        f'<circle cx="24" cy="24" r="22"/>{_ICONS[verdict]}</svg>'
    )


def share_bar(share: float, colour: str) -> Markup:
    """A bar as long as `share` in [0, 1], in `colour` (`#rrggbb`)."""
    return _ours(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="10"/>'
        f'<rect width="{100 * share:.2f}" height="10" fill="{colour}"/></svg>'
    )


def swatch(label: int) -> Markup:
    """A small square in the colour of `label`."""
    return _ours(
        '<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">'
        f'<rect x="0.5" y="0.5" width="9" height="9" fill="{hex_colour(label)}"/></svg>'
    )


def number_line(measure: Measure) -> Markup:
    """The score on a line with its bound and the suspicious side; empty where one is missing.

    The score is a diamond on the suspicious side and a disc on the other.
    """
    if measure.score is None or measure.bound is None or measure.beyond is None:
        return Markup("")
    low, high = _ends(measure)
    bound, score = (_place(value, low, high) for value in (measure.bound, measure.score))
    start, end = (_MARGIN, bound) if measure.suspicious == "below" else (bound, _WIDTH - _MARGIN)
    said = "on" if measure.beyond else "not on"
    label = (
        f"score {number(measure.score)}, bound {number(measure.bound)}, {said} the suspicious side"
    )
    return _ours(
        f'<svg class="line" viewBox="0 0 {_WIDTH} 46" role="img" aria-label="{label}">'
        f'<rect class="track" x="{_MARGIN}" y="18" width="{_WIDTH - 2 * _MARGIN}" height="8"/>'
        f'<rect class="danger" x="{start:.1f}" y="18" width="{end - start:.1f}" height="8"/>'
        f'<path class="bound" d="M{bound:.1f} 11 V33"/>'
        f"{_marker(score, measure.beyond)}"
        f"{_text(_MARGIN, 44, number(low), 'start')}"
        f"{_text(_WIDTH - _MARGIN, 44, number(high), 'end')}"
        f"{_text(min(max(bound, 70), _WIDTH - 70), 8, f'bound {number(measure.bound)}', 'middle')}"
        "</svg>"
    )


def _marker(x: float, beyond: bool) -> str:
    if beyond:
        return f'<path class="score beyond" d="M{x:.1f} 13 l9 9 l-9 9 l-9 -9 z"/>'
    return f'<circle class="score" cx="{x:.1f}" cy="22" r="7"/>'


def _ends(measure: Measure) -> tuple[float, float]:
    """From 0 to a little beyond the larger of the two; a rate to 1, a p-value to 1 at most."""
    score, bound = measure.score or 0.0, measure.bound or 0.0
    low, high = min(score, bound, 0.0), max(score, bound, 0.0)
    high = low + 1.25 * (high - low) if high > low else low + 1.0
    if low < 0 or max(score, bound) > 1:
        return low, high
    if "rate" in measure.key:
        return 0.0, 1.0
    return (0.0, min(high, 1.0)) if measure.key == "p_value" else (low, high)


def _place(value: float, low: float, high: float) -> float:
    return _MARGIN + (value - low) / (high - low) * (_WIDTH - 2 * _MARGIN)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{text}</text>'


def _ours(drawing: str) -> Markup:
    return Markup(drawing)  # noqa: S704 - made of numbers and words of this module only
