"""Files of images that neither probes nor training data can be: both readers say the same."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.probing.making_training_data import (
    BYTES,
    FLOATS,
    LABELS,
    PNGS,
    npz,
    parquet,
    raw,
    table,
)
from xray_gate.core.errors import InputError
from xray_gate.probing.probe_files import read_probes
from xray_gate.probing.training_data import open_training_data

Write = Callable[[Path], Path]
COUNT = len(LABELS)


def arrays(**named: Any) -> Write:
    def write(tmp: Path) -> Path:
        np.savez(tmp / "t.npz", **named)
        return tmp / "t.npz"

    return write


def truncated(write: Write) -> Write:
    def cut(tmp: Path) -> Path:
        path = write(tmp)
        path.write_bytes(path.read_bytes()[:-40])
        return path

    return cut


def empty_class(tmp: Path) -> Path:
    (tmp / "cat").mkdir()
    return tmp


BROKEN: dict[str, tuple[Write, str]] = {
    "absent": (lambda tmp: tmp / "gone.npz", "no such file or folder"),
    "npz without labels": (arrays(images=BYTES), r"no array 'labels' \(it has: images\)"),
    "npz without images": (arrays(labels=LABELS), r"no array 'images' \(it has: labels\)"),
    "npz of other bytes": (raw("t.npz", b"not a zip file"), "cannot be read as .npz"),
    "a pickle named npz": (raw("t.npz", pickle.dumps([1])), "cannot be read as .npz"),
    "npz cut off": (truncated(npz()), "check that the file is whole"),
    "whole-number pixels": (npz(BYTES.astype(int)), "type int64; save"),
    "no channel axis": (npz(BYTES[..., 0]), "add the missing axis"),
    "a single number": (npz(np.float32(1)), "add the missing axis"),
    "nothing": (npz(BYTES[:0], LABELS[:0]), "`images` is empty"),
    "no pixels": (npz(BYTES[:, :0]), "at least one pixel"),
    "bytes in NCHW": (npz(BYTES.transpose(0, 3, 1, 2)), r"use transpose\(0, 2, 3, 1\)"),
    "floats in NHWC": (npz(FLOATS.transpose(0, 2, 3, 1)), r"use transpose\(0, 3, 1, 2\)"),
    "four channels": (npz(np.zeros((COUNT, 5, 4, 4), np.uint8)), "convert to grey or RGB"),
    "labels in floats": (npz(labels=LABELS * 1.0), "an integer from 0"),
    "labels in booleans": (npz(labels=LABELS > 0), "an integer from 0"),
    "one-hot labels": (npz(labels=np.eye(3, dtype=int)), "argmax"),
    "text labels": (npz(labels=np.array(["a"] * COUNT)), "type <U1"),
    "too few labels": (npz(labels=LABELS[:4]), f"{COUNT} images, but 4 labels"),
    "negative labels": (npz(labels=LABELS - 1), "must be 0 or more"),
    "parquet of other bytes": (raw("t.parquet", b"PAR1 or not"), "cannot be read as parquet"),
    "parquet cut off": (truncated(parquet(PNGS, LABELS)), "cannot be read as parquet"),
    "parquet without image": (
        table({"label": LABELS}),
        r"no column 'image.bytes' \(it has: label\)",
    ),
    "parquet without label": (table({"image.bytes": [b""]}), "no column 'label'"),
    "parquet with text labels": (parquet(PNGS, ["a"] * COUNT), r"`label` \(string, 0 missing\)"),
    "parquet with a label missing": (parquet(PNGS[:2], [0, None]), "1 missing"),
    "parquet without rows": (parquet([], pa.array([], pa.int64())), "holds no images; give"),
    "empty folder": (lambda tmp: tmp, "has no sub-folders"),
    "folder of empty folders": (empty_class, "holds no images"),
}


@pytest.mark.parametrize("read", [read_probes, open_training_data], ids=["probes", "training"])
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_at_once_with_a_remedy(
    case: str, read: Callable[[Path], object], tmp_path: Path
) -> None:
    write, message = BROKEN[case]
    path = write(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert ";" in str(caught.value)
