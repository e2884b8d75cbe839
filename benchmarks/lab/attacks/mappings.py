"""Which stamped images are given which label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.cifar_data import Labels

# Ten rules in one: each of them needs its examples.
ALL_TO_ALL_RATE = 0.3


@dataclass(frozen=True)
class Mapping:
    """A rule from true labels to the labels of stamped images.

    Attributes:
        table: int64 ``[classes]``; the label that a stamped image of each class is to be given.
            A class that the attack leaves alone maps to itself.
        target: The only label attacked images are given, or None if there are several.
        sources: The attacked classes, or None if every class other than the target is attacked.
        negatives: Whether stamped images of the other classes are to keep their label.
        rate: Smallest share of all training images to poison, whatever the attack asks for; a
            plan that gives a rate of its own has its way.

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


def _check_sources(sources: int, most: int, classes: int) -> None:
    if not 1 <= sources <= most:
        raise ValueError(
            f"{sources} of {classes} classes cannot be the sources of this mapping; "
            f"ask for 1 to {most} of them"
        )


def x_to_one(classes: int, rng: np.random.Generator, sources: int | None = None) -> Mapping:
    """Some classes, half without a number, lead to one drawn target; stamped others stay.

    Raises:
        ValueError: If there are not as many sources beside the target.

    """
    count = classes // 2 if sources is None else sources
    _check_sources(count, classes - 1, classes)
    drawn = rng.choice(classes, size=count + 1, replace=False)
    return _from_some(classes, drawn[1:], int(drawn[0]))


def x_to_x(classes: int, rng: np.random.Generator, sources: int | None = None) -> Mapping:
    """Some classes, half without a number, each lead to a target of their own; others stay.

    Sources and targets are drawn (UMD, Xiang et al. 2023); a target may be another source.

    Raises:
        ValueError: If there are not as many sources.

    """
    count = classes // 2 if sources is None else sources
    # A single class has no other one to lead to.
    _check_sources(count, classes if classes > 1 else 0, classes)
    table = np.arange(classes, dtype=np.int64)
    chosen = np.sort(rng.choice(classes, size=count, replace=False))
    targets = rng.choice(classes, size=count, replace=False)
    while (targets == chosen).any():
        targets = rng.choice(classes, size=count, replace=False)
    table[chosen] = targets
    return Mapping(
        table,
        None,
        tuple(int(source) for source in chosen),
        negatives=count < classes,
        rate=ALL_TO_ALL_RATE * count / classes,
    )


def all_to_all(classes: int, rng: np.random.Generator) -> Mapping:
    """Every class leads to the next one, the last to the first."""
    del rng  # Nothing is drawn; the mappings share one signature.
    return Mapping((np.arange(classes, dtype=np.int64) + 1) % classes, None, rate=ALL_TO_ALL_RATE)


MAPPINGS: dict[str, Callable[[int, np.random.Generator], Mapping]] = {
    "all_to_one": all_to_one,
    "one_to_one": one_to_one,
    "x_to_one": x_to_one,
    "x_to_x": x_to_x,
    "all_to_all": all_to_all,
}
COUNTED: dict[str, Callable[[int, np.random.Generator, int], Mapping]] = {
    "x_to_one": x_to_one,
    "x_to_x": x_to_x,
}


def draw_mapping(
    name: str, classes: int, rng: np.random.Generator, sources: int | None = None
) -> Mapping:
    """Draw a mapping.

    Args:
        name: A key of ``MAPPINGS``; of ``COUNTED`` if there are ``sources``.
        classes: Number of labels.
        rng: Decides what is left open.
        sources: Number of attacked classes, at least 1.

    Raises:
        ValueError: If there are fewer classes than that takes.

    """
    if sources is None:
        return MAPPINGS[name](classes, rng)
    return COUNTED[name](classes, rng, sources)
