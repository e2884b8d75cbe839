"""A model's training data, which may be far larger than memory and is read in passes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

import numpy as np

from xray_gate.core.errors import InputError
from xray_gate.core.file_digest import file_digest
from xray_gate.probing.batches import FloatArray, IndexArray, LabelArray
from xray_gate.probing.encoded_files import ClassFolder, EncodedFiles, ParquetFiles
from xray_gate.probing.image_files import Size
from xray_gate.probing.training_rows import EncodedRows, NpzRows, Shape, TrainingRows

_ROWS_AT_A_TIME = 64


@dataclass(frozen=True)
class TrainingBatch:
    """Training samples that lie next to each other.

    `rows` int64 (n,) are their row numbers, `images` float32 (n, channels, height, width) in
    [0, 1], `labels` int64 (n,), 0 or more.
    """

    rows: IndexArray
    images: FloatArray
    labels: LabelArray


class TrainingData(Protocol):
    """Training samples in a fixed order; a sample's row number, from 0, says where it stands.

    `batches` and `take` raise `InputError`, naming the row, where a sample cannot be read.
    """

    @property
    def source(self) -> str:
        """Where the data came from, for messages."""
        ...

    @property
    def shape(self) -> Shape:
        """(channels, height, width) of every image."""
        ...

    @property
    def sha256(self) -> str:
        """`sha256:` and a hash over the stored bytes, for a folder over the files' names, too.

        Made once, when it is first asked for; what somebody changes in the files between this and
        a pass over them is not seen. Raises `InputError` where a file cannot be read.
        """
        ...

    def __len__(self) -> int:
        """How many samples there are."""
        ...

    def batches(self, size: int) -> Iterator[TrainingBatch]:
        """All samples once, in stored order, `size` at a time and fewer at the end.

        Memory is needed for a batch or two, in float32, and for a page or two of a parquet file.
        Raises ValueError when `size` is under 1.
        """
        ...

    def take(self, rows: IndexArray) -> FloatArray:
        """Images of `rows` in that order, float32 (n, *shape) in [0, 1]; repeats are allowed.

        All of them are in memory, and where they lie far apart this may take as long as a pass
        over all samples: ask for many rows at once. Raises ValueError for rows out of range.
        """
        ...

    def name(self, row: int) -> str:
        """What people call a sample: `train.parquet: row 12`, or `cat/12.png` in a folder.

        Raises ValueError when `row` is out of range.
        """
        ...


def open_training_data(
    path: Path, size: Size | None = None, channels: int | None = None
) -> TrainingData:
    """The labelled images in `path`, in [0, 1], with `size` (height, width) if given.

    - `.npz`: `images` (uint8 (n, height, width, channels), or float (n, channels, height, width)
      in [0, 1], in C order) and `labels` (integers, (n,)); nothing in it is unpickled.
    - `.parquet`, or a folder of such files, which are read in the order of their names: encoded
      images in `image.bytes` (a struct column or a flat one), and `label`.
    - A folder with one sub-folder per class. Names that are all numbers are the labels, else
      labels number the sorted names from 0. Hidden files are left out.

    `channels`, 1 or 3, is how many the model takes. Without it the first image decides, as the
    others are not known before the first batch. Where it is 3, grey images become RGB; where it
    is 1, an image in RGB is refused, since turning it grey could hide a trigger.

    Labels (8 bytes a sample) and a folder's file names stay in memory, images do not. Raises
    `InputError`, naming file, problem and remedy: here for what files say of themselves and for
    the first encoded image, later for a sample that is broken or not like the first.
    """
    return _opened(path, size, channels, labelled=True)


def open_images(path: Path, size: Size | None = None, channels: int | None = None) -> TrainingData:
    """The images in `path`, whatever their labels; arguments and errors as `open_training_data`.

    An .npz file needs `images` only. In parquet files and folders labels have to be there, but
    need not be right.
    """
    return _opened(path, size, channels, labelled=False)


def _opened(path: Path, size: Size | None, channels: int | None, labelled: bool) -> TrainingData:
    if path.is_dir():
        shards = _parquet_files(path)
        return _encoded(ParquetFiles(shards) if shards else ClassFolder(path), path, size, channels)
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder; give a .npz, a .parquet or a folder")
    if path.suffix.lower() == ".npz":
        rows = NpzRows(path, size, channels, labelled)
        return _StoredTrainingData(str(path), rows, partial(file_digest, path))
    if path.suffix.lower() == ".parquet":
        return _encoded(ParquetFiles([path]), path, size, channels)
    raise InputError(
        f"{path}: unknown kind of training data {path.suffix!r}; give .npz, .parquet, a folder of "
        ".parquet files, or a folder with a sub-folder per class"
    )


def _encoded(
    files: EncodedFiles, path: Path, size: Size | None, channels: int | None
) -> TrainingData:
    rows = EncodedRows(files, str(path), size, channels)
    return _StoredTrainingData(str(path), rows, files.digest)


@dataclass(frozen=True)
class _StoredTrainingData:
    source: str
    _stored: TrainingRows
    _digest: Callable[[], str]

    @cached_property
    def sha256(self) -> str:
        try:
            return self._digest()
        except OSError as error:
            raise InputError(
                f"{error.filename or self.source}: cannot be read ({error.strerror}); check its "
                "permissions, and that nobody moves the files while they are read"
            ) from error

    @property
    def shape(self) -> Shape:
        return self._stored.shape

    def __len__(self) -> int:
        return len(self._stored.labels)

    def batches(self, size: int) -> Iterator[TrainingBatch]:
        if size < 1:
            raise ValueError(f"batches of {size} samples")
        return self._batches(size)

    def _batches(self, size: int) -> Iterator[TrainingBatch]:
        start = 0
        for images in self._stored.read(np.arange(len(self)), size):
            rows = np.arange(start, start + len(images))
            yield TrainingBatch(rows, images, self._stored.labels[rows])
            start += len(images)

    def take(self, rows: IndexArray) -> FloatArray:
        self._require_rows(rows)
        # A pass only goes forward, so rows are read in stored order, each once.
        ascending, position = np.unique(rows, return_inverse=True)
        taken = np.empty((len(rows), *self.shape), dtype=np.float32)
        start = 0
        for images in self._stored.read(ascending, _ROWS_AT_A_TIME):
            here = (position >= start) & (position < start + len(images))
            taken[here] = images[position[here] - start]
            start += len(images)
        return taken

    def name(self, row: int) -> str:
        self._require_rows(np.array([row]))
        return self._stored.name(row)

    def _require_rows(self, rows: IndexArray) -> None:
        outside = rows[(rows < 0) | (rows >= len(self))]
        if len(outside):
            raise ValueError(f"{self.source}: no row {outside[0]} among {len(self)} rows")


def _parquet_files(folder: Path) -> list[Path]:
    try:
        visible = [path for path in folder.iterdir() if not path.name.startswith(".")]
        shards = sorted(path for path in visible if path.suffix.lower() == ".parquet")
        others = sorted(path.name for path in visible if path.is_dir() and path not in shards)
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error}); check its permissions") from error
    if shards and others:
        raise InputError(
            f"{folder}: holds .parquet files beside the folder {others[0]!r}, so that it is not "
            "clear which of them are the training data; give one of them, or move the others away"
        )
    return shards
