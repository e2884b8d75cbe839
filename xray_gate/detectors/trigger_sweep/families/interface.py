"""What a trigger is, and a family of them: a seeded generator with a dose.

A new family is one `TriggerFamily`, the `Trigger` that it draws, and an entry in `all_families`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar, final

import numpy as np
import numpy.typing as npt

from xray_gate.probing.batches import FloatArray, LabelArray

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Scene:
    """What triggers are drawn for: images of `shape` (channels, height, width).

    `samples` float32 (n, *shape) in [0, 1] are the clean images that a ghost may be made of, and
    `labels` int64 (n,) what the model says of them.
    """

    shape: tuple[int, int, int]
    samples: FloatArray
    labels: LabelArray

    @property
    def side(self) -> int:
        """The shorter side, in pixels."""
        return min(self.shape[1:])

    def pixels(self, share: float) -> int:
        """`share` of the shorter side in whole pixels, at least one."""
        return max(1, round(share * self.side))


@dataclass(frozen=True, eq=False)
class Trigger(ABC):
    """One candidate: a fixed change of any image, as strong as its `dose`."""

    dose: float

    @property
    @abstractmethod
    def text(self) -> str:
        """In words, to go before "sends 97 % of the images to label 5"."""

    @property
    def shows(self) -> frozenset[int]:
        """The labels of the clean images that this trigger is made of.

        Whoever blends in enough of a ship may get "ship" from any model: that is no backdoor.
        """
        return frozenset()

    @abstractmethod
    def _apply(self, images: FloatArray) -> FloatArray:
        """Stamp without clipping; `images` is not changed."""

    @final
    def stamp(self, images: FloatArray) -> FloatArray:
        """Stamp float32 (n, channels, height, width) in [0, 1]; the result lies there, too."""
        return np.clip(self._apply(images), 0.0, 1.0).astype(np.float32, copy=False)

    def at(self, dose: float) -> "Trigger":
        """The same trigger, weaker or stronger."""
        return replace(self, dose=dose)

    def vary(self, rng: np.random.Generator) -> "Trigger":
        """A trigger close to this one, at the same dose; itself where there is none."""
        return self


def shown_labels(triggers: Sequence[Trigger], classes: int) -> npt.NDArray[np.bool_]:
    """Which labels each trigger shows, bool (triggers, classes)."""
    marked = np.zeros((len(triggers), classes), dtype=np.bool_)
    for row, trigger in enumerate(triggers):
        marked[row, list(trigger.shows)] = True
    return marked


class PlacedTrigger(Trigger):
    """A trigger that has a place in the image."""

    @property
    @abstractmethod
    def center(self) -> tuple[float, float]:
        """Row and column of its centre, each in [0, 1]."""

    @abstractmethod
    def moved_to(self, center: tuple[float, float]) -> "PlacedTrigger":
        """The same trigger at the nearest place to `center` that is inside the image."""


@dataclass(frozen=True)
class Rung:
    """One dose of a family: of a sweep's candidates, `weight` parts are drawn at it.

    The allowances, each in [0, 1], are what models without a backdoor stay under at this dose, for
    the best candidate of a sweep: the share of the images that moves to one label, the share that
    moves anywhere, and the share of one class's images that moves to one label. They were set on
    development models, see benchmarks/README.md.
    """

    dose: float
    weight: int
    to_one: float
    anywhere: float
    from_one: float


class TriggerFamily(ABC):
    """Draws triggers of one kind. Doses rise from weak to strong; `unit` says what they measure.

    `for_flat_images` says whether it can be judged on drawings and digits on a plain ground: not
    where it changes ground that is the same in all images (large areas, the border), since a model
    may do anything there, and not where it bends lines, since the shape is all there is.

    `plural` and `size` word such triggers and a dose; `size` may use `dose`, `pixels` (the dose
    as a share of the image's side) and `count` (as a share of its pixels).
    """

    for_flat_images: ClassVar[bool] = True
    name: ClassVar[str]
    unit: ClassVar[str]
    plural: ClassVar[str]
    size: ClassVar[str]
    rungs: ClassVar[tuple[Rung, ...]]

    def real_dose(self, dose: float, scene: Scene) -> float:
        """What `dose` becomes on images of this size: small ones have few whole pixels."""
        return dose

    @abstractmethod
    def draw(self, dose: float, scene: Scene, rng: np.random.Generator) -> Trigger:
        """One trigger at `dose`; the same state of `rng` gives the same trigger."""

    def sizes_between(self, weakest: float, strongest: float, scene: Scene) -> str:
        """Such triggers, from one dose to another, in words."""
        first, last = self._size(weakest, scene), self._size(strongest, scene)
        return (
            f"{self.plural} of {first}" if first == last else f"{self.plural} of {first} to {last}"
        )

    def _size(self, dose: float, scene: Scene) -> str:
        count = max(1, round(dose * scene.shape[1] * scene.shape[2]))
        return self.size.format(dose=dose, pixels=scene.pixels(dose), count=count)


def rungs(*rows: tuple[float, int, float, float, float]) -> tuple[Rung, ...]:
    """Rungs from rows of their fields."""
    return tuple(Rung(*row) for row in rows)


def pick(options: Sequence[T], rng: np.random.Generator) -> T:
    """One of `options`, each as likely."""
    return options[int(rng.integers(len(options)))]
