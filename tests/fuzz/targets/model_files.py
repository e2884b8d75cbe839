"""The files of a model, of every kind that a look knows; the first byte chooses the name."""

import io
import pickle
import zipfile
from collections.abc import Mapping
from typing import Any

from tests.fuzz.choosing import Choose, changed_bytes, changed_npy, changed_zip
from tests.fuzz.scratch import written
from tests.fuzz.telling import require
from tests.static_checks.corpus.making import BENIGN
from tests.static_checks.test_hostile_bytes import VALID
from xray_gate.backends.formats import find_source
from xray_gate.core.errors import InputError, ScanError
from xray_gate.scan.ports import FileRules
from xray_gate.static_checks.check import check_files
from xray_gate.static_checks.pickles.known import builds_models_only
from xray_gate.static_checks.pickles.machine import Import

WORDS = (
    *(b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08"),
    *(b"data.pkl", b"constants.pkl", b"archive_format", b"schema.json", b"models/model.json"),
    *(
        b"cos\nsystem\n",
        b"\x80\x02c",
        b"\x93",
        b"R.",
        b"\x81",
        b"ctorch._utils\n_rebuild_tensor_v2\n",
    ),
    *(b"\x93NUMPY\x01\0", b"\x78\x9c", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"{}", b"\x08\0"),
)
_NAMES = (
    *("m.onnx", "m.pth", "m.pkl", "m.bin", "m.npz", "m.npy", "m.pt", "m.pt2", "m.safetensors"),
    *("schema.json", "m", "m.txt", "pickle_module_info.txt"),
)


def target(data: bytes) -> None:
    """What a look lets through, other parsers read alike, and unpickling imports what it said."""
    name = _NAMES[data[0] % len(_NAMES)] if data else _NAMES[0]
    path = written(f"model_files/{name}", data[1:])
    passed = False
    for rules in (FileRules(size_bytes=2**24), FileRules(size_bytes=2**24, unchecked_code=True)):
        try:
            check_files(path, rules)
            passed |= not rules.unchecked_code
        except (ScanError, InputError) as error:
            require(error, printable=True)
    if passed:
        _reads_alike(data[1:])
        if name.endswith((".pkl", ".pth")):
            _imports_what_was_seen(io.BytesIO(data[1:]))
    try:
        find_source(path)
    except InputError as error:
        require(error)


def _reads_alike(data: bytes) -> None:
    file = io.BytesIO(data)
    if not zipfile.is_zipfile(file):
        return
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        assert len({name.casefold() for name in names}) == len(names)
        assert not any(".." in name.split("/") or name.startswith("/") for name in names)
        assert archive.testzip() is None
        for name in names:
            if name.endswith(".pkl"):
                _imports_what_was_seen(io.BytesIO(archive.read(name)))


class _Stub:
    """Stands for whatever is imported, and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> "_Stub":
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


class _Watched(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        assert builds_models_only(Import(module, name)), f"{module}.{name}"
        return _Stub

    def persistent_load(self, _: Any) -> Any:
        return _Stub()


def _imports_what_was_seen(file: io.BytesIO) -> None:
    try:
        _Watched(file).load()
    except AssertionError:
        raise
    # Broken pickles end in any exception, after what they import.
    except Exception:
        return


def seeds() -> Mapping[str, bytes]:
    """Real files of every kind, each with the byte for its name."""
    found = {}
    for name, content in {**VALID, "plain.pkl": BENIGN, "m.txt": b"a text\n"}.items():
        suffix = name[name.rfind(".") :] if "." in name else name
        at = next((i for i, one in enumerate(_NAMES) if one.endswith(suffix)), 10)
        found[name] = bytes([at]) + content
    return found


def mutate(data: bytes, choose: Choose) -> bytes:
    """Another member of an archive, with checksums that hold, or other bytes."""
    name, content = data[:1] or b"\0", data[1:]
    if not choose(20):
        return bytes([choose(len(_NAMES))]) + content
    if content.startswith(b"PK") and choose(4):
        return name + changed_zip(content, choose, _changed_member)
    if content.startswith(b"\x93NUMPY"):
        return name + changed_npy("", content, choose)
    return name + changed_bytes(content, choose)


def _changed_member(name: str, content: bytes, choose: Choose) -> bytes:
    return (changed_npy if name.endswith(".npy") else lambda _, d, c: changed_bytes(d, c))(
        name, content, choose
    )
