"""Folders whose files are not what they seem, and what MLflow would import by their word."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

from tests.static_checks.corpus.making import Row, mlflow_model, one, torch_archive

_HONEST = {"data/model.pth": torch_archive()}


def _with(change: Callable[[Path], None]) -> Callable[[Path, str], Path]:
    def build(folder: Path, _: str) -> Path:
        model = mlflow_model(folder, _HONEST)
        change(model)
        return model

    return build


def _described(text: str) -> Callable[[Path, str], Path]:
    return lambda folder, _: mlflow_model(folder, _HONEST, dedent(text))


def _link(model: Path) -> None:
    (model / "data" / "link.pth").symlink_to("/etc/passwd")


def _named(name: str) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        (model / name).parent.mkdir(exist_ok=True)
        (model / name).write_bytes(b"weights")

    return change


def _pipe(model: Path) -> None:
    os.mkfifo(model / "data" / "pipe")


def _socket(model: Path) -> None:
    # A socket's path is short, so it is made where we stand.
    before = Path.cwd()
    os.chdir(model)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("socket")
    finally:
        os.chdir(before)


def _twins(one_name: str, other: str) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        (model / one_name).write_text("one")
        (model / other).write_text("other")

    return change


def _deep(model: Path) -> None:
    (model / "/".join("d" * 40)).mkdir(parents=True)


def _many(model: Path) -> None:
    for number in range(20):
        (model / f"{number}.txt").write_text("x")


def _bomb() -> str:
    """Nine lists of nine aliases each, and keys that are merged."""
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 9)]
    return "\n".join([*lines, "flavors: {pytorch: {}}"])


def _long_names(model: Path) -> None:
    folder = model.joinpath(*(["x" * 200] * 17))
    folder.mkdir(parents=True)
    for number in range(1250):
        (folder / f"{number}.txt").touch()


_CODE = "brings Python code, which cannot be checked; log the model without code of its own"
ROWS = [
    Row("link", _with(_link), "data/link.pth: a model must not hold symbolic links"),
    Row("pipe", _with(_pipe), "data/pipe: is no file but a pipe, a socket or a device; remove"),
    Row(
        "what a download adds",
        _with(_named("registered_model_meta")),
        "registered_model_meta: is what a download adds, and in no digest",
    ),
    Row(
        "what a download adds, in capitals",
        _with(_named("Registered_Model_Meta")),
        "Registered_Model_Meta: is what a download adds, and in no digest",
    ),
    Row(
        "a folder of what a download adds",
        _with(_named("registered_model_meta/weights.txt")),
        "registered_model_meta/weights.txt: is what a download adds, and in no digest",
    ),
    Row(
        "names that fill a ledger",
        _with(_long_names),
        "has files whose names are more than 4,194,304 characters, all together",
    ),
    Row("socket", _with(_socket), "socket: is no file but a pipe, a socket or a device"),
    Row(
        "names that differ by case",
        _with(_twins("Notes.md", "notes.md")),
        "notes.md beside Notes.md|Notes.md beside notes.md",
    ),
    Row(
        "names that differ by the form of an accent",
        _with(_twins("caf\u00e9.md", "cafe\u0301.md")),
        "which are one file on some machines; rename one",
    ),
    Row("folders forty deep", _with(_deep), "lies more than 32 folders deep"),
    Row("too many files", _with(_many), "holds more than 5 files; .*limits.files", {"files": 5}),
    Row(
        "too large",
        one("data/weights", lambda _: bytes(2**20 + 1)),
        "holds more than 1 MiB; .*limits.files_mb",
        {"files_mb": 1},
    ),
    Row(
        "too large when unpacked",
        one("data/model.npz", lambda _: _packed_megabytes()),
        "hold more than 1 MiB, unpacked",
        {"files_mb": 1},
    ),
    Row("Python file", one("code/net.py", lambda s: s.encode()), "code/net.py: is code, which"),
    Row("native library", one("data/op", lambda _: b"\x7fELF" + bytes(60)), "a native library"),
    Row(
        "library for Windows",
        one("data/op", lambda _: b"MZ".ljust(60, b"\0") + b"\x40\0\0\0PE\0\0"),
        "a native library, which is code",
    ),
    Row(
        "unknown binary",
        one("data/blob", lambda _: bytes(range(256))),
        "is of no kind that can be looked into; export the model to ONNX",
    ),
    Row(
        "loader of one's own",
        _described("flavors: {python_function: {loader_module: my_loader}}"),
        "MLmodel: is loaded by my_loader, which is not MLflow's",
    ),
    Row(
        "code of its own",
        _described("flavors: {pytorch: {model_data: data, code: code}}"),
        f"MLmodel: {_CODE}",
    ),
    Row(
        "model from code",
        _described("flavors: {python_function: {model_code_path: notes.txt}}"),
        f"MLmodel: {_CODE}",
    ),
    Row(
        "data outside",
        _described("flavors: {pytorch: {model_data: ../../data}}"),
        r"its model_data leads out of the folder \(\.\./\.\./data\)",
    ),
    Row(
        "absolute data",
        _described("flavors: {pytorch: {model_data: /etc}}"),
        "its model_data leads out of the folder",
    ),
    Row("aliases that multiply", _described(_bomb()), "refers to a part of itself, as bombs do"),
    Row("too deep", _described("[" * 200 + "]" * 200), "nested too deeply"),
    Row(
        "object in YAML",
        _described("!!python/object/apply:os.system ['true']"),
        "names the type tag:yaml.org,2002:python/object/apply:os.system",
    ),
    Row("number without end", _described("a: 1" + ":1" * 100_000), "an absurdly long number"),
    Row("no YAML", _described("a: ["), "MLmodel: is not readable YAML"),
    Row(
        "unpickler of one's own",
        one("data/pickle_module_info.txt", lambda _: b"antigravity"),
        "wants to be unpickled by antigravity",
    ),
]


def _packed_megabytes() -> bytes:
    import io

    import numpy as np

    target = io.BytesIO()
    np.savez_compressed(target, x=np.zeros(2**19))
    return target.getvalue()
