"""Small files that stand for large ones, each with the reader that is to refuse it in time."""

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.backends.asking import request
from tests.fuzz.making_bombs import (
    MIB,
    aliases,
    images_of_zeros,
    labels_of_zeros,
    large_images,
    largest_image,
    lying,
    many_rows,
    merges,
    one_large_row,
    packed_zeros,
    png,
    policy_with,
    text_of,
    trigger_of_zeros,
)
from tests.fuzz.played import PlayedProcess
from tests.fuzz.targets.child import framed
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
    Bomb("policy: aliases", read_policy, "p.yaml", aliases, "stands for more than 100,000"),
    Bomb("policy: merges", read_policy, "p.yaml", merges, "stands for more than 100,000"),
    Bomb("policy: itself", read_policy, "p.yaml", policy_with("x: &a [*a]\n"), "refers to itself"),
    Bomb("policy: nested", read_policy, "p.yaml", policy_with("x: " + _DEEP), "cannot be read"),
    Bomb(
        "policy: nested parameters",
        read_policy,
        "p.yaml",
        policy_with("  others: {a: {parameters: {b: " + "[" * 300 + "]" * 300 + "}}}\n"),
        "is nested more than 50 deep; make it flatter",
    ),
    Bomb(
        "policy: long number", read_policy, "p.yaml", policy_with(f"classes: {_LONG}\n"), "digits"
    ),
    Bomb(
        "policy: long hexadecimal",
        read_policy,
        "p.yaml",
        policy_with(f"classes: 0x{'f' * 500_000}\n"),
        "500,002 digits; write a shorter one",
    ),
    Bomb(
        "policy: base 60",
        read_policy,
        "p.yaml",
        policy_with("classes: 1" + ":59" * 150_000 + "\n"),
        "digits",
    ),
    Bomb("policy: infinite", read_policy, "p.yaml", policy_with("max_age_days: .inf\n"), "finite"),
    Bomb(
        "policy: NaN",
        read_policy,
        "p.yaml",
        policy_with("min_probe_accuracy: .nan\n"),
        "finite|equal",
    ),
    Bomb(
        "policy: unknown keys",
        read_policy,
        "p.yaml",
        policy_with("".join(f"zz{n}: 1\n" for n in range(20_000))),
        "and 19,980 more problems; correct these first",
    ),
    Bomb("policy: large", read_policy, "p.yaml", policy_with("#" * MIB), "larger than 1 MiB"),
    *(
        Bomb(f"{name}: {what}", read, file, text_of(text), "; (give|make|remove)")
        for name, (read, file) in _JSON_READERS.items()
        for what, text in _JSON.items()
    ),
    Bomb("trust: large", read_trust, "t.json", lambda: b" " * (2 * MIB), "larger than 1,048,576"),
    Bomb("attestation: large", _envelope, "a", lambda: b" " * (9 * MIB), "larger than 8,388,608"),
    Bomb("key: large", _key, "k.pem", lambda: b"-----BEGIN" * MIB, "larger than 65,536"),
    Bomb("probes: zeros", read_probes, "t.npz", images_of_zeros(100), "as bombs do"),
    Bomb("training: zeros", _training, "t.npz", images_of_zeros(100), "as bombs do"),
    Bomb("probes: labels of zeros", read_probes, "t.npz", labels_of_zeros(100), "as bombs do"),
    Bomb("training: labels of zeros", _training, "t.npz", labels_of_zeros(100), "as bombs do"),
    Bomb("trigger: zeros", read_trigger, "t.npz", lambda: trigger_of_zeros(100), "as bombs do"),
    *(
        Bomb(f"{name}: shape {shape}", read, "t.npz", lying(shape, kind), "; ")
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
    Bomb("image: 60000 pixels a side", _image, "i.png", lambda: png(60_000), "decompression bomb"),
    Bomb(
        "image: as many pixels as are decoded",
        _image,
        "i.png",
        largest_image,
        "",
        most_mb=1000,
    ),
    Bomb(
        "image: text of 100 MiB",
        _image,
        "i.png",
        lambda: png(2, None, (b"zTXt", b"a\0\0" + packed_zeros(100 * MIB))),
        "cannot be decoded",
    ),
    Bomb(
        "image: profile of 100 MiB",
        _image,
        "i.png",
        lambda: png(2, zlib.compress(bytes(14)), (b"iCCP", b"a\0\0" + packed_zeros(100 * MIB))),
        "cannot be decoded",
    ),
    Bomb("probes: equal rows", read_probes, "t.parquet", many_rows, "says that it holds"),
    Bomb("training: equal rows", _training, "t.parquet", many_rows, "says that it holds"),
    Bomb("probes: a large row", read_probes, "t.parquet", one_large_row, "decoded", most_mb=700),
    Bomb(
        "probes: large images",
        read_probes,
        "t.parquet",
        large_images,
        "more than 100 times their size, as bombs do; give ordinary",
        most_mb=1400,
    ),
    Bomb("training: a large row", _training, "t.parquet", one_large_row, "decoded", most_mb=700),
    Bomb("child: 4 GiB header", _answer, "a", lambda: b"\xff" * 4, "announced a header"),
    Bomb(
        "child: nested header",
        _answer,
        "a",
        lambda: framed(b"[" * 50_000),
        "its header is not JSON",
    ),
    Bomb("child: long number", _answer, "a", lambda: framed(b"9" * 50_000), "is not JSON"),
    Bomb("MLmodel: aliases", _look, "MLmodel", aliases, "refers to a part of itself"),
    Bomb(
        "MLmodel: base 60", _look, "MLmodel", policy_with("c: 1" + ":59" * 99_999), "absurdly long"
    ),
)
