"""The numbers of B3D, label by label, as the page shows them.

As in `sweep_section`, what is missing in the statistics or of another shape is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from markupsafe import Markup

from xray_gate.report.foreign import as_number, as_table, as_text
from xray_gate.report.json_v1 import DetectorV1
from xray_gate.report.measures import number
from xray_gate.report.palette import hex_colour
from xray_gate.report.svg import share_bar
from xray_gate.report.told import UNKNOWN, told_count, told_pixels, told_share
from xray_gate.report.visible import label_name, visible

B3D = "b3d"
"""The detector's name."""

_MOST_ROWS = 20
_BY_LABEL = ("mask_l1", "anomaly_index", "success_rate", "reached", "iterations", "stopped")

Names = Sequence[str] | None


@dataclass(frozen=True)
class ReversedLabel:
    """What was found for one label; `suspected` where it stands out.

    `bar` is the size of the mask beside the largest one; empty where it is not known.
    """

    label: str
    size: str
    bar: Markup
    index: str
    success: str
    found: str
    iterations: str
    stopped: str
    suspected: bool


@dataclass(frozen=True)
class B3DSection:
    """All of them; `facts` are pairs of a term and its value, `left_out` labels are not shown.

    `failed` says whether the detector failed the model for the suspected labels.
    """

    failed: bool
    facts: list[tuple[str, str]]
    labels: list[ReversedLabel]
    left_out: int


@dataclass(frozen=True)
class _Row:
    label: int
    suspected: bool
    size: float | None
    entries: Mapping[str, Any]


def b3d_section(detectors: Sequence[DetectorV1], class_names: Names) -> B3DSection | None:
    """The section of the first completed B3D; None where there is none."""
    for detector in detectors:
        if detector.name == B3D and detector.statistics:
            rows = _rows(detector)
            sizes = [row.size for row in rows if row.size is not None]
            largest = max(sizes, default=0.0)
            return B3DSection(
                failed=detector.outcome == "failed",
                facts=_facts(detector, sizes),
                labels=[_shown(row, largest, class_names) for row in rows[:_MOST_ROWS]],
                left_out=max(0, len(rows) - _MOST_ROWS),
            )
    return None


def _rows(detector: DetectorV1) -> list[_Row]:
    """The suspected labels first, then the others, each by the size of their mask."""
    suspected = {found.label for found in detector.suspected_labels}
    rows = [
        _Row(label, label in suspected, _size(entries["mask_l1"]), entries)
        for label, entries in as_table(detector.statistics, _BY_LABEL).items()
    ]
    return sorted(rows, key=lambda row: (not row.suspected, row.size is None, row.size or 0.0))


def _shown(row: _Row, largest: float, class_names: Names) -> ReversedLabel:
    entries = row.entries
    index, stopped = as_number(entries["anomaly_index"]), as_text(entries["stopped"])
    drawn = row.size is not None and largest > 0
    return ReversedLabel(
        label=label_name(row.label, class_names),
        size=told_pixels(row.size),
        bar=share_bar((row.size or 0.0) / largest, hex_colour(row.label)) if drawn else Markup(""),
        index=UNKNOWN if index is None else number(round(index, 2)),
        success=told_share(entries["success_rate"]),
        found=_yes_or_no(entries["reached"]),
        iterations=told_count(entries["iterations"]),
        stopped=UNKNOWN if stopped is None else visible(stopped, limit=200),
        suspected=row.suspected,
    )


def _facts(detector: DetectorV1, sizes: Sequence[float]) -> list[tuple[str, str]]:
    facts = [
        ("median of the masks", f"{told_pixels(median(sizes))} pixels" if sizes else UNKNOWN),
        ("smallest mask", f"{told_pixels(min(sizes))} pixels" if sizes else UNKNOWN),
        ("held-back images", told_count(detector.statistics.get("held_back"))),
        ("queries", f"{detector.queries:,}"),
        ("time", f"{detector.seconds:.1f} s"),
    ]
    return [(term, value) for term, value in facts if value != UNKNOWN]


def _size(value: object) -> float | None:
    size = as_number(value)
    return size if size is not None and size >= 0 else None


def _yes_or_no(value: object) -> str:
    if not isinstance(value, bool):
        return UNKNOWN
    return "yes" if value else "no"
