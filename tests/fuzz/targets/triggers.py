"""Files of reversed triggers, in a scan's folder."""

import io
from collections.abc import Mapping

import numpy as np

from tests.fuzz.choosing import Choose, changed_bytes, changed_npy, changed_zip
from tests.fuzz.scratch import written
from tests.fuzz.telling import require
from xray_gate.core.errors import InputError
from xray_gate.probing.trigger_files import read_trigger

WORDS = (
    *(
        b"mask.npy",
        b"pattern.npy",
        b"label.npy",
        b"detector.npy",
        b"scan_id.npy",
        b"\x93NUMPY\x01\0",
    ),
    *(
        b"'<f4'",
        b"'<f8'",
        b"'<i8'",
        b"'<U6'",
        b"'|O'",
        b"'shape': ()",
        b"PK\x01\x02",
        b"PK\x05\x06",
    ),
)


def target(data: bytes) -> None:
    """What is read are a mask and a pattern in [0, 1] that go together."""
    path = written("triggers/t.npz", data)
    try:
        trigger = read_trigger(path)
    except InputError as error:
        require(error, str(path))
        return
    assert trigger.mask.dtype == trigger.pattern.dtype == np.float32
    assert trigger.mask.shape == trigger.pattern.shape[1:]
    assert trigger.label >= 0
    for values in (trigger.mask, trigger.pattern):
        assert values.size
        assert values.min() >= 0
        assert values.max() <= 1
    assert isinstance(trigger.detector + trigger.scan_id, str)


def seeds() -> Mapping[str, bytes]:
    """Stored and compressed, in floats of several widths."""
    found = {}
    for name in ("float16", "float32", "float64"):
        arrays = {
            "mask": np.full((2, 3), 0.5, name),
            "pattern": np.full((3, 2, 3), 0.5, name),
            "label": np.int64(2),
            "detector": np.str_("b3d"),
            "scan_id": np.str_("scan-1"),
        }
        target = io.BytesIO()
        (np.savez if name == "float16" else np.savez_compressed)(target, **arrays)  # type: ignore[arg-type]
        found[name] = target.getvalue()
    return found


def mutate(data: bytes, choose: Choose) -> bytes:
    """Other arrays in a sound archive, or other bytes."""
    return changed_zip(data, choose, changed_npy) if choose(4) else changed_bytes(data, choose)
