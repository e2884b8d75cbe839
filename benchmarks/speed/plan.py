"""What every way is asked to scan, and what it hands back. Nothing here knows the product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
PlaneKey = tuple[int, str]


@dataclass(frozen=True, eq=False)
class Plan:
    """The planes of one scan.

    Attributes:
        samples: The triples, float32 ``[n, 3, channels, height, width]`` in [0, 1].
        true_labels: Their labels, int64 ``[n, 3]``.
        size: Grid points along an axis.
        eta: How far a plane reaches beyond its triple, in lengths of the bounding box.
        ranges: ``unclipped``, ``valid`` or both.
        alpha: Order of the Renyi entropy.
        cap: Share from which the region of a sample counts 0.

    """

    samples: Floats
    true_labels: Labels
    size: int
    eta: float
    ranges: tuple[str, ...]
    alpha: float
    cap: float

    @property
    def points(self) -> int:
        """How many points all its planes have."""
        return len(self.samples) * len(self.ranges) * self.size**2

    def part(self, planes: int, size: int) -> Plan:
        """The first ``planes`` planes, on a grid of at most ``size`` points a side."""
        return replace(
            self,
            samples=self.samples[:planes],
            true_labels=self.true_labels[:planes],
            size=min(size, self.size),
        )


@dataclass(frozen=True, eq=False)
class ScoredPlane:
    """One plane in one range: labels int ``[size, size]``, entropy in bits, ATS in [0, 1]."""

    labels: npt.NDArray[np.integer]
    entropy: float
    ats: float


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one way did in one round.

    Attributes:
        queries: Images that the model was asked about.
        seconds: Wall time, the model being open.
        open_bytes: Resident memory of the process that holds the model, before any question.
        peak_bytes: The most that it has had so far.
        planes: The planes that it scored, by number and range; empty for the bare model.
        batch: Images a call, where the way settled on it.
        verdict: What a policy makes of it, where there is one.

    """

    queries: int
    seconds: float
    open_bytes: int
    peak_bytes: int
    planes: Mapping[PlaneKey, ScoredPlane] = field(default_factory=dict)
    batch: int | None = None
    verdict: str | None = None

    @property
    def rate(self) -> float:
        """Queries a second."""
        return self.queries / self.seconds
