"""Encoded labelled images as they lie in parquet files and class folders."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xray_gate.core.errors import InputError
from xray_gate.core.file_digest import file_digest, folder_digest
from xray_gate.probing.batches import IndexArray, LabelArray
from xray_gate.probing.image_files import Bytes
from xray_gate.probing.probe_arrays import integer_labels

_ROWS_AT_A_TIME = 64
_MOST_BYTES_AT_A_TIME = 2**28
_HARMLESS_ROWS = 2**20
# As pyarrow is set by default it holds whole row groups, which may be the whole file.
_BUFFER_BYTES = 2**20
_CLASS_NUMBER = re.compile("[0-9]{1,9}")

Encoded = tuple[str, Path | bytes]


class EncodedFiles(Protocol):
    """Images that have to be decoded, in a fixed order; only labels and names are in memory."""

    @property
    def labels(self) -> LabelArray:
        """One for each image, int64 (n,)."""
        ...

    def name(self, row: int) -> str:
        """A short name of image `row`, for people: its place below what was opened."""
        ...

    def encoded(self, rows: IndexArray) -> Iterator[Encoded]:
        """The images at `rows`, which ascend without repeats, each with its name for messages."""
        ...

    def digest(self) -> str:
        """`sha256:` and a hash over the files that were found; raises OSError."""
        ...


class ParquetFiles:
    """The rows of one or more parquet files, one after the other: `image.bytes` and `label`.

    Raises `InputError` when a file cannot be read, or lacks a column or a label.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        labels = [_parquet_labels(path) for path in paths]
        self._starts = np.cumsum([0, *map(len, labels)])
        self.labels: LabelArray = np.concatenate(labels)

    def name(self, row: int) -> str:
        """Such as `train.parquet: row 12`, counted from 0 in that file."""
        file = int(np.searchsorted(self._starts, row, side="right")) - 1
        return f"{self._paths[file].name}: row {row - self._starts[file]}"

    def encoded(self, rows: IndexArray) -> Iterator[Encoded]:
        """As `EncodedFiles` says; row groups without any of `rows` are not read."""
        bounds = np.searchsorted(rows, self._starts)
        for index, path in enumerate(self._paths):
            within = rows[bounds[index] : bounds[index + 1]] - self._starts[index]
            if len(within):
                yield from _parquet_images(path, within)

    def digest(self) -> str:
        """As `EncodedFiles` says; the name of a single file does not count."""
        if len(self._paths) == 1:
            return file_digest(self._paths[0])
        return folder_digest((path.name, path) for path in self._paths)


