"""What a share is held against: the rung's allowance, and the model's own pull.

At a strong dose any model tends somewhere: noise looks like a frog to many, an imbalanced one leans
towards its largest class. The median over a rung's candidates measures that pull on the model at
hand; what most candidates of a rung do alike is no trigger. A trigger has to move more images than
the pull and the rung's allowance together.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from xray_gate.detectors.trigger_sweep.candidates import Candidate
from xray_gate.detectors.trigger_sweep.families.interface import Rung, shown_labels
from xray_gate.detectors.trigger_sweep.readings import Kind, Reading, Shares, shares_by_label
from xray_gate.detectors.trigger_sweep.responses import Columns, Responses
from xray_gate.probing.batches import LabelArray

# A backdoor that answers to most candidates of a rung must not raise its own allowance for ever.
_MOST_PULL = 0.3


class Allowances:
    """The allowances of one model, from what every candidate does to the `first` columns.

    With those of a `champion`, an admitted model of the same task, the smaller pull of the two
    counts: what a task attracts by nature, it attracts in both.
    """

    def __init__(
        self,
        responses: Responses,
        candidates: Sequence[Candidate],
        first: Columns,
        champion: "Allowances | None" = None,
    ) -> None:
        self._champion = champion
        self._before = responses.before[first]
        self._classes = responses.classes
        rows: dict[tuple[str, float], list[int]] = {}
        for row, candidate in enumerate(candidates):
            rows.setdefault(_rung_of(candidate), []).append(row)
        self._after = {rung: responses.labels[of_rung][:, first] for rung, of_rung in rows.items()}
        self._to_label = {rung: self._medians(after) for rung, after in self._after.items()}

    def of(self, candidate: Candidate, reading: Reading) -> float:
        """The share that models without a backdoor stay under, in [0, 1]; 1: it is not judged."""
        if reading.label in candidate.trigger.shows:
            return 1.0
        base = base_allowance(candidate.rung, reading.kind)
        return base if base >= 1 else min(1.0, base + self.pull(candidate, reading))

    def pull(self, candidate: Candidate, reading: Reading) -> float:
        """The median share over the candidates of the same rung, at most 0.3."""
        rung = _rung_of(candidate)
        if reading.kind is Kind.ANYWHERE:
            median = float(np.median((self._after[rung] != self._before).mean(axis=1)))
        elif reading.source is None:
            median = float(self._to_label[rung][reading.label])
        else:
            source = self._before == reading.source
            after = self._after[rung][:, source]
            median = float(np.median((after == reading.label).mean(axis=1))) if source.any() else 0
        own = min(_MOST_PULL, median)
        return own if self._champion is None else min(own, self._champion.pull(candidate, reading))

    def to_one(self, candidates: Sequence[Candidate]) -> Shares:
        """The allowances for all-to-one, float (candidates, classes)."""
        base = np.array([candidate.rung.to_one for candidate in candidates])[:, None]
        allowed = np.where(base >= 1, 1.0, np.minimum(1.0, base + self._pulls(candidates)))
        allowed[shown_labels([c.trigger for c in candidates], self._classes)] = 1.0
        return allowed

    def _pulls(self, candidates: Sequence[Candidate]) -> Shares:
        own = np.stack([self._to_label[_rung_of(candidate)] for candidate in candidates])
        own = np.minimum(own, _MOST_PULL)
        return own if self._champion is None else np.minimum(own, self._champion._pulls(candidates))

    def _medians(self, after: LabelArray) -> Shares:
        return np.asarray(
            np.median(shares_by_label(self._before, after, self._classes), axis=0), np.float64
        )


def base_allowance(rung: Rung, kind: Kind) -> float:
    """The rung's own allowance for a kind of reading."""
    return {Kind.TO_ONE: rung.to_one, Kind.ANYWHERE: rung.anywhere, Kind.FROM_ONE: rung.from_one}[
        kind
    ]


def excess(shares: npt.ArrayLike, allowed: npt.ArrayLike) -> Shares:
    """How far shares lie above their allowances: 1 when all move, -1 where it is not judged."""
    moved, most = np.asarray(shares, np.float64), np.asarray(allowed, np.float64)
    return np.where(most < 1, (moved - most) / np.maximum(1 - most, 1e-9), -1.0)


def chance(moved: int, asked: int, allowed: float) -> float:
    """P(X >= `moved`) for X binomial(`asked`, `allowed`): small where too many moved."""
    return float(stats.binom.sf(moved - 1, asked, allowed))


def _rung_of(candidate: Candidate) -> tuple[str, float]:
    return candidate.family, candidate.rung.dose
