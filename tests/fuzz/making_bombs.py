"""What the bombs are made of: built on the spot, and small."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.targets.images import chunk

MIB = 2**20

POLICY = "apiVersion: xray-gate/v1\nkind: Policy\nname: a\ndetectors:\n  trigger_sweep: {}\n"


def policy_with(rest: str) -> Callable[[], bytes]:
    return lambda: (POLICY + rest).encode()


def aliases() -> bytes:
    lines = ["      p0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"      p{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return (POLICY + "  others:\n    mine:\n     parameters:\n" + "\n".join(lines) + "\n").encode()


def merges() -> bytes:
    lines = ["- &a0 {k: 1}"]
    lines += [f"- &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 10)]
    return (POLICY + "class_names:\n" + "\n".join(lines) + "\n").encode()


def npy(shape: str, kind: str, values: bytes = b"") -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header + values


def npz(**members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return target.getvalue()


def images_of_zeros(mib: int) -> Callable[[], bytes]:
    side = 1024
    shape = f"({mib}, {side}, {side}, 1)"
    return lambda: npz(
        images=npy(shape, "|u1", bytes(mib * MIB)),
        labels=npy(f"({mib},)", "<i8", bytes(8 * mib)),
    )


def labels_of_zeros(mib: int) -> Callable[[], bytes]:
    count = mib * MIB // 8
    return lambda: npz(
        images=npy("(3, 1, 1, 1)", "|u1", bytes(3)),
        labels=npy(f"({count},)", "<i8", bytes(mib * MIB)),
    )


def trigger_of_zeros(mib: int) -> bytes:
    side = 1024
    return npz(
        mask=npy(f"({side}, {side})", "<f4", bytes(4 * side * side)),
        pattern=npy(f"({mib // 4}, {side}, {side})", "<f4", bytes(mib * MIB)),
        label=npy("()", "<i8", bytes(8)),
        detector=npy("()", "<U1", b"b\0\0\0"),
        scan_id=npy("()", "<U1", b"s\0\0\0"),
    )


def lying(shape: str, kind: str = "|u1") -> Callable[[], bytes]:
    return lambda: npz(images=npy(shape, kind), labels=npy("(3,)", "<i8", bytes(24)))


def png(side: int, packed: bytes | None = None, *more: tuple[bytes, bytes]) -> bytes:
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", head), *(chunk(*one) for one in more)]
    parts += [chunk(b"IDAT", packed or zlib.compress(b"\0")), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def packed_zeros(length: int) -> bytes:
    packer = zlib.compressobj(1)
    parts = [packer.compress(bytes(MIB)) for _ in range(length // MIB)]
    return b"".join([*parts, packer.compress(bytes(length % MIB)), packer.flush()])


def parquet(columns: dict[str, Any], **how: Any) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table(columns), target, compression="zstd", store_schema=False, **how)
    return target.getvalue()


def many_rows() -> bytes:
    count = 2**24
    labels = pa.array(np.zeros(count, np.int8))
    return parquet({"image.bytes": pa.nulls(count, pa.binary()), "label": labels})


def one_large_row() -> bytes:
    count = 64
    values = pa.array([bytes(32 * MIB)], pa.binary())
    repeated = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), values)
    labels = pa.array(np.arange(count) % 3)
    return parquet({"image.bytes": repeated, "label": labels}, row_group_size=count)


def large_images() -> bytes:
    image = largest_image()
    return parquet({"image.bytes": pa.array([image] * 4, pa.binary()), "label": [0, 1, 2, 3]})


def largest_image() -> bytes:
    """About as many pixels as Pillow decodes."""
    return png(9400, packed_zeros(9400 * (1 + 3 * 9400)))


def text_of(text: str) -> Callable[[], bytes]:
    return text.encode
