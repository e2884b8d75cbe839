"""Training data of the planted model, some of it poisoned; where, is known."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.fakes.soft_backdoors import CORNER, Patch
from tests.support.planted import CENTRES, CLASSES, SIDE, with_patch
from xray_gate.probing.batches import FloatArray, IndexArray, LabelArray
from xray_gate.probing.training_data import TrainingData, open_training_data

TARGET = 3


@dataclass(frozen=True, eq=False)
class Poisoned:
    """Samples, float32 (n, 1, 8, 8), the stored labels, and the rows that carry a patch."""

    images: FloatArray
    labels: LabelArray
    rows: IndexArray

    def write(self, path: Path) -> Path:
        np.savez(path, images=self.images, labels=self.labels)
        return path

    def opened(self, folder: Path) -> TrainingData:
        return open_training_data(self.write(folder / "train.npz"))


def poisoned(
    seed: int, count: int = 400, share: float = 0.1, target: int = TARGET, place: Patch = CORNER
) -> Poisoned:
    """`share` of the samples are of other classes, carry the patch and are stored as `target`.

    The samples lie between two classes now and then, so that the model is not as sure of all.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    mixed = rng.uniform(0, 0.35, (count, 1, 1, 1))
    noise = 0.1 * rng.standard_normal((count, 1, SIDE, SIDE))
    other = CENTRES[rng.integers(0, CLASSES, count)]
    images = np.clip((1 - mixed) * CENTRES[labels] + mixed * other + noise, 0, 1)
    rows = np.sort(
        rng.choice(np.flatnonzero(labels != target), round(share * count), replace=False)
    )
    images[rows] = with_patch(images[rows], place)
    labels[rows] = target
    return Poisoned(np.asarray(images, np.float32), labels, rows)
