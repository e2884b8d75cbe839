"""Reading probe sets: .npz, parquet, or a folder with a sub-folder for each class."""

from pathlib import Path

import numpy as np

from xray_gate.core.errors import InputError
from xray_gate.probing.batches import FloatArray
from xray_gate.probing.encoded_files import (
    ClassFolder,
    EncodedFiles,
    ParquetFiles,
    require_same_size,
)
from xray_gate.probing.image_files import Bytes, Size, decode_image
from xray_gate.probing.probe_arrays import balanced, read_npz, require_room, scaled
from xray_gate.probing.probe_set import ProbeSet

# Of blank pictures, that they are small when encoded says little; many large ones are no probes.
_HARMLESS_BYTES = 2**28
_HIGHEST_RATIO = 100


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
        return _read_encoded(ClassFolder(path), path, size, limit)
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder; give a .npz, a .parquet or a folder")
    if path.suffix.lower() == ".npz":
        return read_npz(path, size, limit)
    if path.suffix.lower() == ".parquet":
        return _read_encoded(ParquetFiles([path]), path, size, limit)
    raise InputError(
        f"{path}: unknown kind of probe file {path.suffix!r}; give .npz, .parquet, or a folder "
        "with a sub-folder per class"
    )


def _read_encoded(files: EncodedFiles, path: Path, size: Size | None, limit: int) -> ProbeSet:
    chosen = balanced(files.labels, limit)
    images: list[tuple[str, Bytes]] = []
    encoded = decoded = 0
    for name, content in files.encoded(chosen):
        images.append((name, decode_image(content, name, size)))
        require_room(len(images), images[-1][1].shape, path)
        encoded += len(content) if isinstance(content, bytes) else content.stat().st_size
        decoded += images[-1][1].size
        if decoded > max(_HARMLESS_BYTES, _HIGHEST_RATIO * encoded):
            raise InputError(
                f"{name}: the images up to this one unpack to more than {_HIGHEST_RATIO} times "
                "their size, as bombs do; give ordinary pictures, or set `size` in the policy's "
                "preprocessing"
            )
    return ProbeSet(_stacked(images, path), files.labels[chosen], source=str(path))


def _stacked(images: list[tuple[str, Bytes]], path: Path) -> FloatArray:
    if not images:
        raise InputError(f"{path}: holds no images; give some clean labelled ones")
    channels = max(image.shape[2] for _, image in images)
    first_name, first = images[0]
    for name, image in images:
        require_same_size(image, name, first.shape[:2], first_name)
    return scaled(
        np.stack([np.broadcast_to(image, (*first.shape[:2], channels)) for _, image in images])
    )
