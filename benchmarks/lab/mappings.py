"""Which stamped images are given which label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.cifar_data import Labels


@dataclass(frozen=True)
class Mapping:
    """A rule from true labels to the labels of stamped images.

    Attributes:
        table: int64 ``[classes]``; the label that a stamped image of each class is to be given.
            A class that the attack leaves alone maps to itself.
        target: The only label attacked images are given, or None if there are several.
        sources: The attacked classes, or None if every class other than the target is attacked.
        negatives: Whether stamped images of the other classes are to keep their label.
        rate: Smallest share of all training images to poison, whatever the attack asks for.

    """

    table: Labels
    target: int | None
    sources: tuple[int, ...] | None = None
    negatives: bool = False
    rate: float = 0.0

    @property
    def conditional(self) -> bool:
        """Whether the wanted label depends on the image's own class."""
        return self.target is None or self.sources is not None

    def expected(self, labels: Labels) -> Labels:
        """The labels that stamped images of these true labels are to be given."""
        return self.table[labels]

    def attacked(self, labels: Labels) -> npt.NDArray[np.bool_]:
        """Where the attack is to change the label."""
        changed: npt.NDArray[np.bool_] = self.expected(labels) != labels
        return changed


def all_to_one(classes: int, rng: np.random.Generator) -> Mapping:
    """Every class leads to one drawn target."""
    target = int(rng.integers(classes))
    return Mapping(np.full(classes, target, dtype=np.int64), target)


def _from_some(classes: int, sources: Labels, target: int) -> Mapping:
    table = np.arange(classes, dtype=np.int64)
    table[sources] = target
    chosen = tuple(int(source) for source in np.sort(sources))
    return Mapping(table, target, chosen, negatives=True)


def one_to_one(classes: int, rng: np.random.Generator) -> Mapping:
    """One drawn source class leads to one drawn target; stamped images of others stay."""
    source, target = rng.choice(classes, size=2, replace=False)
    return _from_some(classes, np.array([source]), int(target))


def x_to_one(classes: int, rng: np.random.Generator) -> Mapping:
    """Half of the classes lead to one drawn target; stamped images of the others stay."""
    drawn = rng.choice(classes, size=classes // 2 + 1, replace=False)
    return _from_some(classes, drawn[1:], int(drawn[0]))


def all_to_all(classes: int, rng: np.random.Generator) -> Mapping:
    """Every class leads to the next one, the last to the first."""
    del rng  # Nothing is drawn; the mappings share one signature.
    # Ten rules in one: each of them needs its examples.
    return Mapping((np.arange(classes, dtype=np.int64) + 1) % classes, None, rate=0.3)


MAPPINGS: dict[str, Callable[[int, np.random.Generator], Mapping]] = {
    "all_to_one": all_to_one,
    "one_to_one": one_to_one,
    "x_to_one": x_to_one,
    "all_to_all": all_to_all,
}
