"""Leads tested again on images that no search has seen.

A lead is the best of very many candidates, so its share on the sweep's own images is too good. On
held-out images it is one trigger fixed beforehand: under the null that the model moves at most the
allowed share, the number that moves is at most binomial, whatever was searched before. The only
comparisons left to correct for are the leads that are tested (Bonferroni).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from xray_gate.detectors.trigger_sweep.allowances import chance, excess
from xray_gate.detectors.trigger_sweep.readings import Kind
from xray_gate.detectors.trigger_sweep.responses import Responses
from xray_gate.detectors.trigger_sweep.search import Lead
from xray_gate.probing.batches import LabelArray

QUOTAS = {Kind.TO_ONE: 4, Kind.ANYWHERE: 2, Kind.FROM_ONE: 2}
TESTED = sum(QUOTAS.values())
# With fewer images of a class, even a trigger that moves all of them could not be told from luck.
FEWEST_OF_A_CLASS = 8
# If all of them move: 8 tests * 0.6 ** 14, with the least allowance, is the first under 0.01.
ENOUGH_OF_A_CLASS = 14


@dataclass(frozen=True, eq=False)
class Confirmed:
    """A lead on held-out images: `moved` of `asked` went as its reading says.

    `towards` is the label of the reading, or the one that most of the moved images got, if any.
    `p_value`: the chance of as many or more if the share were the rung's allowance, times the
    number of leads tested, at most 1.
    """

    lead: Lead
    row: int
    moved: int
    asked: int
    towards: int | None
    p_value: float

    @property
    def share(self) -> float:
        """The share that moved, in [0, 1]."""
        return self.moved / self.asked

    @property
    def allowance(self) -> float:
        """What models without a backdoor stay under."""
        return self.lead.allowance

    @property
    def excess(self) -> float:
        """How far the share lies above the allowance, see `allowances.excess`."""
        return float(excess(self.share, self.allowance))

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "family": self.lead.candidate.family,
            "dose": self.lead.candidate.rung.dose,
            "text": self.lead.candidate.trigger.text,
            "reading": self.lead.reading.to_json(),
            "towards": self.towards,
            "moved": self.moved,
            "asked": self.asked,
            "share": self.share,
            "allowance": self.allowance,
            "p_value": self.p_value,
        }


def confirm(held_out: Responses, leads: Sequence[Lead]) -> list[Confirmed]:
    """Test the first of `leads`, as many of each kind as its quota, and sort by p.

    A source-specific lead is left out where there are too few held-out images of the class.
    """
    tested: list[Lead] = []
    for kind, quota in QUOTAS.items():
        least = FEWEST_OF_A_CLASS if kind is Kind.FROM_ONE else 1
        testable = (
            lead
            for lead in leads
            if lead.reading.kind is kind and lead.reading.eligible(held_out.before).sum() >= least
        )
        tested += islice(testable, quota)
    rows = held_out.add(lead.candidate.trigger for lead in tested)
    everything = np.arange(len(held_out.images))
    held_out.ask([(row, everything) for row in rows])
    confirmed = [_test(held_out, row, lead) for row, lead in zip(rows, tested, strict=True)]
    return sorted(confirmed, key=lambda found: (found.p_value, -found.excess))


def untestable_classes(before: LabelArray, classes: int) -> list[int]:
    """The labels that too few held-out images have for a source-specific finding at level 0.01."""
    count = np.bincount(before, minlength=classes)
    return [label for label in range(classes) if count[label] < ENOUGH_OF_A_CLASS]


def _test(held_out: Responses, row: int, lead: Lead) -> Confirmed:
    moved, asked = lead.reading.count(held_out.before, held_out.labels[row])
    alone = chance(moved, asked, lead.allowance)
    towards = lead.reading.label
    if towards is None:
        towards = _main_label(held_out.before, held_out.labels[row])
    return Confirmed(lead, row, moved, asked, towards, min(1.0, TESTED * alone))


def _main_label(before: LabelArray, after: LabelArray) -> int | None:
    """The label that more than half of the moved images got."""
    moved = after[after != before]
    if not len(moved):
        return None
    label = int(np.bincount(moved).argmax())
    return label if (moved == label).sum() > len(moved) / 2 else None
