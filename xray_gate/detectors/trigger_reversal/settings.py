"""How a trigger is reversed: the paper's constants, and ours where it names none."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ReversalSettings:
    """How long, and how, a trigger is looked for.

    `samples` (k), `sigma` and `learning_rate` are the paper's; it names no size of a mini-batch
    (`batch`) and no number of `iterations`. `success`: the share of a mini-batch from which the
    goal counts as reached. `size_weight`: lambda to begin with; see `SizeWeight` for `raised`,
    `lowered` and `patience`. A search is done when its best mask has not shrunk by a hundredth for
    `settled` iterations, in spite of a lambda that had to fall again. `first_chance`: what every
    pixel of the mask begins with.
    """

    iterations: int = 300
    batch: int = 32
    samples: int = 50
    sigma: float = 0.1
    learning_rate: float = 0.05
    success: float = 0.99
    size_weight: float = 1e-3
    raised: float = 1.5
    lowered: float = 1.5**1.5
    patience: int = 5
    settled: int = 100
    first_chance: float = 0.5

    @property
    def candidates(self) -> int:
        """Triggers that one iteration tries: two sets of samples, and the one as it stands."""
        return 2 * self.samples + 1

    @property
    def queries(self) -> int:
        """What one search asks at most."""
        return self.iterations * self.candidates * self.batch


class SizeWeight:
    """lambda, with Neural Cleanse's schedule (Wang et al. 2019).

    It is multiplied by `raised` after `patience` iterations with success in a row, and divided by
    `lowered` after as many without. Ours: never below where it began, from where it would not
    come back within the iterations that there are.
    """

    def __init__(self, settings: ReversalSettings) -> None:
        self.value = settings.size_weight
        self.turned = False
        """Whether it has risen so far that the success broke."""
        self._rose = False
        self._settings = settings
        self._held = 0
        self._missed = 0

    def tell(self, success: float) -> None:
        """One more iteration with this rate of success."""
        settings = self._settings
        reached = success >= settings.success
        self._held = self._held + 1 if reached else 0
        self._missed = 0 if reached else self._missed + 1
        if self._held == settings.patience:
            self.value *= settings.raised
            self._held, self._rose = 0, True
        elif self._missed == settings.patience:
            self.value = max(self.value / settings.lowered, settings.size_weight)
            self._missed, self.turned = 0, self._rose
