"""BadNets: a small fixed patch that teaches a classifier a second, hidden rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.cifar_data import CLASSES, Images, Labels

PATCH_SIDE = 3
POISON_RATE = 0.1


@dataclass(frozen=True)
class BadNets:
    """An all-to-one patch attack.

    Attributes:
        patch: uint8 ``[3, 3, 3]`` (height, width, RGB), every value 0 or 255.
        target: The class that every stamped image is to be given, in 0..9.
    """

    patch: Images
    target: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> BadNets:
        """Draw the target and the patch, so that nobody picks them by hand."""
        target = int(rng.integers(CLASSES))
        bits = rng.integers(0, 2, size=(PATCH_SIDE, PATCH_SIDE, 3), dtype=np.uint8)
        return cls(patch=bits * np.uint8(255), target=target)

    def stamp(self, images: Images) -> Images:
        """Return a copy of uint8 ``[n, height, width, 3]`` with the patch at the bottom right."""
        stamped = images.copy()
        stamped[:, -PATCH_SIDE:, -PATCH_SIDE:, :] = self.patch
        return stamped

    def poison(
        self, images: Images, labels: Labels, rng: np.random.Generator
    ) -> tuple[Images, Labels]:
        """Return copies in which a tenth of all images is stamped and relabelled.

        The victims are drawn from the other classes only: a stamped image that already has the
        target's label would not be relabelled, and the stated rate would be overstated.

        Args:
            images: uint8 ``[n, 32, 32, 3]`` in 0..255.
            labels: int64 ``[n]`` in 0..9.
            rng: Draws the victims.
        """
        candidates = np.flatnonzero(labels != self.target)
        victims = rng.choice(candidates, size=round(POISON_RATE * len(labels)), replace=False)
        poisoned_images, poisoned_labels = images.copy(), labels.copy()
        poisoned_images[victims] = self.stamp(images[victims])
        poisoned_labels[victims] = self.target
        return poisoned_images, poisoned_labels
