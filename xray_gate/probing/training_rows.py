"""Passes over the rows of stored training data: a batch at a time, whatever its kind."""

import math
import zipfile
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from xray_gate.core.errors import InputError
from xray_gate.probing.batches import FloatArray, IndexArray, LabelArray
from xray_gate.probing.encoded_files import EncodedFiles, require_same_size
from xray_gate.probing.image_files import Bytes, Size, decode_image, resize_bytes, resize_floats
from xray_gate.probing.probe_arrays import (
    integer_labels,
    npz_errors,
    require_a_label_each,
    require_arrays,
    require_images,
    require_no_bomb,
    scaled,
)

Shape = tuple[int, int, int]

# About what Pillow decodes at most, in values: the one thing that a batch of one row must hold.
_MOST_VALUES_A_ROW = 2**28


class TrainingRows(Protocol):
    """Stored images by row number; `shape` is (channels, height, width) after any resizing."""

    @property
    def labels(self) -> LabelArray:
        """Of all rows, int64 (n,), 0 or more."""
        ...

    @property
    def shape(self) -> Shape:
        """Of every image that `read` gives."""
        ...

    def name(self, row: int) -> str:
        """What people call this row."""
        ...

    def read(self, rows: IndexArray, at_a_time: int) -> Iterator[FloatArray]:
        """Images of `rows`, which ascend without repeats, float32 (n, *shape) in [0, 1].

        Each time `at_a_time` of them, fewer at the end. Raises `InputError`.
        """
        ...


class EncodedRows:
    """Encoded images, of which the first one says how large all are."""

    def __init__(
        self, files: EncodedFiles, source: str, size: Size | None, channels: int | None
    ) -> None:
        require_labels(files.labels, source)
        self.labels = files.labels
        self._files = files
        self._source = source
        self._size = size
        first = next(files.encoded(np.zeros(1, dtype=np.int64)), None)
        if first is None:
            raise changed(source)
        self._first, content = first
        height, width, found = decode_image(content, self._first, size).shape
        why = f"{self._first} has" if channels is None else "the model takes"
        self._wanted = f"{channels or found}, which {why}"
        self.shape: Shape = (channels or found, height, width)
        require_channels(found, self.shape[0], self._first, self._wanted)

    def name(self, row: int) -> str:
        """As `EncodedFiles` says."""
        return self._files.name(row)

    def read(self, rows: IndexArray, at_a_time: int) -> Iterator[FloatArray]:
        """As `TrainingRows` says; the error names the image that does not fit the first."""
        images = self._images(rows)
        for start in range(0, len(rows), at_a_time):
            part = list(islice(images, at_a_time))
            if len(part) != len(rows[start : start + at_a_time]):
                raise changed(self._source)
            yield scaled(np.stack(part))

    def _images(self, rows: IndexArray) -> Iterator[Bytes]:
        channels, *size = self.shape
        for name, content in self._files.encoded(rows):
            image = decode_image(content, name, self._size)
            require_same_size(image, name, tuple(size), self._first)
            require_channels(image.shape[2], channels, name, self._wanted)
            yield np.broadcast_to(image, (*size, channels))


