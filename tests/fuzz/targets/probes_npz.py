"""Arrays of images and labels, as probes and as training data."""

import io
from collections.abc import Mapping

import numpy as np

from tests.fuzz.choosing import Choose, changed_bytes, changed_npy, changed_zip
from tests.fuzz.reading import read_all
from tests.fuzz.scratch import written

WORDS = (
    *(
        b"images.npy",
        b"labels.npy",
        b"\x93NUMPY\x01\0",
        b"PK\x01\x02",
        b"PK\x03\x04",
        b"PK\x05\x06",
    ),
    *(b"'descr': '|u1'", b"'<f4'", b"'<i8'", b"'|O'", b"'fortran_order': True", b"'shape': (3,)"),
)


def target(data: bytes) -> None:
    """What is read are finite images in [0, 1] with a label each."""
    read_all(written("probes_npz/t.npz", data))


def seeds() -> Mapping[str, bytes]:
    """Bytes and floats, stored and compressed, with and without labels."""
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 256, (5, 4, 3, 3), dtype=np.uint8)
    labels = np.arange(5) % 3
    floats = rng.random((5, 1, 4, 3), dtype=np.float32)
    return {
        "bytes": _saved(images=whole, labels=labels),
        "packed": _saved(packed=True, images=whole[..., :1], labels=labels.astype(np.uint8)),
        "floats": _saved(images=floats, labels=labels),
        "doubles": _saved(images=floats.astype(np.float64), labels=labels),
        "halves": _saved(images=floats.astype(np.float16), labels=labels),
        "unlabelled": _saved(images=whole),
    }


def _saved(packed: bool = False, **arrays: np.ndarray) -> bytes:
    target = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(target, **arrays)  # type: ignore[arg-type]
    return target.getvalue()


def mutate(data: bytes, choose: Choose) -> bytes:
    """Other arrays in a sound archive, or other bytes."""
    return changed_zip(data, choose, changed_npy) if choose(4) else changed_bytes(data, choose)
