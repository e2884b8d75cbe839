"""Shares of labels as a short list of bars, the largest first."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from xray_gate.report.foreign import as_labelled, as_share
from xray_gate.report.palette import hex_colour
from xray_gate.report.svg import share_bar
from xray_gate.report.visible import label_name

_MOST_LABELS = 12
_OTHERS = "#8a8f98"


@dataclass(frozen=True)
class Share:
    """One bar: of a label, or of the `others` that have none of their own."""

    name: str
    share: float
    bar: Markup
    others: bool = False


def label_bars(
    shares: object,
    class_names: Sequence[str] | None,
    together: Callable[[Iterable[float]], float] = sum,
) -> list[Share]:
    """The bars of a list over labels, or of a mapping; what is neither has none.

    `together` makes one share of those that are left out.
    """
    pairs = sorted(_pairs(shares), key=lambda pair: (-pair[1], pair[0]))
    shown = [pair for pair in pairs[:_MOST_LABELS] if pair[1] > 0]
    bars = [
        Share(label_name(label, class_names), share, share_bar(share, hex_colour(label)))
        for label, share in shown
    ]
    if rest := [share for _, share in pairs[len(shown) :] if share > 0]:
        share = together(rest)
        bars.append(Share(f"{len(rest)} more labels", share, share_bar(share, _OTHERS), True))
    return bars


def _pairs(shares: object) -> list[tuple[int, float]]:
    pairs = [(label, as_share(value)) for label, value in as_labelled(shares)]
    return [(label, share) for label, share in pairs if share is not None]
