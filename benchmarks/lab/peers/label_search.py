"""Neural Cleanse's settings, and the weight of the mask's size in the search for one label."""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.lab.peers.network import Arithmetic, share


@dataclass(frozen=True)
class Settings:
    """The published settings; see ``BUDGETS`` for others.

    Attributes:
        steps: Most times that success is measured and the weight may change, for each label.
        batches: Batches in a step, each with one step of Adam.
        batch: Images in a batch.
        learning_rate: Of Adam.
        betas: Of Adam.
        first_weight: First weight of the mask's L1 norm that is not 0.
        factor: The weight grows by this factor and falls by its 1.5th power.
        patience: Steps in a row with or without success that change the weight.
        success: Share of images that a trigger must lead to the label.
        stop_after: Steps without a smaller mask that end a search whose weight has been both
            raised and lowered.
        index: Anomaly index above which a label is flagged.
        together: Labels searched side by side.
        arithmetic: Of the network.
        labels: For how many labels there is time; networks of more get fewer batches in a step.

    """

    steps: int = 1000
    batches: int = 31
    batch: int = 32
    learning_rate: float = 0.1
    betas: tuple[float, float] = (0.5, 0.9)
    first_weight: float = 1e-3
    factor: float = 2.0
    patience: int = 5
    success: float = 0.99
    stop_after: int = 25
    index: float = 2.0
    together: int = 10
    arithmetic: Arithmetic = "float32"
    labels: int | None = None

    def batches_for(self, classes: int) -> int:
        """Batches in a step of a network of so many classes, at least one."""
        return share(self.batches, self.labels, classes)


# For a CPU: success is measured on 128 images in place of 992, and a search has at most 120 steps.
# The anomaly index depends more on the seed then; benchmarks/README.md says by how much.
BUDGETS = {
    "published": Settings(),
    "cpu": Settings(steps=120, batches=4, arithmetic="bfloat16", labels=10),
}


@dataclass
class LabelSearch:
    """The weight of the mask's size in one label's search, the best mask so far, and the end.

    ``size`` is the least mean L1 norm of a step with success; infinite where there was none.
    """

    settings: Settings
    weight: float = 0.0
    size: float = math.inf
    ended: bool = False
    steps: int = 0
    _successes: int = 0
    _failures: int = 0
    _idle: int = 0
    _raised: bool = False
    _lowered: bool = False

    def note(self, success: float, size: float) -> bool:
        """Take in a step's success rate and mean mask size; tell whether its mask is the best."""
        self.steps += 1
        enough = success >= self.settings.success
        better = enough and size < self.size
        if better:
            self.size = size
        self._idle = 0 if better or not math.isfinite(self.size) else self._idle + 1
        self.ended = self._raised and self._lowered and self._idle >= self.settings.stop_after
        if not self.ended:
            self._weigh(enough)
        return better

    def _weigh(self, enough: bool) -> None:
        self._successes = self._successes + 1 if enough else 0
        self._failures = 0 if enough else self._failures + 1
        if self._successes >= self.settings.patience:
            self._raise()
        elif self._failures >= self.settings.patience:
            self._failures = 0
            self.weight /= self.settings.factor**1.5
            self._lowered = True

    def _raise(self) -> None:
        if self.weight == 0:
            # The step that starts the weight counts for its first rise as well.
            self.weight = self.settings.first_weight
            self._successes, self._raised, self._lowered = 1, False, False
        else:
            self._successes = 0
            self.weight *= self.settings.factor
            self._raised = True