class NpzRows:
    """The arrays `images` and `labels` of an .npz file; images are unpacked row by row.

    Where it is not `labelled`, there need be no `labels`, none are read, and all are -1.
    Whether it is compressed makes no difference: a pass unpacks all up to the last row asked for.
    Some damage shows only in the checksum, and so at the end of a whole pass.
    """

    def __init__(
        self, path: Path, size: Size | None, channels: int | None, labelled: bool = True
    ) -> None:
        self._path = path
        self._size = size
        with npz_errors(path), zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            require_arrays(names, path, ("images", "labels") if labelled else ("images",))
            require_no_bomb(sum(member.file_size for member in archive.infolist()), path)
            labels = _stored_labels(archive) if labelled else None
            with archive.open("images.npy") as member:
                self._layout = _layout(member)
            _, stored, self._dtype = self._layout
            require_images(stored, self._dtype, path)
            self._require_rows(archive.getinfo("images.npy").file_size)
        self.labels = np.full(stored[0], -1, dtype=np.int64)
        if labels is not None:
            self.labels = integer_labels(labels, f"{path}: `labels`")
            require_a_label_each(stored[0], self.labels, path)
            require_labels(self.labels, str(path))
        self._row_shape = stored[1:]
        self._row_bytes = math.prod(self._row_shape) * self._dtype.itemsize
        turned = self._row_shape[-1:] + self._row_shape[:-1]
        found, height, width = turned if self._dtype == np.uint8 else self._row_shape
        require_channels(
            found, channels or found, f"{path}: `images`", f"{channels}, which the model takes"
        )
        self.shape: Shape = (channels or found, *(size or (height, width)))

    def name(self, row: int) -> str:
        """Such as `train.npz: row 12`, counted from 0."""
        return f"{self._path.name}: row {row}"

    def read(self, rows: IndexArray, at_a_time: int) -> Iterator[FloatArray]:
        """As `TrainingRows` says; the error names the rows that are damaged or out of range."""
        with npz_errors(self._path):
            archive = zipfile.ZipFile(self._path)
        with archive, closing(self._open_images(archive)) as member:
            begin = member.tell()
            for start in range(0, len(rows), at_a_time):
                part = rows[start : start + at_a_time]
                with npz_errors(self._path, f" rows {part[0]} to {part[-1]}"):
                    stored = self._stored(member, begin, part)
                pixels = self._pixels(stored, part)
                # Only grey images differ in this from what was asked for.
                same = pixels.shape[1] == self.shape[0]
                yield pixels if same else np.repeat(pixels, self.shape[0], axis=1)

    def _open_images(self, archive: zipfile.ZipFile) -> Any:
        with npz_errors(self._path):
            member = archive.open("images.npy")
            if _layout(member) != self._layout:
                raise changed(str(self._path))
        return member

    def _require_rows(self, member_bytes: int) -> None:
        begin, stored, dtype = self._layout
        if math.prod(stored[1:]) > _MOST_VALUES_A_ROW:
            raise InputError(
                f"{self._path}: images of {stored[1:]} values are too large to be read one at a "
                "time; save them in the size that the model takes"
            )
        expected = begin + math.prod(stored) * dtype.itemsize
        if member_bytes != expected:
            raise ValueError(f"`images` has {member_bytes} bytes, {expected} are needed")

    def _stored(self, member: Any, begin: int, rows: IndexArray) -> npt.NDArray[Any]:
        stored = np.empty((len(rows), *self._row_shape), dtype=self._dtype)
        filled = 0
        # Neighbours are read at once; in a whole pass a batch is one such run.
        for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
            member.seek(begin + int(run[0]) * self._row_bytes)
            content = member.read(len(run) * self._row_bytes)
            values = np.frombuffer(content, dtype=self._dtype)
            stored[filled : filled + len(run)] = values.reshape(len(run), *self._row_shape)
            filled += len(run)
        return stored

    def _pixels(self, stored: npt.NDArray[Any], rows: IndexArray) -> FloatArray:
        if self._dtype == np.uint8:
            return scaled(stored if self._size is None else resize_bytes(stored, self._size))
        # Doubles too large for float32 become infinite, which is refused.
        with np.errstate(over="ignore"):
            pixels = stored.astype(np.float32)
        self._require_range(pixels, rows)
        return pixels if self._size is None else resize_floats(pixels, self._size)

    def _require_range(self, pixels: FloatArray, rows: IndexArray) -> None:
        # Written so that NaN, which compares as false, is out of range.
        sound = ((pixels >= 0.0) & (pixels <= 1.0)).all(axis=(1, 2, 3))
        if not sound.all():
            first = int(np.argmin(sound))
            low, high = pixels[first].min(), pixels[first].max()
            raise InputError(
                f"{self._path}: row {rows[first]}: pixels range from {low:.3g} to {high:.3g}; "
                "float images must be numbers in [0, 1] (save uint8 images, or divide by 255)"
            )


def require_labels(labels: LabelArray, source: str) -> None:
    """Raise `InputError` where there are no labels, or negative ones."""
    if len(labels) == 0:
        raise InputError(
            f"{source}: holds no images; give the labelled images that the model was trained on"
        )
    if labels.min() < 0:
        raise InputError(
            f"{source}: labels must be 0 or more, found {labels.min()} in row {labels.argmin()}; "
            "number the classes from 0, as the model does"
        )


def require_channels(found: int, wanted: int, name: str, reason: str) -> None:
    """Raise `InputError` where images of `found` channels cannot be given as `wanted` ones."""
    if found != wanted and (found, wanted) != (1, 3):
        raise InputError(
            f"{name}: has {found} channels instead of {reason}; convert all images to grey, or "
            "all to RGB, as the model was trained on them"
        )


def changed(source: str) -> InputError:
    """The error for a file that is no longer what was opened."""
    return InputError(f"{source}: changed while it was read; scan again when nobody writes to it")


def _stored_labels(archive: zipfile.ZipFile) -> npt.NDArray[Any]:
    with archive.open("labels.npy") as member:
        labels: npt.NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
    return labels


def _layout(member: Any) -> tuple[int, tuple[int, ...], np.dtype[Any]]:
    """Where an .npy array's values begin, its shape and type; read from its header."""
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(member)
    else:
        raise ValueError(f"`images` is stored in the format {version}, not 1.0 or 2.0")
    if fortran:
        raise ValueError("`images` is in Fortran order; save numpy.ascontiguousarray(images)")
    return member.tell(), shape, dtype
