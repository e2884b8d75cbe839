"""What a report shows of a tested trigger: stamped images, a map of positions, a dose curve."""

import numpy as np
import numpy.typing as npt

from xray_gate.detectors.trigger_sweep.confirmation import Confirmed
from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES
from xray_gate.detectors.trigger_sweep.families.interface import PlacedTrigger
from xray_gate.detectors.trigger_sweep.readings import shares_by_label
from xray_gate.detectors.trigger_sweep.responses import Columns, Responses
from xray_gate.probing.shown_trigger import DoseCurve, ShownTrigger

_IMAGES = 8
_CELLS = 7
_CURVE_IMAGES = 24
_CURVES = 4


def cost(found: Confirmed) -> int:
    """The most queries that `exhibit` makes."""
    placed = isinstance(found.lead.candidate.trigger, PlacedTrigger)
    curve = _CURVE_IMAGES * len(ALL_FAMILIES[found.lead.candidate.family].rungs)
    return curve + (_IMAGES * _CELLS**2 if placed else 0)


def exhibit(detector: str, found: Confirmed, held_out: Responses) -> ShownTrigger:
    """Show `found` on the held-out images that it could have moved."""
    eligible = np.flatnonzero(found.lead.reading.eligible(held_out.before))
    shown = eligible[:_IMAGES]
    trigger = found.lead.candidate.trigger
    return ShownTrigger(
        detector=detector,
        text=trigger.text,
        before=held_out.images[shown],
        after=trigger.stamp(held_out.images[shown]),
        labels_before=held_out.before[shown],
        labels_after=held_out.labels[found.row, shown],
        heat_map=_heat_map(found, held_out, shown),
        dose_curve=_dose_curve(found, held_out, eligible[:_CURVE_IMAGES]),
    )


def _heat_map(
    found: Confirmed, held_out: Responses, columns: Columns
) -> npt.NDArray[np.float32] | None:
    trigger = found.lead.candidate.trigger
    if not isinstance(trigger, PlacedTrigger):
        return None
    centers = (np.arange(_CELLS) + 0.5) / _CELLS
    rows = held_out.add(trigger.moved_to((float(y), float(x))) for y in centers for x in centers)
    held_out.ask([(row, columns) for row in rows])
    before, after = held_out.before[columns], held_out.labels[rows][:, columns]
    moved = [found.lead.reading.share(before, labels) for labels in after]
    return np.array(moved, dtype=np.float32).reshape(_CELLS, _CELLS)


def _dose_curve(found: Confirmed, held_out: Responses, columns: Columns) -> DoseCurve:
    candidate = found.lead.candidate
    family = ALL_FAMILIES[candidate.family]
    doses = tuple(rung.dose for rung in family.rungs)
    rows = held_out.add(candidate.trigger.at(dose) for dose in doses)
    held_out.ask([(row, columns) for row in rows])
    before, after = held_out.before[columns], held_out.labels[rows][:, columns]
    drawn = shares_by_label(before, after, held_out.classes)
    first = found.lead.reading.label
    order = [int(label) for label in np.argsort(-drawn.max(axis=0), kind="stable")]
    if first is not None:
        order = [first, *(label for label in order if label != first)]
    curves = {label: tuple(drawn[:, label].tolist()) for label in order[:_CURVES]}
    return DoseCurve(family.unit, doses, curves, candidate.rung.dose)
