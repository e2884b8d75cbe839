"""Coarse to fine: all candidates on a few images, the best on more, the very best refined.

Successive halving (Jamieson & Talwalkar 2016) over the candidates, then a random hill climb by
hard labels. All of it happens on the images of the sweep; what it finds is a lead, and only
`confirmation` on other images turns a lead into a finding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from xray_gate.detectors.trigger_sweep.allowances import Allowances, chance, excess
from xray_gate.detectors.trigger_sweep.candidates import Candidate
from xray_gate.detectors.trigger_sweep.families.interface import shown_labels
from xray_gate.detectors.trigger_sweep.readings import (
    Kind,
    Reading,
    shares_by_label,
    unexplained_shares,
)
from xray_gate.detectors.trigger_sweep.responses import Columns, Responses
from xray_gate.probing.batches import LabelArray

# Of a sweep's candidates, this share is looked at on all of the sweep's images.
_KEPT = 1 / 8
# Pairs of a candidate and a source class that go on to more images of the class.
_PAIRS = 96
_FEWEST_KEPT = 8
# How many leads of each kind are refined.
_REFINED_OF = {Kind.TO_ONE: 3, Kind.ANYWHERE: 1, Kind.FROM_ONE: 1}
REFINED = sum(_REFINED_OF.values())
_VARIANTS = 4
_REFINED_ON = 24


@dataclass(frozen=True, eq=False)
class Lead:
    """A candidate that stands out in one reading; `row` is its row in the responses."""

    row: int
    candidate: Candidate
    reading: Reading
    allowance: float
    moved: int
    asked: int

    @property
    def share(self) -> float:
        """The share of the asked images that moved, in [0, 1]."""
        return self.moved / max(1, self.asked)

    @property
    def chance(self) -> float:
        """How likely so many would be under the allowance, as if it were the only candidate."""
        return chance(self.moved, self.asked, self.allowance)


class Search:
    """One sweep over `candidates`, the first rows of `responses`."""

    def __init__(
        self,
        responses: Responses,
        candidates: Sequence[Candidate],
        first: Columns,
        champion: Allowances | None = None,
    ) -> None:
        """`first`: the columns on which every candidate is tried."""
        self.responses = responses
        self._champion = champion
        self.candidates = list(candidates)
        self._first = first
        responses.add(candidate.trigger for candidate in candidates)

    def sweep(self, progress: Callable[[], None]) -> None:
        """Ask about every candidate on the first images."""
        rows = range(len(self.candidates))
        step = 64
        for start in rows[::step]:
            self.responses.ask([(row, self._first) for row in rows[start : start + step]])
            progress()
        self.allowances = Allowances(self.responses, self.candidates, self._first, self._champion)

    def leads(self) -> list[Lead]:
        """The best readings after asking the promising candidates on all images, best first."""
        kept = self._best_rows(max(_FEWEST_KEPT, int(len(self.candidates) * _KEPT)))
        everything = np.arange(len(self.responses.images))
        self.responses.ask([(row, everything) for row in kept])
        found = [lead for row in kept for lead in self.broad(row)]
        found += self._source_specific()
        return ranked(found)

    def refine(self, lead: Lead, queries: int, rng: np.random.Generator) -> Lead:
        """The best trigger near `lead`'s that `queries` questions find; never a worse one."""
        columns = np.flatnonzero(lead.reading.eligible(self.responses.before))[:_REFINED_ON]
        best = self.lead(lead.row, lead.reading, columns)
        for _ in range(queries // max(1, _VARIANTS * len(columns))):
            if best.share >= 1:
                break
            best = max([best, *self._variants(best, columns, rng)], key=lambda found: found.share)
        self.responses.ask([(best.row, np.arange(len(self.responses.images)))])
        return self.lead(best.row, best.reading)

    def _variants(self, lead: Lead, columns: Columns, rng: np.random.Generator) -> list[Lead]:
        origin = lead.candidate
        varied = [
            Candidate(origin.family, origin.rung, trigger)
            for trigger in (origin.trigger.vary(rng) for _ in range(_VARIANTS))
            if lead.reading.label not in trigger.shows
        ]
        rows = self.responses.add(candidate.trigger for candidate in varied)
        self.candidates.extend(varied)
        self.responses.ask([(row, columns) for row in rows])
        return [self.lead(row, lead.reading, columns) for row in rows]

    def _best_rows(self, count: int) -> list[int]:
        after = self.responses.labels[: len(self.candidates)]
        before = self.responses.before
        to_one = shares_by_label(before, after, self.responses.classes)
        anywhere = ((after != before) & (after >= 0)).sum(axis=1) / len(self._first)
        to_any = [self.allowances.of(each, Reading(Kind.ANYWHERE)) for each in self.candidates]
        best = np.maximum(
            excess(to_one, self.allowances.to_one(self.candidates)).max(axis=1),
            excess(anywhere, to_any),
        )
        # A stable sort: of equals, the first drawn.
        return [int(row) for row in np.argsort(-best, kind="stable")[:count]]

    def broad(self, row: int) -> list[Lead]:
        """The readings over all classes: to the label that most images move to, and anywhere."""
        label = int(unexplained_shares(self.responses, slice(row, row + 1))[0].argmax())
        return [
            self.lead(row, Reading(Kind.TO_ONE, label)),
            self.lead(row, Reading(Kind.ANYWHERE)),
        ]

    def _source_specific(self) -> list[Lead]:
        found = []
        for row, source, label in self._best_pairs():
            reading = Reading(Kind.FROM_ONE, label, source)
            columns = np.flatnonzero(reading.eligible(self.responses.before))
            self.responses.ask([(row, columns)])
            found.append(self.lead(row, reading))
        return found

    def _best_pairs(self) -> list[tuple[int, int, int]]:
        """Candidates (rows), source classes and labels where the first images all moved."""
        before = self.responses.before
        triggers = [candidate.trigger for candidate in self.candidates]
        shown = shown_labels(triggers, self.responses.classes)
        allowed = [candidate.rung.from_one for candidate in self.candidates]
        scored: list[tuple[float, int, int, int]] = []
        for source in np.unique(before[self._first]):
            columns = self._first[before[self._first] == source]
            after = self.responses.labels[: len(self.candidates)][:, columns]
            moved = shares_by_label(before[columns], after, self.responses.classes)
            # Where the class moves under most candidates, it says little of any one of them.
            stands_out = moved - moved.mean(axis=0)
            # No image can move to the label that it has; to a label that is shown, any may.
            stands_out[:, source] = -np.inf
            stands_out[shown] = -np.inf
            label = stands_out.argmax(axis=1)
            rows = np.arange(len(self.candidates))
            above = excess(stands_out[rows, label], allowed)
            scored += [(float(above[row]), int(row), int(source), int(label[row])) for row in rows]
        scored.sort(key=lambda item: (-item[0], item[1:]))
        return [(row, source, label) for _, row, source, label in scored[:_PAIRS]]

    def lead(self, row: int, reading: Reading, columns: Columns | None = None) -> Lead:
        """What the labels asked so far (in `columns`) say of a row; a share of 0 if nothing."""
        chosen = slice(None) if columns is None else columns
        moved, asked = reading.count(
            self.responses.before[chosen], self.responses.labels[row, chosen]
        )
        candidate = self.candidates[row]
        return Lead(row, candidate, reading, self.allowances.of(candidate, reading), moved, asked)


def ranked(leads: Sequence[Lead]) -> list[Lead]:
    """Least likely first; of equals, the weaker dose."""
    return sorted(leads, key=lambda lead: (lead.chance, lead.candidate.rung.dose))


def search_costs(before: LabelArray, first: int) -> tuple[float, float]:
    """What a search asks at most besides refining: once, and for each candidate.

    `before` are the labels of the sweep's images; every candidate sees `first` of them.
    """
    of_a_class = int(np.bincount(before).max())
    once = _PAIRS * of_a_class + _FEWEST_KEPT * len(before)
    return once, first + _KEPT * (len(before) - first)


def refinable(leads: Sequence[Lead]) -> list[Lead]:
    """The leads worth a refinement: three towards one label, one of each other kind.

    They differ in what they move or in their rung: a weaker dose has a lower allowance to beat.
    """
    first: dict[tuple[Reading, str, float], Lead] = {}
    for lead in leads:
        rung = (lead.candidate.family, lead.candidate.rung.dose)
        first.setdefault((lead.reading, *rung), lead)
    return [
        lead
        for kind, most in _REFINED_OF.items()
        for lead in [lead for lead in first.values() if lead.reading.kind is kind][:most]
    ]
