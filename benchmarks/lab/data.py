"""Image data sets from parquet files, decoded once and kept as bytes."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.cifar_data import Images, Labels

# Name of a data set: name of its files and the mode its images are converted to.
DATASETS = {
    "cifar10": ("cifar10", "RGB"),
    "cifar10-grey": ("cifar10", "L"),
    "gtsrb": ("gtsrb", "RGB"),
    "mnist": ("mnist", "L"),
}
PROBES = 200


@dataclass(frozen=True)
class Split:
    """Images uint8 ``[n, side, side, channels]`` in 0..255 and labels int64 ``[n]``."""

    images: Images
    labels: Labels

    def take(self, rows: Labels) -> Split:
        """The images of these rows, in their order."""
        return Split(self.images[rows], self.labels[rows])


@dataclass(frozen=True)
class DataSet:
    """A data set in memory; labels lie in 0..classes-1."""

    name: str
    classes: int
    train: Split
    test: Split


def read_split(path: Path, mode: str) -> Split:
    """Decode a parquet file with columns ``image.bytes`` and ``label``.

    Args:
        path: The file.
        mode: ``RGB``, or ``L`` for one channel (ITU-R 601 luma).

    Raises:
        ValueError: If the file is empty or its images are not squares of one size.

    """
    table = pq.read_table(path, columns=["image", "label"])
    if table.num_rows == 0:
        raise ValueError(f"{path} holds no images; name a file with at least one")
    rows = []
    for cell in table.column("image").to_pylist():
        with Image.open(io.BytesIO(cell["bytes"])) as picture:
            rows.append(np.asarray(picture.convert(mode)))
    sizes = {row.shape[:2] for row in rows}
    if len(sizes) > 1 or any(height != width for height, width in sizes):
        raise ValueError(f"{path}: images of sizes {sorted(sizes)}; bring them to one square size")
    images = np.stack(rows)
    labels = table.column("label").to_numpy().astype(np.int64)
    return Split(images if mode == "RGB" else images[..., None], labels)


def load(name: str, folder: Path) -> DataSet:
    """Load training and test images of a data set.

    Args:
        name: A key of ``DATASETS``.
        folder: Holds ``<files>-train.parquet`` and ``<files>-test.parquet``.

    Raises:
        ValueError: As ``read_split``, or if the labels are not 0..classes-1 in both files.

    """
    files, mode = DATASETS[name]
    train = read_split(folder / f"{files}-train.parquet", mode)
    test = read_split(folder / f"{files}-test.parquet", mode)
    classes = int(train.labels.max()) + 1
    for split in (train, test):
        if split.labels.min() < 0 or split.labels.max() >= classes:
            raise ValueError(f"{name}: labels outside 0..{classes - 1}; number the classes from 0")
    return DataSet(name, classes, train, test)


def draw_probes(test: Split, count: int, rng: np.random.Generator) -> Split:
    """Draw ``count`` test images, as evenly over the classes as they can be had."""
    order = rng.permutation(len(test.labels))
    rank = np.empty_like(order)
    for label in np.unique(test.labels):
        members = order[test.labels[order] == label]
        rank[members] = np.arange(len(members))
    # First one image of every class, then a second one, and so on.
    rows = order[np.argsort(rank[order], kind="stable")][:count]
    return test.take(rows)
