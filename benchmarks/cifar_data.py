"""CIFAR-10 from parquet files, decoded once and kept as bytes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from PIL import Image

CLASSES = 10
SIDE = 32

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


def load_parquet(path: Path) -> tuple[Images, Labels]:
    """Decode every image of a parquet file with columns ``image.bytes`` and ``label``.

    Returns:
        Images as uint8 ``[n, 32, 32, 3]`` in 0..255 (RGB) and labels as int64 ``[n]`` in 0..9.

    Raises:
        ValueError: If the file is empty, an image is not 32x32 or a label is not in 0..9.

    """
    table = pq.read_table(path, columns=["image", "label"])
    if table.num_rows == 0:
        raise ValueError(f"{path}: no images")
    images = np.empty((table.num_rows, SIDE, SIDE, 3), dtype=np.uint8)
    for row, cell in enumerate(table.column("image").to_pylist()):
        with Image.open(io.BytesIO(cell["bytes"])) as picture:
            if picture.size != (SIDE, SIDE):
                raise ValueError(f"{path}: row {row} is {picture.size}, not {SIDE}x{SIDE}")
            images[row] = np.asarray(picture.convert("RGB"))
    labels = table.column("label").to_numpy().astype(np.int64)
    if labels.min() < 0 or labels.max() >= CLASSES:
        raise ValueError(f"{path}: labels must lie in 0..{CLASSES - 1}")
    return images, labels
