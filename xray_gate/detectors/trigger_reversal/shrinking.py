"""The account that every search for a trigger keeps: lambda, the smallest that worked, an end."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from xray_gate.detectors.trigger_reversal.search_distribution import SearchDistribution
from xray_gate.detectors.trigger_reversal.settings import ReversalSettings, SizeWeight
from xray_gate.probing.batches import FloatArray, Stamps


@dataclass(frozen=True, eq=False)
class ReversedTrigger:
    """The smallest trigger that reached its goal, or the last one if none did.

    `mask` float32 (height, width) and `pattern` (channels, height, width), both in [0, 1];
    `success` is its rate on the last mini-batches before it was kept, and `reached` whether that
    was enough. `why` says why the search ended.
    """

    mask: FloatArray
    pattern: FloatArray
    success: float
    reached: bool
    iterations: int
    why: str

    @property
    def size(self) -> float:
        """The L1 norm of the mask, in pixels."""
        return float(self.mask.sum())

    def stamped(self, images: FloatArray) -> Stamps:
        """The question what the model says of `images` under this trigger."""
        return Stamps(images, self.mask[None], self.pattern[None])


class Shrinking:
    """Account of a search, told each iteration's success.

    `looked_at`: over so many iterations in a row the success has to hold, where each sees another
    mini-batch, one of which alone may have been easy.
    """

    def __init__(self, settings: ReversalSettings, looked_at: int) -> None:
        self._settings = settings
        self._weight = SizeWeight(settings)
        self._looked_at = looked_at
        self._recent: deque[float] = deque(maxlen=looked_at)
        self._best: tuple[SearchDistribution, float] | None = None
        self._since_better = 0
        self.iterations = 0
        self.why: str | None = None

    @property
    def size_weight(self) -> float:
        """Lambda as it is now."""
        return self._weight.value

    def tell(self, success: float, distribution: SearchDistribution) -> None:
        """One more iteration: `distribution` as it was asked about, with this rate of success."""
        self.iterations += 1
        self._weight.tell(success)
        self._recent.append(success)
        self._since_better += 1
        self._keep_if_better(distribution)
        self._see_whether_done()

    def found(self, now: SearchDistribution) -> ReversedTrigger:
        """The best trigger so far, or the one that `now` stands for."""
        distribution, success = self._best or (now, self._rate())
        return ReversedTrigger(
            mask=distribution.mask,
            pattern=distribution.pattern,
            success=success,
            reached=self._best is not None,
            iterations=self.iterations,
            why=self.why or "still searching",
        )

    def _keep_if_better(self, distribution: SearchDistribution) -> None:
        rate = self._rate()
        if len(self._recent) < self._looked_at or rate < self._settings.success:
            return
        size = _size(distribution)
        best = np.inf if self._best is None else _size(self._best[0])
        if size < best:
            self._best = distribution, rate
        if size < 0.99 * best:
            self._since_better = 0

    def _rate(self) -> float:
        return float(np.mean(self._recent)) if self._recent else 0.0

    def _see_whether_done(self) -> None:
        settled = self._best is not None and self._weight.turned
        if settled and self._since_better >= self._settings.settled:
            self.why = f"the mask has not shrunk for {self._settings.settled} iterations"
        elif self.iterations >= self._settings.iterations:
            self.why = f"all {self.iterations} iterations were made"


def _size(distribution: SearchDistribution) -> float:
    return float(distribution.mask.sum())
