"""The trigger sweep: many cheap candidate triggers, by hard labels, on a few clean images.

A backdoored model answers to a whole neighbourhood of its trigger (B3D, Dong et al. 2021, Appendix
D). So candidates of many families are stamped on clean images; where one moves far more images
than its dose explains, it is tested on images that the search never saw.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from xray_gate.core.access import Access
from xray_gate.core.evidence import SuspectedLabel
from xray_gate.detectors.interface import Detector, Findings, Inconclusive, Progress, Subject
from xray_gate.detectors.trigger_sweep.allowances import Allowances
from xray_gate.detectors.trigger_sweep.candidates import draw_candidates
from xray_gate.detectors.trigger_sweep.champion import Champion
from xray_gate.detectors.trigger_sweep.confirmation import (
    TESTED,
    Confirmed,
    confirm,
    untestable_classes,
)
from xray_gate.detectors.trigger_sweep.detection_limit import DetectionLimit
from xray_gate.detectors.trigger_sweep.exhibit import cost, exhibit
from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES
from xray_gate.detectors.trigger_sweep.families.interface import Scene
from xray_gate.detectors.trigger_sweep.parameters import TriggerSweepParameters
from xray_gate.detectors.trigger_sweep.readings import Reading, unexplained_shares
from xray_gate.detectors.trigger_sweep.responses import Columns, Responses
from xray_gate.detectors.trigger_sweep.search import (
    REFINED,
    Lead,
    Search,
    ranked,
    refinable,
    search_costs,
)
from xray_gate.probing.batches import LabelArray
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.probing.shown_trigger import ShownTrigger

# Fewer leave too little for the search and for the test.
_FEWEST_IMAGES = 24
_MOST_SWEPT = 48
# The share of saturated values from which images count as flat: digits on black have 0.8,
# photographs a few hundredths.
_FLAT = 0.5
_SATURATED = 1.5 / 255
_SWEPT_FIRST = (16, 32)
_MOST_HELD_OUT = 160
_MOST_SHOWN = 3
# A label is suspected, whatever the policy's level, from here on.
_SUSPICIOUS = 0.05
_SMALLEST_SIDE = 4
# Parts of the budget; what is left pays for the promising, the test and the figures.
_FOR_THE_SWEEP = 0.55
_FOR_REFINING = 0.15


class TriggerSweep(Detector):
    """Looks for a weak trigger that moves most images.

    Statistics: `p_value`, the smallest of the `tested` leads, corrected for how many were tested
    (`confirmation`); `candidate`, the lead it belongs to; `flip_rate` and `total_flip_rate`, the
    best shares in [0, 1] of the held-out images that a tested trigger moves to one label, and
    anywhere; `flip_rate_by_label`, the best share of the sweep's images that any candidate moves to
    each label; `excess`, the largest distance above an allowance (`allowances.excess`);
    `dose_curves` of the triggers that a report shows; `detection_limit`; and what could not be
    judged: `families_not_judged`, `sources_not_tested`.

    A label is suspected where a lead towards it has a p-value of at most 0.05.
    """

    name = "trigger_sweep"
    access = Access.HARD_LABEL

    def __init__(
        self, parameters: TriggerSweepParameters | None = None, query_budget: int | None = None
    ) -> None:
        chosen = parameters or TriggerSweepParameters()
        super().__init__(chosen.to_json(), query_budget)
        self._parameters = chosen

    @classmethod
    def from_json(cls, parameters: Mapping[str, Any], query_budget: int | None = None) -> Self:
        """See `Detector.from_json`."""
        return cls(TriggerSweepParameters.from_json(parameters), query_budget)

    def queries_needed(self, classes: int, training: int) -> int:
        """See `Detector.queries_needed`."""
        return self._parameters.queries

    def _scan(self, subject: Subject, rng: np.random.Generator, progress: Progress) -> Findings:
        subject.refuse_one_label("no trigger could move anything there")
        if min(subject.probes.images.shape[2:]) < _SMALLEST_SIDE:
            raise Inconclusive(
                f"images of {subject.probes.images.shape[2]}x{subject.probes.images.shape[3]} are "
                f"too small for a trigger; the sweep needs {_SMALLEST_SIDE} pixels a side"
            )
        champion = subject.champion
        if champion is not None and champion.classes != subject.oracle.classes:
            raise Inconclusive(
                f"the champion knows {champion.classes} classes, the model "
                f"{subject.oracle.classes}; compare versions of the same task, or scan without one"
            )
        return _Sweep(self._parameters, subject, rng, progress).findings()


class _Sweep:
    """One run: the images and candidates are drawn at once, `findings` does the asking."""

    def __init__(
        self,
        parameters: TriggerSweepParameters,
        subject: Subject,
        rng: np.random.Generator,
        progress: Progress,
    ) -> None:
        # Streams of their own: how long the refinement takes must not move the implants.
        split_rng, draw_rng, self._refine_rng, self._limit_rng = rng.spawn(4)
        self._budget = parameters.queries
        self._progress = progress
        probes, labels = subject.probes, subject.probe_labels
        split = split_probes(probes, labels, split_rng)
        self._swept, self._held_out = (
            Responses(subject.oracle, probes.images[rows], labels[rows])
            for rows in (split.swept, split.held_out)
        )
        self._scene = Scene(probes.images.shape[1:], self._swept.images, self._swept.before)
        self._first = np.arange(
            min(len(split.swept), int(np.clip(self._swept.classes, *_SWEPT_FIRST)))
        )
        self._families = _judged(parameters.families, probes)
        self._left_out = sorted(set(parameters.families) - set(self._families))
        count = self._affordable_candidates()
        self._candidates = draw_candidates(self._families, count, self._scene, draw_rng)
        self._champion: Champion | None = None
        if subject.champion is not None:
            images = (self._swept.images, self._held_out.images)
            self._champion = Champion(subject.champion, *images)

    def _affordable_candidates(self) -> int:
        """How many candidates leave enough of the budget for all that comes after them."""
        refining = self._budget * _FOR_REFINING + REFINED * len(self._swept.images)
        testing = TESTED * len(self._held_out.images)
        later, each = search_costs(self._swept.before, len(self._first))
        left = self._budget - refining - testing - later
        return int(min(self._budget * _FOR_THE_SWEEP / len(self._first), left / each))

    def findings(self) -> Findings:
        """Sweep, refine, test on held-out images, and gather what a report shows."""
        beside = None
        if self._champion is not None:
            beside = self._champion.allowances(self._candidates, self._first)
        search = Search(self._swept, self._candidates, self._first, beside)
        search.sweep(self._tell)
        leads = search.leads()
        self._tell()
        chosen = refinable(leads)
        each = int(self._budget * _FOR_REFINING / max(1, len(chosen)))
        refined = []
        for lead in chosen:
            refined.append(search.refine(lead, each, self._refine_rng))
            self._tell()
        confirmed = confirm(self._held_out, _without_repeats(ranked([*refined, *leads])))
        statistics = self._statistics(confirmed, search.allowances)
        shown = tuple(self._exhibits(confirmed))
        statistics["dose_curves"] = [_curve_json(trigger) for trigger in shown]
        self._progress(self._budget, self._budget)
        return Findings(statistics, _suspects(confirmed), triggers=shown)

    def _beside_the_champion(self, confirmed: list[Confirmed]) -> list[dict[str, Any]]:
        """The tested triggers, with what each does to the champion where there is one."""
        found = [test.to_json() for test in confirmed]
        if self._champion is None:
            return found
        shares_there = self._champion.shares(confirmed)
        return [
            {**test, "champion_share": share}
            for test, share in zip(found, shares_there, strict=True)
        ]

    @property
    def _spent(self) -> int:
        return self._swept.queries + self._held_out.queries

    def _tell(self) -> None:
        self._progress(self._spent, self._budget)

    def _exhibits(self, confirmed: list[Confirmed]) -> Iterator[ShownTrigger]:
        for found in _worth_showing(confirmed):
            if self._spent + cost(found) <= self._budget:
                yield exhibit(TriggerSweep.name, found, self._held_out)

    def _statistics(self, confirmed: list[Confirmed], allowances: Allowances) -> dict[str, Any]:
        held_out, swept = self._held_out, self._swept
        limit = DetectionLimit(
            swept, self._first, self._candidates, allowances, held_out, self._scene
        )
        tested = self._beside_the_champion(confirmed)
        return {
            "flip_rate": float(unexplained_shares(held_out).max()),
            "total_flip_rate": float((held_out.labels != held_out.before).mean(axis=1).max()),
            "flip_rate_by_label": unexplained_shares(swept).max(axis=0).tolist(),
            "candidate": tested[0],
            "p_value": confirmed[0].p_value,
            "excess": max(found.excess for found in confirmed),
            "tested": tested,
            "candidates": len(swept.triggers),
            "images": {"swept": len(swept.images), "held_out": len(held_out.images)},
            "families_not_judged": self._left_out,
            "sources_not_tested": untestable_classes(held_out.before, held_out.classes),
            "champion_queries": 0 if self._champion is None else self._champion.queries,
            "detection_limit": limit.measure(self._families, self._limit_rng),
        }


def _judged(families: Sequence[str], probes: ProbeSet) -> list[str]:
    """Leave out the families that cannot be judged where most of every image is flat.

    A model that has never seen anything but plain black there does whatever it likes on grey: an
    ordinary classifier of digits on black gives one label to all of them.
    """
    saturated = (probes.images < _SATURATED) | (probes.images > 1 - _SATURATED)
    if float(saturated.mean()) < _FLAT:
        return list(families)
    judged = [name for name in families if ALL_FAMILIES[name].for_flat_images]
    if not judged:
        raise Inconclusive(
            "most of every probe is plain black or white, where none of the policy's families "
            f"({', '.join(families)}) can be judged; add patch or pixels"
        )
    return judged


@dataclass(frozen=True)
class Split:
    """Rows of the probes, of correctly classified ones only."""

    swept: Columns
    held_out: Columns


def split_probes(probes: ProbeSet, labels: LabelArray, rng: np.random.Generator) -> Split:
    """Half for the search, at most 48, with the classes in turn; the others for the test."""
    correct = np.flatnonzero(labels == probes.labels)
    if len(correct) < _FEWEST_IMAGES:
        raise Inconclusive(
            f"only {len(correct)} probes are classified as labelled, and {_FEWEST_IMAGES} are "
            "needed for the search and the test; give more probes"
        )
    shuffled = rng.permutation(correct)
    turns = np.zeros(len(shuffled), dtype=np.int64)
    for label in np.unique(probes.labels[shuffled]):
        same = probes.labels[shuffled] == label
        turns[same] = np.arange(same.sum())
    in_turn = shuffled[np.argsort(turns, kind="stable")]
    count = min(_MOST_SWEPT, len(in_turn) // 2)
    return Split(in_turn[:count], in_turn[count : count + _MOST_HELD_OUT])


def _without_repeats(leads: list[Lead]) -> list[Lead]:
    """One lead for each trigger and reading; a refined one may be what it started from."""
    first: dict[tuple[int, Reading], Lead] = {}
    for lead in leads:
        first.setdefault((lead.row, lead.reading), lead)
    return list(first.values())


def _curve_json(shown: ShownTrigger) -> dict[str, Any]:
    """A dose curve as JSON values, with the weakest dose at which each label has most images."""
    curve = shown.dose_curve
    if curve is None:
        return {"text": shown.text}
    taken = {
        str(label): next((d for d, s in zip(curve.doses, drawn, strict=True) if s > 0.5), None)
        for label, drawn in curve.shares.items()
    }
    shares_by_label = {str(label): list(drawn) for label, drawn in curve.shares.items()}
    return {
        "text": shown.text,
        "unit": curve.unit,
        "doses": list(curve.doses),
        "shares": shares_by_label,
        "weakest_dose": taken,
    }


def _suspicious(confirmed: list[Confirmed]) -> dict[int | None, Confirmed]:
    """The strongest lead towards each label that chance hardly explains, smallest p first."""
    first: dict[int | None, Confirmed] = {}
    for found in confirmed:
        if found.p_value <= _SUSPICIOUS:
            first.setdefault(found.towards, found)
    return first


def _worth_showing(confirmed: list[Confirmed]) -> list[Confirmed]:
    """The suspicious ones; else the strongest there is."""
    return list(_suspicious(confirmed).values())[:_MOST_SHOWN] or confirmed[:1]


def _suspects(confirmed: list[Confirmed]) -> tuple[SuspectedLabel, ...]:
    leads = _suspicious(confirmed).items()
    return tuple(SuspectedLabel(label, lead.share) for label, lead in leads if label is not None)
