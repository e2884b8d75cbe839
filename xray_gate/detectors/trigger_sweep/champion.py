"""The same candidates on an admitted model of the same task: what nature does, it does to both.

The comparison can only add suspicion. It lowers allowances where the champion is pulled less, and
it shows how far the champion moves under the triggers that were found; it never excuses a model,
since a champion may carry the same backdoor.
"""

from collections.abc import Sequence

import numpy as np

from xray_gate.detectors.trigger_sweep.allowances import Allowances
from xray_gate.detectors.trigger_sweep.candidates import Candidate
from xray_gate.detectors.trigger_sweep.confirmation import Confirmed
from xray_gate.detectors.trigger_sweep.responses import Columns, Responses
from xray_gate.probing.batches import FloatArray, Images
from xray_gate.probing.oracle import HardLabelOracle


class Champion:
    """An admitted model, asked about the same images as the model that is scanned."""

    def __init__(self, oracle: HardLabelOracle, swept: FloatArray, held_out: FloatArray) -> None:
        self._swept, self._held_out = (
            Responses(oracle, images, oracle.labels(Images(images))) for images in (swept, held_out)
        )

    @property
    def queries(self) -> int:
        """How many questions it was asked."""
        asked = (self._swept, self._held_out)
        return sum(responses.queries + len(responses.images) for responses in asked)

    def allowances(self, candidates: Sequence[Candidate], first: Columns) -> Allowances:
        """Its pulls, after asking it about every candidate on the `first` images."""
        rows = self._swept.add(candidate.trigger for candidate in candidates)
        self._swept.ask([(row, first) for row in rows])
        return Allowances(self._swept, candidates, first)

    def shares(self, confirmed: Sequence[Confirmed]) -> list[float]:
        """The share of the held-out images that each tested trigger moves in the champion."""
        rows = self._held_out.add(found.lead.candidate.trigger for found in confirmed)
        everything = np.arange(len(self._held_out.images))
        self._held_out.ask([(row, everything) for row in rows])
        return [
            found.lead.reading.share(self._held_out.before, self._held_out.labels[row])
            for found, row in zip(confirmed, rows, strict=True)
        ]
