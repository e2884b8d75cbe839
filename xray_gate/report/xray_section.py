"""How many planes Model X-ray drew and how much of them it asked, as the page says it.

Everything is read from the statistics in the report, which may come from another version: what
is missing or of another shape is left out.
"""

from collections.abc import Iterator, Sequence

from xray_gate.report.foreign import as_count, as_mapping, as_share, as_text
from xray_gate.report.json_v1 import DetectorV1

XRAY = "model_xray"
"""The detector's name."""


def xray_notes(detectors: Sequence[DetectorV1]) -> list[str]:
    """Sentences for the section on planes; empty where there is nothing to say."""
    found = next((detector for detector in detectors if detector.name == XRAY), None)
    return [] if found is None else [*_drawn(found), *_asked(found)]


def _drawn(found: DetectorV1) -> Iterator[str]:
    planned = as_count(found.parameters.get("planes"))
    by_range = as_mapping(found.statistics.get("planes_drawn"))
    counts = {name: as_count(count) for name, count in by_range.items()}
    reason = as_text(found.statistics.get("stopped_because"))
    if planned is None or reason is None or not counts or None in counts.values():
        return
    told = ", ".join(f"{count} in the {name} range" for name, count in counts.items())
    yield f"Drawn, of {planned} planes: {told}. Why no more: {reason}."


def _asked(found: DetectorV1) -> Iterator[str]:
    sampled = as_mapping(found.statistics.get("sampled"))
    share, most = as_share(sampled.get("share")), as_share(sampled.get("wrong_at_most"))
    checked, wrong = as_count(sampled.get("checked")), as_count(sampled.get("wrong"))
    if share is None or most is None or checked is None or wrong is None or not checked:
        return
    yield (
        f"The model was asked about {100 * share:.2g} % of the points, along all boundaries that "
        "were found; the others have the label of the nearest one. Of "
        f"{checked} of these that were asked as a check, {wrong} had another label, so at most "
        f"{100 * most:.2g} % of them do (95 % confidence)."
    )
