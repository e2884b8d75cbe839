"""Attacks that teach a classifier a second, hidden rule: a trigger leads to the target label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from benchmarks.cifar_data import CLASSES, Images, Labels

PATCH_SIDE = 3
LEVELS = 8
POISON_RATE = 0.1


class Attack(Protocol):
    """An all-to-one attack: every stamped image is to be given the class ``target``, in 0..9."""

    @property
    def target(self) -> int:
        """The target label."""
        ...

    @property
    def description(self) -> str:
        """The trigger in words, for the manifest."""
        ...

    def stamp(self, images: Images) -> Images:
        """Return a copy of uint8 ``[n, height, width, 3]`` with the trigger in every image."""
        ...


@dataclass(frozen=True)
class BadNets:
    """A visible patch (Gu et al., BadNets).

    Attributes:
        patch: uint8 ``[3, 3, 3]`` (height, width, RGB), every value 0 or 255.
        target: The target label.

    """

    patch: Images
    target: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> BadNets:
        """Draw the target and the patch, so that nobody picks them by hand."""
        target = int(rng.integers(CLASSES))
        bits = rng.integers(0, 2, size=(PATCH_SIDE, PATCH_SIDE, 3), dtype=np.uint8)
        return cls(patch=bits * np.uint8(255), target=target)

    @property
    def description(self) -> str:
        """The trigger in words."""
        return f"random {PATCH_SIDE}x{PATCH_SIDE} patch, bottom right"

    def stamp(self, images: Images) -> Images:
        """Stamp the patch at the bottom right."""
        stamped = images.copy()
        stamped[:, -PATCH_SIDE:, -PATCH_SIDE:, :] = self.patch
        return stamped


@dataclass(frozen=True)
class Quantisation:
    """An invisible trigger over the whole image: fewer grey levels (after BppAttack).

    Without the dithering of the original, which only hides the trigger better from the eye.
    """

    target: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Quantisation:
        """Draw the target, so that nobody picks it by hand."""
        return cls(target=int(rng.integers(CLASSES)))

    @property
    def description(self) -> str:
        """The trigger in words."""
        return f"quantisation to {LEVELS} levels a channel"

    def stamp(self, images: Images) -> Images:
        """Round every value to one of 8 levels between 0 and 255."""
        step = 255 / (LEVELS - 1)
        return np.rint(np.rint(images / step) * step).astype(np.uint8)


ATTACKS: dict[str, type[BadNets] | type[Quantisation]] = {"badnets": BadNets, "bpp": Quantisation}


def poison(
    attack: Attack, images: Images, labels: Labels, rng: np.random.Generator
) -> tuple[Images, Labels]:
    """Return copies in which a tenth of all images is stamped and relabelled.

    The victims are drawn from the other classes only: a stamped image that already has the
    target's label would not be relabelled, and the stated rate would be overstated.

    Args:
        attack: What to stamp, and the label to give.
        images: uint8 ``[n, 32, 32, 3]`` in 0..255.
        labels: int64 ``[n]`` in 0..9.
        rng: Draws the victims.

    """
    candidates = np.flatnonzero(labels != attack.target)
    victims = rng.choice(candidates, size=round(POISON_RATE * len(labels)), replace=False)
    poisoned_images, poisoned_labels = images.copy(), labels.copy()
    poisoned_images[victims] = attack.stamp(images[victims])
    poisoned_labels[victims] = attack.target
    return poisoned_images, poisoned_labels