class ClassFolder:
    """The files of a folder with a sub-folder for each class, as they were when it was opened.

    Raises `InputError` when the folder cannot be listed or has no sub-folders.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: list[str] = []
        labels: list[int] = []
        try:
            for file, label in _labelled_files(path):
                self._files.append(file.relative_to(path).as_posix())
                labels.append(label)
        except OSError as error:
            raise InputError(
                f"{path}: cannot be listed ({error}); check its permissions"
            ) from error
        self.labels: LabelArray = np.array(labels, dtype=np.int64)

    def name(self, row: int) -> str:
        """Such as `cat/12.png`."""
        return self._files[row]

    def encoded(self, rows: IndexArray) -> Iterator[Encoded]:
        """As `EncodedFiles` says."""
        for row in rows.tolist():
            file = self._path / self._files[row]
            yield str(file), file

    def digest(self) -> str:
        """As `EncodedFiles` says."""
        return folder_digest((name, self._path / name) for name in self._files)


def require_same_size(image: Bytes, name: str, first: tuple[int, ...], first_name: str) -> None:
    """Raise `InputError` where `image` is not of the size (height, width) of the first one."""
    if image.shape[:2] != first:
        raise InputError(
            f"{name}: is {image.shape[0]} x {image.shape[1]} pixels, {first_name} is "
            f"{first[0]} x {first[1]}; set `size` in the policy's preprocessing"
        )


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES) as file:
            yield file
    except InputError:
        raise
    # pyarrow answers broken files with almost any exception.
    except Exception as error:
        raise InputError(
            f"{path}: cannot be read as parquet ({error}); check that the file is whole, or write "
            "it again"
        ) from error


def _parquet_labels(path: Path) -> LabelArray:
    with _parquet(path) as file:
        leaves = {column.path for column in file.schema}
        missing = [name for name in ("image.bytes", "label") if name not in leaves]
        if missing:
            raise InputError(
                f"{path}: has no column {missing[0]!r} (it has: {', '.join(sorted(leaves))}); "
                "store encoded images in `image.bytes` and integers in `label`"
            )
        rows = sum(_rows_of_groups(file.metadata))
        _require_rows(path, rows)
        column = file.read(columns=["label"]).column("label")
        if len(column) != rows:
            raise ValueError(f"it holds {len(column):,} labels in {rows:,} rows")
    if not pa.types.is_integer(column.type) or column.null_count:
        raise InputError(
            f"{path}: the column `label` ({column.type}, {column.null_count} missing) must hold an "
            "integer in each row; write class numbers from 0"
        )
    return integer_labels(column.to_numpy(), f"{path}: `label`")


def _require_rows(path: Path, rows: int) -> None:
    """Refuse a file whose labels alone would fill the memory: equal ones take next to no bytes."""
    size = path.stat().st_size
    if rows > max(_HARMLESS_ROWS, size):
        raise InputError(
            f"{path}: says that it holds {rows:,} images in {size:,} bytes; write it again with an "
            "encoded image in each row"
        )


def _rows_of_groups(metadata: Any) -> list[int]:
    return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


def _rows_at_a_time(metadata: Any, groups: Sequence[int]) -> int:
    """How many images are held at once: each may be as large as all that its group unpacks to."""
    largest = max((metadata.row_group(group).total_byte_size for group in groups), default=0)
    return max(1, min(_ROWS_AT_A_TIME, _MOST_BYTES_AT_A_TIME // max(1, largest)))


def _parquet_images(path: Path, rows: IndexArray) -> Iterator[Encoded]:
    with _parquet(path) as file:
        groups, stored = _groups_with(rows, file.metadata)
        wanted = np.isin(stored, rows, assume_unique=True)
        start = 0
        rows_at_a_time = _rows_at_a_time(file.metadata, groups)
        for batch in file.iter_batches(rows_at_a_time, row_groups=groups, columns=["image.bytes"]):
            column = batch.column(0)
            for position in np.flatnonzero(wanted[start : start + len(column)]).tolist():
                name = f"{path}: row {stored[start + position]}"
                yield name, _content(column[position], name)
            start += len(column)


def _groups_with(rows: IndexArray, metadata: Any) -> tuple[list[int], IndexArray]:
    """The row groups that hold any of `rows`, and the numbers of all rows in these groups."""
    starts = np.cumsum([0, *_rows_of_groups(metadata)])
    groups = np.flatnonzero(np.diff(np.searchsorted(rows, starts))).tolist()
    stored = [np.arange(starts[group], starts[group + 1]) for group in groups]
    return groups, np.concatenate([np.empty(0, dtype=np.int64), *stored])


def _content(value: Any, name: str) -> bytes:
    stored = value.as_py()
    if isinstance(stored, dict):
        stored = stored.get("bytes")
    if not isinstance(stored, bytes):
        raise InputError(f"{name}: `image.bytes` holds no bytes; store an encoded image there")
    return stored


def _labelled_files(path: Path) -> Iterator[tuple[Path, int]]:
    folders = sorted(f for f in path.iterdir() if f.is_dir() and not f.name.startswith("."))
    if not folders:
        raise InputError(f"{path}: has no sub-folders; put the images of each class in one")
    numbered = all(_CLASS_NUMBER.fullmatch(folder.name) for folder in folders)
    for position, folder in enumerate(folders):
        for file in _visible_files(folder):
            yield file, int(folder.name) if numbered else position


def _visible_files(folder: Path) -> Iterable[Path]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return (f for f in files if not any(p.startswith(".") for p in f.relative_to(folder).parts))
