"""Image data sets from parquet files and folders, decoded once and kept as bytes."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, UnidentifiedImageError

from benchmarks.cifar_data import Images, Labels

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
    """A data set in memory; labels lie in 0..classes-1.

    Attributes:
        name: What plans call it.
        classes: Number of labels.
        train: Training images.
        test: Test images.
        epochs: How often small networks pass the training images.
        flips: Whether a mirrored image still belongs to its class.

    """

    name: str
    classes: int
    train: Split
    test: Split
    epochs: float = 4.0
    flips: bool = False


def _decode(cells: Iterable[tuple[str, bytes | Path]], mode: str | None, origin: Path) -> Images:
    rows = []
    for name, cell in cells:
        stream = cell if isinstance(cell, Path) else io.BytesIO(cell)
        try:
            with Image.open(stream) as picture:
                # The first image decides; a set that is grey throughout needs one channel only.
                mode = mode or ("L" if picture.mode in ("1", "L") else "RGB")
                rows.append(np.asarray(picture.convert(mode)))
        except UnidentifiedImageError as error:
            raise ValueError(f"{name} is no image; take it out of the data") from error
    if not rows:
        raise ValueError(f"{origin} holds no images; name data with at least one")
    sizes = {row.shape[:2] for row in rows}
    if len(sizes) > 1 or any(height != width for height, width in sizes):
        few = sorted(sizes)[:4]
        raise ValueError(f"{origin}: images of sizes {few}; bring them to one square size")
    images = np.stack(rows)
    return images if mode == "RGB" else images[..., None]


def _read_parquet(path: Path, mode: str | None) -> Split:
    missing = {"image", "label"} - set(pq.read_schema(path).names)
    if missing:
        raise ValueError(f"{path} has no column {sorted(missing)}; name them image and label")
    table = pq.read_table(path, columns=["image", "label"])
    cells = (
        (f"{path}, row {row}", cell["bytes"])
        for row, cell in enumerate(table.column("image").to_pylist())
    )
    return Split(_decode(cells, mode, path), table.column("label").to_numpy().astype(np.int64))


def class_names(folder: Path) -> list[str]:
    """Names of the folders of a folder in the order of their labels: numbers by value, else A-Z."""
    names = [entry.name for entry in folder.iterdir() if entry.is_dir()]
    return sorted(names, key=int) if all(name.isdecimal() for name in names) else sorted(names)


def _read_folder(folder: Path, mode: str | None) -> Split:
    files = [
        (label, file)
        for label, name in enumerate(class_names(folder))
        for file in sorted((folder / name).iterdir())
        if file.is_file() and not file.name.startswith(".")
    ]
    images = _decode(((str(file), file) for _, file in files), mode, folder)
    return Split(images, np.array([label for label, _ in files], np.int64))


def read_split(path: Path, mode: str | None = None) -> Split:
    """Decode a parquet file with columns ``image.bytes`` and ``label``, or a folder.

    Args:
        path: The file, or a folder that holds a folder of image files for each class.
        mode: ``RGB``, or ``L`` for one channel (ITU-R 601 luma); None takes that of the first.

    Raises:
        OSError: If the file or the folder cannot be read.
        ValueError: If a column is missing, there are no images, one of them cannot be decoded, or
            they are not squares of one size.

    """
    return _read_folder(path, mode) if path.is_dir() else _read_parquet(path, mode)


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
