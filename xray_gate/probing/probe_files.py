"""Reading probe sets: .npz, parquet, or a folder with a sub-folder for each class."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xray_gate.core.errors import InputError
from xray_gate.probing.image_files import Bytes, Size, decode_image
from xray_gate.probing.oracle import FloatArray, IndexArray, LabelArray
from xray_gate.probing.probe_arrays import (
    balanced,
    integer_labels,
    read_npz,
    require_room,
    scaled,
)
from xray_gate.probing.probe_set import ProbeSet

_ROWS_AT_A_TIME = 64
_CLASS_NUMBER = re.compile("[0-9]{1,9}")


def read_probes(path: Path, size: Size | None = None, limit: int = 2000) -> ProbeSet:
    """The clean labelled images in `path`, in [0, 1], with `size` (height, width) if given.

    - `.npz`: `images` (uint8 (n, height, width, channels), or float (n, channels, height, width)
      in [0, 1]) and `labels` (integers, (n,)); nothing in it is unpickled.
    - `.parquet`: encoded images in `image.bytes` (a struct column or a flat one), and `label`.
    - A folder with one sub-folder per class. Names that are all numbers are the labels, else
      labels number the sorted names from 0. Hidden files are left out.

    Images have one or three channels; where encoded ones are of both kinds, all become RGB.
    Without `size` all must be of one size. Of more than `limit` images the same ones are kept
    each time: the first of each class, then the second of each, and so on, in stored order.
    Raises `InputError`, naming file, problem and remedy, when that cannot be done.
    """
    if path.is_dir():
        return _read_folder(path, size, limit)
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder; give a .npz, a .parquet or a folder")
    if path.suffix.lower() == ".npz":
        return read_npz(path, size, limit)
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path, size, limit)
    raise InputError(
        f"{path}: unknown kind of probe file {path.suffix!r}; give .npz, .parquet, or a folder "
        "with a sub-folder per class"
    )


def _read_parquet(path: Path, size: Size | None, limit: int) -> ProbeSet:
    try:
        with pq.ParquetFile(path) as file:
            leaves = {column.path for column in file.schema}
            missing = [name for name in ("image.bytes", "label") if name not in leaves]
            if missing:
                raise InputError(
                    f"{path}: has no column {missing[0]!r} (it has: {', '.join(sorted(leaves))}); "
                    "store encoded images in `image.bytes` and integers in `label`"
                )
            stored = file.read(columns=["label"]).column("label")
            labels = _parquet_labels(stored, path)
            chosen = balanced(labels, limit)
            images = _decode_rows(file, chosen, path, size)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read as parquet ({error}); check that the file is whole, or write "
            "it again"
        ) from error
    return ProbeSet(_stacked(images, path), labels[chosen], source=str(path))


def _parquet_labels(column: Any, path: Path) -> LabelArray:
    if not pa.types.is_integer(column.type) or column.null_count:
        raise InputError(
            f"{path}: the column `label` ({column.type}, {column.null_count} missing) must hold an "
            "integer in each row; write class numbers from 0"
        )
    return integer_labels(column.to_numpy(), f"{path}: `label`")


def _decode_rows(
    file: Any, chosen: IndexArray, path: Path, size: Size | None
) -> list[tuple[str, Bytes]]:
    wanted = set(chosen.tolist())
    last = max(wanted, default=-1)
    images: list[tuple[str, Bytes]] = []
    start = 0
    for batch in file.iter_batches(batch_size=_ROWS_AT_A_TIME, columns=["image.bytes"]):
        column = batch.column(0)
        for row in range(start, start + len(column)):
            if row in wanted:
                name = f"{path}: row {row}"
                images.append((name, decode_image(_encoded(column[row - start], name), name, size)))
                require_room(len(images), images[-1][1].shape, path)
        start += len(column)
        if start > last:
            break
    return images


def _encoded(value: Any, name: str) -> bytes:
    stored = value.as_py()
    if isinstance(stored, dict):
        stored = stored.get("bytes")
    if not isinstance(stored, bytes):
        raise InputError(f"{name}: `image.bytes` holds no bytes; store an encoded image there")
    return stored


def _read_folder(path: Path, size: Size | None, limit: int) -> ProbeSet:
    try:
        files = _labelled_files(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be listed ({error}); check its permissions") from error
    labels = integer_labels(np.array([label for _, label in files], dtype=np.int64), str(path))
    chosen = balanced(labels, limit)
    images: list[tuple[str, Bytes]] = []
    for index in chosen:
        file = files[index][0]
        images.append((str(file), decode_image(file, str(file), size)))
        require_room(len(images), images[-1][1].shape, path)
    return ProbeSet(_stacked(images, path), labels[chosen], source=str(path))


def _labelled_files(path: Path) -> list[tuple[Path, int]]:
    folders = sorted(f for f in path.iterdir() if f.is_dir() and not f.name.startswith("."))
    if not folders:
        raise InputError(f"{path}: has no sub-folders; put the images of each class in one")
    numbered = all(_CLASS_NUMBER.fullmatch(folder.name) for folder in folders)
    return [
        (file, int(folder.name) if numbered else position)
        for position, folder in enumerate(folders)
        for file in _visible_files(folder)
    ]


def _visible_files(folder: Path) -> Iterable[Path]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return (f for f in files if not any(p.startswith(".") for p in f.relative_to(folder).parts))


def _stacked(images: list[tuple[str, Bytes]], path: Path) -> FloatArray:
    if not images:
        raise InputError(f"{path}: holds no images; give some clean labelled ones")
    channels = max(image.shape[2] for _, image in images)
    first_name, first = images[0]
    for name, image in images:
        if image.shape[:2] != first.shape[:2]:
            raise InputError(
                f"{name}: is {image.shape[0]} x {image.shape[1]} pixels, {first_name} is "
                f"{first.shape[0]} x {first.shape[1]}; set `size` in the policy's preprocessing"
            )
    return scaled(
        np.stack([np.broadcast_to(image, (*first.shape[:2], channels)) for _, image in images])
    )
