"""Probe sets from arrays: .npz files, and the checks that all kinds of image files share."""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xray_gate.core.errors import InputError
from xray_gate.probing.batches import FloatArray, IndexArray, LabelArray
from xray_gate.probing.image_files import Bytes, Size, resize_bytes, resize_floats
from xray_gate.probing.probe_set import ProbeSet

# As float32 this is 2 GiB: a probe set is a few hundred images, not a training set.
_MOST_VALUES = 2**29
_MOST_NPZ_BYTES = 2**32
# Zeros pack a thousand to one, pictures hardly two to one. Little is harmless however it is packed.
_HARMLESS_BYTES = 2**26
_HIGHEST_RATIO = 100


def read_npz(path: Path, size: Size | None, limit: int) -> ProbeSet:
    """The .npz kind of `read_probes`, which describes it; raises `InputError`."""
    images, stored = _npz_arrays(path)
    labels = integer_labels(stored, f"{path}: `labels`")
    require_images(images.shape, images.dtype, path)
    require_a_label_each(len(images), labels, path)
    chosen = balanced(labels, limit)
    images, labels = images[chosen], labels[chosen]
    require_room(len(images), images.shape[1:] if size is None else (*size, 3), path)
    if images.dtype == np.uint8:
        sized = images if size is None else resize_bytes(images, size)
        return ProbeSet(scaled(sized), labels, source=str(path))
    # Doubles too large for float32 become infinite, which the probe set refuses.
    with np.errstate(over="ignore"):
        pixels = np.ascontiguousarray(images, dtype=np.float32)
    probes = ProbeSet(pixels, labels, source=str(path))
    if size is None:
        return probes
    # Only once the set is known to be in range, as resizing clips.
    return ProbeSet(resize_floats(probes.images, size), labels, source=str(path))


def _npz_arrays(path: Path) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    with npz_errors(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > _MOST_NPZ_BYTES:
            raise InputError(
                f"{path}: unpacks to {unpacked / 2**30:.0f} GiB; save fewer images (some hundred "
                "are enough)"
            )
        require_no_bomb(unpacked, path)
        with np.load(path, allow_pickle=False) as arrays:
            require_arrays(arrays.files, path)
            return stored_array(arrays, "images"), stored_array(arrays, "labels")


def require_no_bomb(unpacked: int, path: Path) -> None:
    """Raise `InputError` where the file at `path` unpacks to far more bytes than it has."""
    if unpacked > max(_HARMLESS_BYTES, _HIGHEST_RATIO * path.stat().st_size):
        raise InputError(
            f"{path}: unpacks to more than {_HIGHEST_RATIO} times its size "
            f"({unpacked >> 20:,} MiB), as bombs do; if it is meant so, save it with numpy.savez, "
            "which does not pack"
        )


def stored_array(arrays: Any, name: str) -> npt.NDArray[Any]:
    """An array of an opened .npz file; ValueError where its member is none."""
    values = arrays[name]
    # Of other content numpy gives the bytes.
    if not isinstance(values, np.ndarray):
        raise ValueError(f"`{name}` is no array")
    return values


@contextmanager
def npz_errors(path: Path, where: str = "") -> Iterator[None]:
    """What goes wrong inside becomes an `InputError`, with `where` after the file's name."""
    try:
        yield
    except InputError:
        raise
    # Besides its own errors numpy passes on those of zipfile, zlib and the header's parser.
    except Exception as error:
        raise InputError(
            f"{path}:{where} cannot be read as .npz ({error}); save it again with numpy.savez, "
            "with plain number arrays, and check that the file is whole"
        ) from error


def require_arrays(
    names: Sequence[str], path: Path, wanted: Sequence[str] = ("images", "labels")
) -> None:
    """Raise `InputError` where `names`, those of an .npz file's arrays, lack one of `wanted`."""
    missing = [name for name in wanted if name not in names]
    if missing:
        given = ", ".join(f"{name}=..." for name in wanted)
        raise InputError(
            f"{path}: holds no array {missing[0]!r} (it has: {', '.join(names)}); "
            f"save it with numpy.savez(file, {given})"
        )


def require_a_label_each(images: int, labels: LabelArray, path: Path) -> None:
    """Raise `InputError` where there are not as many labels as images."""
    if images != len(labels):
        raise InputError(
            f"{path}: {images} images, but {len(labels)} labels; save one label an image"
        )


def require_images(shape: tuple[int, ...], dtype: np.dtype[Any], path: Path) -> None:
    """Raise `InputError` where an array of this shape and type is none of images."""
    layout, channel_axis, other_axis = "(n, channels, height, width)", 1, 3
    if dtype == np.uint8:
        layout, channel_axis, other_axis = "(n, height, width, channels)", 3, 1
    elif dtype.kind != "f":
        raise InputError(
            f"{path}: `images` has the type {dtype}; save uint8 (0 to 255) or float32 ([0, 1])"
        )
    problem = f"{path}: {dtype} `images` has the shape {shape}, expected {layout}"
    if len(shape) != 4:
        raise InputError(f"{problem}; add the missing axis (grey images have 1 channel)")
    if shape[0] == 0:
        raise InputError(f"{path}: `images` is empty; save some labelled images")
    if shape[channel_axis] not in (1, 3):
        if shape[other_axis] in (1, 3):
            order = (0, 2, 3, 1) if channel_axis == 3 else (0, 3, 1, 2)
            raise InputError(f"{problem}; the channels look misplaced, use transpose{order}")
        raise InputError(f"{problem} with 1 or 3 channels; convert to grey or RGB")
    if 0 in shape[1:]:
        raise InputError(f"{problem} with at least one pixel; save the images again")


def scaled(images: Bytes) -> FloatArray:
    """Images uint8 (n, height, width, channels) as float32 (n, channels, height, width), [0, 1]."""
    pixels = np.ascontiguousarray(images.transpose(0, 3, 1, 2), dtype=np.float32)
    pixels /= np.float32(255.0)
    return pixels


def integer_labels(labels: npt.NDArray[Any], name: str) -> LabelArray:
    """As int64 (n,); raises `InputError`, in which `name` says whose labels they are."""
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise InputError(
            f"{name} has the shape {labels.shape} and type {labels.dtype}; give one class number "
            "(an integer from 0) for each image, for one-hot rows their argmax(axis=1)"
        )
    return labels.astype(np.int64)


def balanced(labels: LabelArray, limit: int) -> IndexArray:
    """Indices, ascending, of at most `limit` samples, as evenly over the classes as they allow."""
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    rank = np.empty(len(labels), dtype=np.int64)
    rank[order] = np.arange(len(labels)) - np.searchsorted(ordered, ordered)
    return np.sort(np.argsort(rank, kind="stable")[:limit])


def require_room(count: int, shape: tuple[int, ...], path: Path) -> None:
    """Raise `InputError` where `count` images of `shape` are too many to hold in memory."""
    if count * int(np.prod(shape)) > _MOST_VALUES:
        raise InputError(
            f"{path}: {count} images of {shape} pixels are more than a scan holds in memory; give "
            "fewer images, or set `size` in the policy's preprocessing"
        )
