"""What a share is held against: the rung's allowance, and the model's own pull.

At a strong dose any model tends somewhere: noise looks like a frog to many, an imbalanced one leans
towards its largest class. Such an attractor shows in most candidates of a rung, and in more than
one family. A trigger has to move more images than this pull and the rung's allowance together. A
backdoor that answers to most of its own family's candidates is not excused: other families do not
share it.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from xray_gate.detectors.trigger_sweep.candidates import Candidate
from xray_gate.detectors.trigger_sweep.families.interface import Rung, shown_labels
from xray_gate.detectors.trigger_sweep.readings import Kind, Reading, shares_by_label
from xray_gate.detectors.trigger_sweep.responses import Columns, Responses
from xray_gate.probing.oracle import LabelArray

# A backdoor that answers to whatever changes the image must not raise its own allowance for ever.
_MOST_PULL = 0.3
# How many other families have to pull to a label as strongly, at some dose.
_WITNESSES = 2

_Rung = tuple[str, float]

Shares = npt.NDArray[np.float64]


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
        rows: dict[_Rung, list[int]] = {}
        for row, candidate in enumerate(candidates):
            rows.setdefault(_rung_of(candidate), []).append(row)
        self._after = {rung: responses.labels[of_rung][:, first] for rung, of_rung in rows.items()}
        self._to_one = _Pulls(
            {
                rung: np.median(shares_by_label(self._before, after, self._classes), axis=0)
                for rung, after in self._after.items()
            }
        )
        self._from_one: dict[int, _Pulls] = {}

    def of(self, candidate: Candidate, reading: Reading) -> float:
        """The share that models without a backdoor stay under, in [0, 1]; 1: it is not judged."""
        if reading.label in candidate.trigger.shows:
            return 1.0
        base = base_allowance(candidate.rung, reading.kind)
        return base if base >= 1 else min(1.0, base + self.pull(candidate, reading))

    def pull(self, candidate: Candidate, reading: Reading) -> float:
        """The median share over the candidates of the same rung, at most 0.3.

        Towards a label, it counts only as far as two other families pull there as well.
        """
        rung = _rung_of(candidate)
        if reading.label is None:
            own = float(np.median((self._after[rung] != self._before).mean(axis=1)))
        elif reading.source is None:
            own = float(self._to_one.of(rung)[reading.label])
        else:
            own = float(self._from(reading.source).of(rung)[reading.label])
        own = min(_MOST_PULL, own)
        return own if self._champion is None else min(own, self._champion.pull(candidate, reading))

    def to_one(self, candidates: Sequence[Candidate]) -> Shares:
        """The allowances for all-to-one, float (candidates, classes)."""
        base = np.array([candidate.rung.to_one for candidate in candidates])[:, None]
        allowed = np.where(base >= 1, 1.0, np.minimum(1.0, base + self._all_pulls(candidates)))
        allowed[shown_labels([c.trigger for c in candidates], self._classes)] = 1.0
        return allowed

    def _all_pulls(self, candidates: Sequence[Candidate]) -> Shares:
        own = np.stack([self._to_one.of(_rung_of(candidate)) for candidate in candidates])
        own = np.minimum(own, _MOST_PULL)
        champion = self._champion
        return own if champion is None else np.minimum(own, champion._all_pulls(candidates))

    def _from(self, source: int) -> "_Pulls":
        """The pulls on the images of one class, worked out when they are asked for."""
        if source not in self._from_one:
            of_class = self._before == source
            self._from_one[source] = _Pulls(
                {
                    rung: self._class_medians(after[:, of_class])
                    for rung, after in self._after.items()
                }
            )
        return self._from_one[source]

    def _class_medians(self, after: LabelArray) -> Shares:
        if not after.shape[1]:
            return np.zeros(self._classes)
        moved = [(after == label).mean(axis=1) for label in range(self._classes)]
        return np.asarray(np.median(moved, axis=1), np.float64)


class _Pulls:
    """Medians of each rung, float (classes,), and how far other families bear them out."""

    def __init__(self, medians: dict[_Rung, Shares]) -> None:
        self._medians = medians
        strongest: dict[str, Shares] = {}
        for (family, _), median in medians.items():
            strongest[family] = np.maximum(strongest.get(family, 0.0), median)
        self._borne_out = {
            family: _nth_largest([of for name, of in strongest.items() if name != family])
            for family in strongest
        }

    def of(self, rung: _Rung) -> Shares:
        """The rung's medians, as far as the strongest doses of `_WITNESSES` others reach them."""
        borne_out = self._borne_out[rung[0]]
        own = self._medians[rung]
        return own if borne_out is None else np.minimum(own, borne_out)


def _nth_largest(others: Sequence[Shares]) -> Shares | None:
    """What `_WITNESSES` of the others reach; None where there are too few to ask."""
    if len(others) < _WITNESSES:
        return None
    return np.asarray(np.sort(np.stack(others), axis=0)[-_WITNESSES], np.float64)


def base_allowance(rung: Rung, kind: Kind) -> float:
    """The rung's own allowance for a kind of reading."""
    return {Kind.TO_ONE: rung.to_one, Kind.ANYWHERE: rung.anywhere, Kind.FROM_ONE: rung.from_one}[
        kind
    ]


def excess(share: float, allowed: float) -> float:
    """How far `share` lies above the allowance: 1 when all move, -1 where it is not judged."""
    return (share - allowed) / (1 - allowed) if allowed < 1 else -1.0


def chance(moved: int, asked: int, allowed: float) -> float:
    """P(X >= `moved`) for X binomial(`asked`, `allowed`): small where too many moved."""
    return float(stats.binom.sf(moved - 1, asked, allowed))


def _rung_of(candidate: Candidate) -> _Rung:
    return candidate.family, candidate.rung.dose
