"""Small files that stand for large ones, each with the reader that is to refuse it in time."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.backends.asking import request
from tests.fuzz.played import PlayedProcess
from tests.fuzz.targets.child import framed
from tests.fuzz.targets.images import chunk
from xray_gate.backends.isolation import IsolatedModel
from xray_gate.policy.calibration import read_calibration
from xray_gate.policy.files import read_policy
from xray_gate.probing.image_files import decode_image
from xray_gate.probing.probe_files import read_probes
from xray_gate.probing.training_data import open_training_data
from xray_gate.probing.trigger_files import read_trigger
from xray_gate.report.json_v1 import read_report
from xray_gate.scan.calibration_draft import CalibrationDraft
from xray_gate.scan.ports import FileRules
from xray_gate.signing.dsse import MOST_BYTES, opened
from xray_gate.signing.key_folder import read_signing_key
from xray_gate.signing.trust import read_trust
from xray_gate.signing.wire import read_bytes
from xray_gate.static_checks.check import check_files

Read = Callable[[Path], object]
MIB = 2**20


@dataclass(frozen=True)
class Bomb:
    """`said`: what the refusal must say, as a regular expression; empty where it is read.

    `most_mb`: by how much the reader's process may grow meanwhile.
    """

    name: str
    read: Read
    file: str
    build: Callable[[], bytes]
    said: str
    most_mb: int = 200


def _report(path: Path) -> object:
    return read_report(path.read_bytes())


def _envelope(path: Path) -> object:
    return opened(read_bytes(path, MOST_BYTES, "signed verdict"), {})


def _draft(path: Path) -> object:
    return CalibrationDraft(path.with_name(path.name.removesuffix(".unfinished.json")), {}).read()


def _key(path: Path) -> object:
    path.chmod(0o600)
    return read_signing_key(path, None)


def _look(path: Path) -> object:
    check_files(path, FileRules())
    return None


def _image(path: Path) -> object:
    return decode_image(path, "an image").shape


def _training(path: Path) -> object:
    data = open_training_data(path)
    return [batch.rows for batch in data.batches(64)]


def _answer(path: Path) -> object:
    with PlayedProcess([path.read_bytes()]) as process:
        return IsolatedModel(process, "onnx", request(path), {}).classes


_HEAD = "apiVersion: xray-gate/v1\nkind: Policy\nname: a\ndetectors:\n  trigger_sweep: {}\n"


def _yaml(rest: str) -> Callable[[], bytes]:
    return lambda: (_HEAD + rest).encode()


def _aliases() -> bytes:
    lines = ["      p0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"      p{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return (_HEAD + "  others:\n    mine:\n     parameters:\n" + "\n".join(lines) + "\n").encode()


def _merges() -> bytes:
    lines = ["- &a0 {k: 1}"]
    lines += [f"- &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 10)]
    return (_HEAD + "class_names:\n" + "\n".join(lines) + "\n").encode()


def _zeros(mib: int, header: bytes = b"") -> Callable[[], bytes]:
    """A member of an archive: `header` and so many MiB of zeros."""
    return lambda: header + bytes(mib * MIB)


def _npy(shape: str, kind: str, values: bytes = b"") -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header + values


def _npz(**members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return target.getvalue()


def _images(mib: int) -> Callable[[], bytes]:
    side = 1024
    shape = f"({mib}, {side}, {side}, 1)"
    return lambda: _npz(
        images=_npy(shape, "|u1", bytes(mib * MIB)),
        labels=_npy(f"({mib},)", "<i8", bytes(8 * mib)),
    )


def _labels(mib: int) -> Callable[[], bytes]:
    count = mib * MIB // 8
    return lambda: _npz(
        images=_npy("(3, 1, 1, 1)", "|u1", bytes(3)),
        labels=_npy(f"({count},)", "<i8", bytes(mib * MIB)),
    )


def _trigger(mib: int) -> bytes:
    side = 1024
    return _npz(
        mask=_npy(f"({side}, {side})", "<f4", bytes(4 * side * side)),
        pattern=_npy(f"({mib // 4}, {side}, {side})", "<f4", bytes(mib * MIB)),
        label=_npy("()", "<i8", bytes(8)),
        detector=_npy("()", "<U1", b"b\0\0\0"),
        scan_id=_npy("()", "<U1", b"s\0\0\0"),
    )


def _lying(shape: str, kind: str = "|u1") -> Callable[[], bytes]:
    return lambda: _npz(images=_npy(shape, kind), labels=_npy("(3,)", "<i8", bytes(24)))


def _png(side: int, packed: bytes | None = None, *more: tuple[bytes, bytes]) -> bytes:
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", head), *(chunk(*one) for one in more)]
    parts += [chunk(b"IDAT", packed or zlib.compress(b"\0")), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _packed(length: int) -> bytes:
    packer = zlib.compressobj(1)
    parts = [packer.compress(bytes(MIB)) for _ in range(length // MIB)]
    return b"".join([*parts, packer.compress(bytes(length % MIB)), packer.flush()])


def _parquet(columns: dict[str, Any], **how: Any) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table(columns), target, compression="zstd", store_schema=False, **how)
    return target.getvalue()


def _many_rows() -> bytes:
    count = 2**24
    labels = pa.array(np.zeros(count, np.int8))
    return _parquet({"image.bytes": pa.nulls(count, pa.binary()), "label": labels})


def _one_large_row() -> bytes:
    count = 64
    values = pa.array([bytes(32 * MIB)], pa.binary())
    repeated = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), values)
    labels = pa.array(np.arange(count) % 3)
    return _parquet({"image.bytes": repeated, "label": labels}, row_group_size=count)


def _large_images() -> bytes:
    image = _largest_image()
    return _parquet({"image.bytes": pa.array([image] * 4, pa.binary()), "label": [0, 1, 2, 3]})


def _largest_image() -> bytes:
    """About as many pixels as Pillow decodes."""
    return _png(9400, _packed(9400 * (1 + 3 * 9400)))


def _json(text: str) -> Callable[[], bytes]:
    return text.encode


_DEEP = "[" * 100_000
_LONG = "9" * 500_000
_TWICE = "{" + ", ".join(['"a": 1'] * 100_000) + "}"
_JSON_READERS: dict[str, tuple[Read, str]] = {
    "report": (_report, "report.json"),
    "attestation": (_envelope, "attestation.json"),
    "trust": (read_trust, "trust.json"),
    "calibration": (read_calibration, "calibration.json"),
    "draft": (_draft, "c.json.unfinished.json"),
}
_JSON = {
    "nested": _DEEP,
    "nested objects": '{"a":' * 100_000,
    "long number": _LONG,
    "long number inside": f'{{"schema_version": "1", "seed": {_LONG}}}',
    "infinite": '{"schema_version": "1", "x": 1e999, "format": "xray-gate/trust-v1"}',
    "NaN": '{"schema_version": "1", "x": NaN}',
    "keys twice": _TWICE,
    "many values": json.dumps([0] * 300_000),
    "lone surrogate": '{"schema_version": "1", "scan_id": "\\ud800"}',
}

BOMBS = (
    Bomb("policy: aliases", read_policy, "p.yaml", _aliases, "stands for more than 100,000"),
    Bomb("policy: merges", read_policy, "p.yaml", _merges, "stands for more than 100,000"),
    Bomb("policy: itself", read_policy, "p.yaml", _yaml("x: &a [*a]\n"), "refers to itself"),
    Bomb("policy: nested", read_policy, "p.yaml", _yaml("x: " + _DEEP), "cannot be read"),
    Bomb(
        "policy: nested parameters",
        read_policy,
        "p.yaml",
        _yaml("  others: {a: {parameters: {b: " + "[" * 300 + "]" * 300 + "}}}\n"),
        "is nested more than 50 deep; make it flatter",
    ),
    Bomb("policy: long number", read_policy, "p.yaml", _yaml(f"classes: {_LONG}\n"), "digits"),
    Bomb(
        "policy: long hexadecimal",
        read_policy,
        "p.yaml",
        _yaml(f"classes: 0x{'f' * 500_000}\n"),
        "500,002 digits; write a shorter one",
    ),
    Bomb(
        "policy: base 60",
        read_policy,
        "p.yaml",
        _yaml("classes: 1" + ":59" * 150_000 + "\n"),
        "digits",
    ),
    Bomb("policy: infinite", read_policy, "p.yaml", _yaml("max_age_days: .inf\n"), "finite"),
    Bomb("policy: NaN", read_policy, "p.yaml", _yaml("min_probe_accuracy: .nan\n"), "finite|equal"),
    Bomb(
        "policy: unknown keys",
        read_policy,
        "p.yaml",
        _yaml("".join(f"zz{n}: 1\n" for n in range(20_000))),
        "and 19,980 more problems; correct these first",
    ),
    Bomb("policy: large", read_policy, "p.yaml", _yaml("#" * MIB), "larger than 1 MiB"),
    *(
        Bomb(f"{name}: {what}", read, file, _json(text), "; (give|make|remove)")
        for name, (read, file) in _JSON_READERS.items()
        for what, text in _JSON.items()
    ),
    Bomb("trust: large", read_trust, "t.json", lambda: b" " * (2 * MIB), "larger than 1,048,576"),
    Bomb("attestation: large", _envelope, "a", lambda: b" " * (9 * MIB), "larger than 8,388,608"),
    Bomb("key: large", _key, "k.pem", lambda: b"-----BEGIN" * MIB, "larger than 65,536"),
    Bomb("probes: zeros", read_probes, "t.npz", _images(100), "as bombs do"),
    Bomb("training: zeros", _training, "t.npz", _images(100), "as bombs do"),
    Bomb("probes: labels of zeros", read_probes, "t.npz", _labels(100), "as bombs do"),
    Bomb("training: labels of zeros", _training, "t.npz", _labels(100), "as bombs do"),
    Bomb("trigger: zeros", read_trigger, "t.npz", lambda: _trigger(100), "as bombs do"),
    *(
        Bomb(f"{name}: shape {shape}", read, "t.npz", _lying(shape, kind), "; ")
        for name, read in (("probes", read_probes), ("training", _training))
        for shape, kind in (
            ("(1000000000, 100, 100, 3)", "|u1"),
            ("(3, 1, 1000000, 1000000)", "<f8"),
            ("(9223372036854775807, 1, 1, 1)", "|u1"),
            ("(4294967296, 4294967296, 1, 1)", "|u1"),
            ("(1000000000000, 1, 1, 1)", "<U0"),
            (f"({'9' * 9000}, 1, 1, 1)", "|u1"),
        )
    ),
    Bomb("image: 60000 pixels a side", _image, "i.png", lambda: _png(60_000), "decompression bomb"),
    Bomb(
        "image: as many pixels as are decoded",
        _image,
        "i.png",
        _largest_image,
        "",
        most_mb=1000,
    ),
    Bomb(
        "image: text of 100 MiB",
        _image,
        "i.png",
        lambda: _png(2, None, (b"zTXt", b"a\0\0" + _packed(100 * MIB))),
        "cannot be decoded",
    ),
    Bomb(
        "image: profile of 100 MiB",
        _image,
        "i.png",
        lambda: _png(2, zlib.compress(bytes(14)), (b"iCCP", b"a\0\0" + _packed(100 * MIB))),
        "cannot be decoded",
    ),
    Bomb("probes: equal rows", read_probes, "t.parquet", _many_rows, "says that it holds"),
    Bomb("training: equal rows", _training, "t.parquet", _many_rows, "says that it holds"),
    Bomb("probes: a large row", read_probes, "t.parquet", _one_large_row, "decoded", most_mb=700),
    Bomb(
        "probes: large images",
        read_probes,
        "t.parquet",
        _large_images,
        "more than 100 times their size, as bombs do; give ordinary",
        most_mb=1400,
    ),
    Bomb("training: a large row", _training, "t.parquet", _one_large_row, "decoded", most_mb=700),
    Bomb("child: 4 GiB header", _answer, "a", lambda: b"\xff" * 4, "announced a header"),
    Bomb(
        "child: nested header",
        _answer,
        "a",
        lambda: framed(b"[" * 50_000),
        "its header is not JSON",
    ),
    Bomb("child: long number", _answer, "a", lambda: framed(b"9" * 50_000), "is not JSON"),
    Bomb("MLmodel: aliases", _look, "MLmodel", _aliases, "refers to a part of itself"),
    Bomb("MLmodel: base 60", _look, "MLmodel", _yaml("c: 1" + ":59" * 99_999), "absurdly long"),
)
