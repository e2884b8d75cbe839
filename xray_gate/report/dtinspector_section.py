"""The numbers of DTInspector, label by label, as the page shows them.

As in `sweep_section`, what is missing in the statistics or of another shape is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from markupsafe import Markup

from xray_gate.report.foreign import (
    as_count,
    as_label,
    as_list,
    as_number,
    as_share,
    as_table,
    as_text,
)
from xray_gate.report.json_v1 import DetectorV1
from xray_gate.report.measures import number, percent
from xray_gate.report.palette import hex_colour
from xray_gate.report.svg import share_bar
from xray_gate.report.told import UNKNOWN, told_count, told_labels, told_pixels, told_share
from xray_gate.report.visible import label_name, visible

DTINSPECTOR = "dtinspector"
"""The detector's name."""

_MOST_ROWS = 20
_BY_LABEL = (
    "transfer_ratio",
    "fitted_ratio",
    "held_back_ratio",
    "anomaly_index",
    "mask_l1",
    "samples",
)
_LEARNED = {
    "gradient": "The patches were learned by gradients, as in the paper.",
    "soft-label": "The patches were learned by queries alone, without gradients. This is a variant "
    "of the paper's method, of which less is known.",
}

Names = Sequence[str] | None


@dataclass(frozen=True)
class InspectedLabel:
    """What the patch of one label does; `suspected` where the label stands out.

    `transfer` is the share of the unconfident samples that change, which `bar` draws (empty where
    it is not known), `fitted` that of the confident ones, `held_back` that of others like them.
    """

    label: str
    transfer: str
    bar: Markup
    fitted: str
    held_back: str
    index: str
    size: str
    samples: str
    suspected: bool


@dataclass(frozen=True)
class DTInspectorSection:
    """All of them; `facts` and `training` are pairs of a term and its value.

    `failed` says whether the detector failed the model for the suspected labels. `learned` tells
    how patches were learned; `left_out` labels are not shown, and `not_tested` names those that
    had too few samples.
    """

    failed: bool
    learned: str
    facts: list[tuple[str, str]]
    labels: list[InspectedLabel]
    left_out: int
    not_tested: str
    training: list[tuple[str, str]]


@dataclass(frozen=True)
class _Row:
    label: int
    suspected: bool
    transfer: float | None
    entries: Mapping[str, Any]


def dtinspector_section(
    detectors: Sequence[DetectorV1], training: Mapping[str, Any], class_names: Names
) -> DTInspectorSection | None:
    """The section of the first completed DTInspector; None where there is none.

    `training` is what the report's environment says of the training data.
    """
    for detector in detectors:
        statistics = detector.statistics
        if detector.name == DTINSPECTOR and statistics:
            rows = _rows(detector)
            return DTInspectorSection(
                failed=detector.outcome == "failed",
                learned=_learned(detector),
                facts=_facts(detector, [row.transfer for row in rows if row.transfer is not None]),
                labels=[_shown(row, class_names) for row in rows[:_MOST_ROWS]],
                left_out=max(0, len(rows) - _MOST_ROWS),
                not_tested=told_labels(statistics.get("labels_not_tested"), class_names),
                training=_training(statistics, training),
            )
    return None


def _rows(detector: DetectorV1) -> list[_Row]:
    """The suspected labels first, then the others, each by their transfer ratio."""
    suspected = {found.label for found in detector.suspected_labels}
    rows = [
        _Row(label, label in suspected, as_share(entries["transfer_ratio"]), entries)
        for label, entries in as_table(detector.statistics, _BY_LABEL).items()
    ]
    untested = set(map(as_label, as_list(detector.statistics.get("labels_not_tested"))))
    # These are named in one line; where there is a ratio all the same, it is shown.
    rows = [
        row
        for row in rows
        if row.suspected or row.transfer is not None or row.label not in untested
    ]
    return sorted(
        rows, key=lambda row: (not row.suspected, row.transfer is None, row.transfer or 0.0)
    )


def _shown(row: _Row, class_names: Names) -> InspectedLabel:
    entries, transfer = row.entries, row.transfer
    index = as_number(entries["anomaly_index"])
    return InspectedLabel(
        label=label_name(row.label, class_names),
        transfer=told_share(transfer),
        bar=Markup("") if transfer is None else share_bar(transfer, hex_colour(row.label)),
        fitted=told_share(entries["fitted_ratio"]),
        held_back=told_share(entries["held_back_ratio"]),
        index=UNKNOWN if index is None else number(round(index, 2)),
        size=told_pixels(entries["mask_l1"]),
        samples=told_count(entries["samples"]),
        suspected=row.suspected,
    )


def _learned(detector: DetectorV1) -> str:
    said = _LEARNED.get(detector.access, "How the patches were learned is not known.")
    why = as_text(detector.statistics.get("no_gradients"))
    return f"{said} Why not by gradients: {visible(why, limit=300)}." if why else said


def _facts(detector: DetectorV1, ratios: Sequence[float]) -> list[tuple[str, str]]:
    each = as_count(detector.parameters.get("samples"))
    facts = [
        ("lowest transfer ratio", percent(min(ratios)) if ratios else UNKNOWN),
        ("median of the transfer ratios", percent(median(ratios)) if ratios else UNKNOWN),
        ("labels compared", told_count(len(ratios))),
        ("samples of either kind a label", UNKNOWN if each is None else f"at most {each:,}"),
        ("queries", f"{detector.queries:,}"),
        ("time", f"{detector.seconds:.1f} s"),
    ]
    return [(term, value) for term, value in facts if value != UNKNOWN]


def _training(statistics: Mapping[str, Any], named: Mapping[str, Any]) -> list[tuple[str, str]]:
    accuracy = as_share(statistics.get("training_accuracy"))
    samples = as_count(statistics.get("training_samples"))
    source, digest = as_text(named.get("source")), as_text(named.get("sha256"))
    told = [
        ("samples", told_count(named.get("samples") if samples is None else samples)),
        ("accuracy on them", UNKNOWN if accuracy is None else f"{100 * accuracy:.1f} %"),
        ("source", visible(source or UNKNOWN, limit=300)),
        ("digest", visible(digest or UNKNOWN, limit=100)),
    ]
    return [(term, value) for term, value in told if value != UNKNOWN]
