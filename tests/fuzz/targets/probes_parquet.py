"""Encoded images in parquet files, as probes and as training data."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.choosing import Choose, changed_bytes
from tests.fuzz.reading import read_all
from tests.fuzz.scratch import written
from tests.probing.making_training_data import PNGS

WORDS = (b"PAR1", b"image", b"bytes", b"label", b"image.bytes", b"ARROW:schema", b"schema")
_COUNT = 5


def target(data: bytes) -> None:
    """What is read are images in [0, 1] with a label each."""
    read_all(written("probes_parquet/t.parquet", data))


def seeds() -> Mapping[str, bytes]:
    """A struct column and a flat one, in one group of rows and in several, and odd columns."""
    labels = pa.array(np.arange(_COUNT) % 3)
    flat = pa.array(PNGS[:_COUNT], pa.binary())
    struct = pa.StructArray.from_arrays([flat], ["bytes"])
    large = pa.array(PNGS[:_COUNT], pa.large_binary())
    missing = pa.array([None, *PNGS[1:_COUNT]], pa.binary())
    return {
        "struct": _saved({"image": struct, "label": labels}, row_group_size=2),
        "flat": _saved({"image.bytes": flat, "label": labels}, compression="zstd"),
        "large": _saved({"image.bytes": large, "label": labels.cast(pa.int8())}),
        "plain": _saved({"image": struct, "label": labels}, use_dictionary=False),
        "v2": _saved({"image.bytes": flat, "label": labels}, data_page_version="2.0"),
        "missing": _saved({"image.bytes": missing, "label": labels}),
        "decimal": _saved({"image.bytes": flat, "label": labels.cast(pa.decimal128(20, 0))}),
        "both": _saved({"image": struct, "image.bytes": flat, "label": labels}),
        "list": _saved({"image.bytes": flat, "label": pa.array([[1]] * _COUNT)}),
    }


def _saved(columns: Mapping[str, Any], **how: Any) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), target, **how)
    return target.getvalue()


def mutate(data: bytes, choose: Choose) -> bytes:
    """Other columns, or bytes of the footer, which says where everything is."""
    if not choose(4):
        return _other_columns(choose)
    length = int.from_bytes(data[-8:-4], "little") + 8
    if len(data) <= length or not choose(3):
        return changed_bytes(data, choose)
    footer = changed_bytes(data[-length:-8], choose)
    return data[:-length] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


_COLUMNS: tuple[Any, ...] = (
    lambda: pa.array(np.arange(_COUNT)),
    lambda: pa.array(np.arange(_COUNT, dtype=np.uint64) + 2**63),
    lambda: pa.array([True] * _COUNT),
    lambda: pa.array([None] * _COUNT),
    lambda: pa.array(PNGS[:_COUNT], pa.binary()),
    lambda: pa.array(["x"] * _COUNT).dictionary_encode(),
    lambda: pa.array(PNGS[:_COUNT]).dictionary_encode(),
    lambda: pa.array([{"bytes": b""}, {"bytes": None}, None, {"bytes": PNGS[0]}, {}]),
    lambda: pa.array([[PNGS[0]], [], None, [], []]),
    lambda: pa.array([{"bytes": {"bytes": b"x"}}] * _COUNT),
    lambda: pa.array([1, 2, None, 3, 4]),
    lambda: pa.array([(2**31) * 10**9] * _COUNT, pa.timestamp("ns")),
    lambda: pa.array([1] * _COUNT).dictionary_encode(),
    lambda: pa.array([], pa.int64()),
)


def _other_columns(choose: Choose) -> bytes:
    names = ["image", "image.bytes", "label", "label", "bytes", ""]
    arrays = [_COLUMNS[choose(len(_COLUMNS))]() for _ in range(2 + choose(2))]
    chosen = [names[choose(len(names))] for _ in arrays]
    least = min(map(len, arrays))
    target = io.BytesIO()
    pq.write_table(pa.table([array[:least] for array in arrays], names=chosen), target)
    return target.getvalue()
