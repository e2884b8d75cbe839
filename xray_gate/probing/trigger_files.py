"""Reversed triggers as files: what a scan found, for whoever works with it later."""

import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xray_gate.core.errors import InputError
from xray_gate.probing.batches import FloatArray
from xray_gate.probing.probe_arrays import npz_errors, require_no_bomb, stored_array
from xray_gate.probing.shown_trigger import ShownTrigger

_ARRAYS = ("mask", "pattern", "label", "detector", "scan_id")
# Two float64 arrays of 4096 x 4096 pixels in three channels.
_MOST_BYTES = 2**30


@dataclass(frozen=True, eq=False)
class StoredTrigger:
    """What `detector` learned for `label` in the scan `scan_id`; see `ShownTrigger`.

    `mask` float32 (height, width) and `pattern` (channels, height, width), both in [0, 1]: an
    image under it is (1 - mask) * image + mask * pattern.
    """

    label: int
    mask: FloatArray
    pattern: FloatArray
    detector: str
    scan_id: str


def trigger_file(trigger: ShownTrigger, scan_id: str) -> tuple[str, bytes] | None:
    """A name such as `b3d_label_3.npz` and what belongs into the file.

    Its arrays are `mask`, `pattern`, `label`, `detector` and `scan_id`, the last one so that files
    of an earlier scan in the same folder are told apart. None for a trigger that has no mask.
    """
    if trigger.mask is None or trigger.pattern is None or trigger.label is None:
        return None
    content = io.BytesIO()
    np.savez_compressed(
        content,
        mask=trigger.mask,
        pattern=trigger.pattern,
        label=np.int64(trigger.label),
        detector=np.str_(trigger.detector),
        scan_id=np.str_(scan_id),
    )
    # A plug-in's name may hold anything, and the file belongs into one folder.
    detector = re.sub(r"[^A-Za-z0-9_-]", "_", trigger.detector)
    return f"{detector}_label_{trigger.label}.npz", content.getvalue()


def read_trigger(path: Path) -> StoredTrigger:
    """A trigger as `trigger_file` made it; nothing in the file is unpickled.

    Raises `InputError`, naming the file, when it cannot be read or its arrays are no trigger.
    """
    with npz_errors(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > _MOST_BYTES:
            raise _no_trigger(path, f"unpacks to {unpacked >> 20} MiB")
        require_no_bomb(unpacked, path)
        with np.load(path, allow_pickle=False) as arrays:
            missing = [name for name in _ARRAYS if name not in arrays.files]
            if missing:
                raise _no_trigger(path, f"holds no array {missing[0]!r}")
            mask, pattern, label, detector, scan_id = (
                stored_array(arrays, name) for name in _ARRAYS
            )
    if mask.ndim != 2 or pattern.ndim != 3 or pattern.shape[1:] != mask.shape:
        raise _no_trigger(
            path,
            f"a mask of the shape {mask.shape} does not go with a pattern of {pattern.shape}",
        )
    if label.ndim or label.dtype.kind not in "iu" or label < 0:
        raise _no_trigger(path, "`label` is not a whole number, 0 or more")
    return StoredTrigger(
        int(label),
        _shares(mask, "mask", path),
        _shares(pattern, "pattern", path),
        _text(detector, "detector", path),
        _text(scan_id, "scan_id", path),
    )


def _text(value: npt.NDArray[Any], name: str, path: Path) -> str:
    if value.ndim or value.dtype.kind != "U":
        raise _no_trigger(path, f"`{name}` is no text")
    return str(value)


def _shares(values: npt.NDArray[Any], name: str, path: Path) -> FloatArray:
    # Written so that NaN, which compares as false, is out of range.
    inside = values.dtype.kind == "f" and ((values >= 0) & (values <= 1)).all()
    if not inside or not values.size:
        raise _no_trigger(path, f"`{name}` must hold numbers in [0, 1]")
    return np.ascontiguousarray(values, dtype=np.float32)


def _no_trigger(path: Path, problem: str) -> InputError:
    return InputError(f"{path}: is no reversed trigger: {problem}; scan the model again with --out")
