"""`xray-gate hook no-pickle`."""

import bz2
import gzip
import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends.tiny_onnx import linear
from tests.cli.conftest import Command
from tests.static_checks.trap import set_trap


def pickled(protocol: int = 5) -> bytes:
    return pickle.dumps({"weights": [1.0, 2.0]}, protocol)


def zipped(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def objects() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


HIDDEN: dict[str, Callable[[], bytes]] = {
    "weights.pkl": pickled,
    "notes.txt": pickled,
    "picture.png": lambda: pickled(2),
    "old": lambda: pickled(0),
    "model.onnx": lambda: pickled(4),
    "text.md": lambda: b"cos\nsystem\n(S'true'\ntR.",
    "broken.md": lambda: b"cos\nsystem\n(S'true'\ntR and no end",
    # Each of these has done its work before an unpickler fails, or leaves the rest unread.
    "later.md": lambda: b"cos\nsystem\n(S'true'\ntRc no module\n!\n",
    "state.md": lambda: b"cstring\n_re\n}S'__setstate__'\ncos\nsystem\nsbS'true'\nb.rest",
    "item.md": lambda: b"cos\nenviron\nS'A'\nS'b'\ns.rest",
    "appended.md": lambda: b"csys\npath\nS'/b'\na and no end",
    "extended.md": lambda: b"csys\npath\n(S'/b'\ne and no end",
    "packed.zip": lambda: zipped("inner.txt", pickled()),
    "packed.gz": lambda: gzip.compress(pickled()),
    "twice.bin": lambda: bz2.compress(zipped("a/b", pickled())),
    "array.npy": objects,
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_pickle_is_refused_whatever_it_is_named(
    command: Command, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(HIDDEN[name]())
    ended = command("hook", "no-pickle", "--", path)
    assert ended.code == 1
    assert ended.out.startswith(f"{path}: {name}")
    assert "pickle" in ended.out
    assert ended.out.rstrip().endswith("or store numbers and texts as such")


class _Runs:
    def __init__(self, source: str) -> None:
        self._source = source

    def __reduce__(self) -> Any:
        return exec, (self._source,)


def test_what_a_pickle_would_run_does_not_run(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    with set_trap(tmp_path) as trap:
        path.write_bytes(pickle.dumps(_Runs(trap.source)))
        assert command("hook", "no-pickle", "--", path).code == 1
        assert trap.sprung() == []


def test_honest_files_pass_in_silence(command: Command, tmp_path: Path) -> None:
    linear(tmp_path / "model.onnx", np.eye(3))
    (tmp_path / "code.py").write_text('"""A text."""\nimport pickle\n(include := 1)\n')
    # To an unpickler: mark, import of `nclude x` from `y`, call.
    (tmp_path / "lisp.scm").write_text("(include x\ny)\n")
    (tmp_path / "data.json").write_text(json.dumps({"a": [1, 2]}))
    (tmp_path / "stop.txt").write_text(".")
    (tmp_path / "empty").touch()
    np.savez_compressed(tmp_path / "probes.npz", images=np.zeros((2, 3)))
    (tmp_path / "book.xlsx").write_bytes(zipped("sheet.xml", b"<a/>"))
    (tmp_path / "log.gz").write_bytes(gzip.compress(b"a log\n"))
    ended = command("hook", "no-pickle", "--", *sorted(tmp_path.iterdir()))
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_what_cannot_be_looked_into_is_no_pass(command: Command, tmp_path: Path) -> None:
    archive = tmp_path / "data.tar"
    with tarfile.open(archive, "w") as file:
        file.addfile(tarfile.TarInfo("inner"), io.BytesIO(b""))
    cut = tmp_path / "cut.bin"
    cut.write_bytes(pickled()[:-4])
    broken = tmp_path / "broken.zip"
    broken.write_bytes(zipped("a", b"x" * 100)[:-30])
    ended = command("hook", "no-pickle", "--", archive, cut, broken)
    assert ended.code == 3
    first, second, third = ended.out.splitlines()
    assert "is a tar archive, which is not looked into; unpack it" in first
    assert "begins as a pickle, and is no whole one" in second
    assert str(broken) in third


def test_a_pickle_counts_more_than_what_is_hidden(command: Command, tmp_path: Path) -> None:
    (tmp_path / "a.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(40))
    (tmp_path / "b").write_bytes(pickled())
    ended = command("hook", "no-pickle", "--", tmp_path / "a.7z", tmp_path / "b")
    assert ended.code == 1
    assert len(ended.out.splitlines()) == 2


def test_a_file_that_is_not_there_is_no_pass(command: Command, tmp_path: Path) -> None:
    ended = command("hook", "no-pickle", "--", tmp_path / "gone")
    assert ended.code == 2
    assert "cannot be read (No such file or directory)" in ended.out


def test_links_and_submodules_are_not_followed(command: Command, tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(pickled())
    (tmp_path / "link").symlink_to(tmp_path / "b")
    (tmp_path / "module").mkdir()
    assert command("hook", "no-pickle", "--", tmp_path / "link", tmp_path / "module").code == 0


@pytest.mark.parametrize("name", ["-v", "--help", "--", "a b", "a\nb", "ü", "$(true)", "*"])
def test_names_are_names(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(pickled())
    ended = command("hook", "no-pickle", "--", name)
    assert ended.code == 1
    assert len(ended.out.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["notes.txt"], ["notes.txt", "--"], ["--x", "--", "a"]])
def test_files_before_the_dashes_are_refused(command: Command, arguments: list[str]) -> None:
    ended = command("hook", "no-pickle", *arguments)
    assert (ended.code, ended.out) == (2, "")


def test_without_files_there_is_nothing_to_say(command: Command) -> None:
    assert command("hook", "no-pickle").code == 0
    assert command("hook", "no-pickle", "--").code == 0
