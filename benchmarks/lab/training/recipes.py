"""Ways to train a clean model, those that make hard references among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.cifar_data import Labels
from benchmarks.lab.data.splits import Split


@dataclass(frozen=True)
class Recipe:
    """What differs from ordinary training.

    Attributes:
        crops: Whether images are shifted (and flipped where the data set allows it).
        strong: Whether brightness, contrast, greyscale and erased squares vary, too.
        mixup: Parameter of the Beta distribution of mixup (Zhang et al. 2018); 0 is off.
        subset: Share of the training images that is used.
        epochs: Factor on the data set's epochs.
        stop_at: Training accuracy, a running mean, at which training stops early.
        tail: How many times more images the most frequent class has than the rarest one.
        noise: Share of the training images whose label is replaced by another one.

    """

    crops: bool = True
    strong: bool = False
    mixup: float = 0.0
    subset: float = 1.0
    epochs: float = 1.0
    stop_at: float | None = None
    tail: float = 1.0
    noise: float = 0.0


RECIPES: dict[str, Recipe] = {
    "normal": Recipe(),
    "long": Recipe(epochs=2),
    "overfitted": Recipe(crops=False, subset=0.1, epochs=10),
    "undertrained": Recipe(stop_at=0.57),
    "mixup": Recipe(mixup=0.4),
    "strong_augmentation": Recipe(strong=True),
    "imbalanced": Recipe(tail=50.0, epochs=2),
    "label_noise": Recipe(noise=0.1),
}


def _long_tail(labels: Labels, classes: int, tail: float, rng: np.random.Generator) -> Labels:
    """Rows that leave class sizes falling exponentially, the classes' order drawn."""
    kept = []
    for place, label in enumerate(rng.permutation(classes)):
        members = np.flatnonzero(labels == label)
        size = max(1, round(len(members) * tail ** (-place / (classes - 1))))
        kept.append(rng.choice(members, size=size, replace=False))
    return np.concatenate(kept)


def prepare(recipe: Recipe, train: Split, classes: int, rng: np.random.Generator) -> Split:
    """Choose the images and labels that a recipe trains on."""
    if recipe.tail > 1:
        train = train.take(_long_tail(train.labels, classes, recipe.tail, rng))
    if recipe.subset < 1:
        count = round(recipe.subset * len(train.labels))
        train = train.take(rng.choice(len(train.labels), size=count, replace=False))
    if recipe.noise > 0:
        labels = train.labels.copy()
        rows = rng.choice(len(labels), size=round(recipe.noise * len(labels)), replace=False)
        labels[rows] = (labels[rows] + rng.integers(1, classes, size=len(rows))) % classes
        train = Split(train.images, labels)
    return train
