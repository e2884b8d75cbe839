import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from xray_gate.core.errors import InputError, ScanError
from xray_gate.core.file_digest import file_digest
from xray_gate.scan.digest import digest_of, file_digests, model_digest


def model(path: Path) -> Path:
    """A folder of three files, one of them deeper down."""
    (path / "data").mkdir(parents=True)
    (path / "MLmodel").write_bytes(b"flavors")
    (path / "data" / "model.onnx").write_bytes(b"weights")
    (path / "empty").write_bytes(b"")
    return path


def test_a_digest_is_that_of_the_content(tmp_path: Path) -> None:
    first = model_digest(model(tmp_path / "a"))
    assert first.startswith("sha256:")
    assert len(first) == 71
    assert model_digest(model(tmp_path / "b")) == first


def test_a_files_own_name_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"weights")
    shutil.copy(tmp_path / "a.onnx", tmp_path / "b.onnx")
    digest = model_digest(tmp_path / "a.onnx")
    assert digest == model_digest(tmp_path / "b.onnx")
    assert digest == f"sha256:{hashlib.sha256(b'weights').hexdigest()}"


def test_a_folder_is_not_the_file_in_it(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "a.onnx").write_bytes(b"weights")
    assert model_digest(tmp_path / "m") != model_digest(tmp_path / "m" / "a.onnx")


def change_content(folder: Path) -> None:
    (folder / "data" / "model.onnx").write_bytes(b"Weights")


def rename(folder: Path) -> None:
    (folder / "data" / "model.onnx").rename(folder / "data" / "other.onnx")


def move(folder: Path) -> None:
    (folder / "data" / "model.onnx").rename(folder / "model.onnx")


def swap(folder: Path) -> None:
    (folder / "MLmodel").write_bytes(b"weights")
    (folder / "data" / "model.onnx").write_bytes(b"flavors")


def add_empty(folder: Path) -> None:
    (folder / "data" / "more").write_bytes(b"")


def add_hidden(folder: Path) -> None:
    (folder / ".hidden").write_bytes(b"x")


def remove_empty(folder: Path) -> None:
    (folder / "empty").unlink()


def add_meta_deeper_down(folder: Path) -> None:
    (folder / "data" / "registered_model_meta").write_bytes(b"x")


@pytest.mark.parametrize(
    "change",
    [
        change_content,
        rename,
        move,
        swap,
        add_empty,
        add_hidden,
        remove_empty,
        add_meta_deeper_down,
    ],
)
def test_every_change_of_a_name_or_a_content_shows(
    change: Callable[[Path], None], tmp_path: Path
) -> None:
    folder = model(tmp_path / "m")
    before = model_digest(folder)
    change(folder)
    assert model_digest(folder) != before


def test_what_mlflows_download_adds_does_not_count(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    before = model_digest(folder)
    (folder / "registered_model_meta").write_text("model_name: signs\n")
    assert model_digest(folder) == before


def test_bytes_cannot_move_between_names_and_contents(tmp_path: Path) -> None:
    """Each pair would be the same run of bytes if names and contents were merely joined."""
    pairs: list[tuple[dict[str, bytes], dict[str, bytes]]] = [
        ({"a": b"bc"}, {"ab": b"c"}),
        ({"a": b"b", "c": b"d"}, {"a": b"bcd"}),
        ({"a": b"", "b": b"x"}, {"a": b"x", "b": b""}),
        ({"a": b"1", "b": b""}, {"a": b"", "b": b"1"}),
        ({"a\nb": b"x"}, {"a": b"x", "b": b"x"}),
        ({"1:a": b"x"}, {"a": b"x"}),
    ]
    digests = []
    for number, pair in enumerate(pairs):
        for side, files in enumerate(pair):
            folder = tmp_path / f"{number}-{side}"
            folder.mkdir()
            for name, content in files.items():
                (folder / name).write_bytes(content)
            digests.append(model_digest(folder))
    assert len(set(digests)) == len(digests)


def test_a_name_cannot_pretend_to_be_the_hash_of_another_file(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "a").write_bytes(b"x")
    (tmp_path / "two" / "b").write_bytes(b"y")
    hash_of_x = model_digest(tmp_path / "two" / "a").removeprefix("sha256:")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / f"a:{hash_of_x}\n1:b").write_bytes(b"y")
    assert model_digest(tmp_path / "one") != model_digest(tmp_path / "two")


def test_names_that_are_no_text_have_a_digest_too(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    before = model_digest(folder)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).write_bytes(b"x")
    first = model_digest(folder)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).rename(
        os.fsdecode(os.fsencode(folder) + b"/\xfe")
    )
    assert len({before, first, model_digest(folder)}) == 3


@pytest.mark.parametrize("target", ["inside", "outside", "folder", "dangling", "itself"])
def test_links_in_a_folder_are_refused(target: str, tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    (tmp_path / "secret").write_bytes(b"x")
    places = {
        "inside": folder / "MLmodel",
        "outside": tmp_path / "secret",
        "folder": tmp_path,
        "dangling": tmp_path / "nowhere",
        "itself": folder / "data" / "link",
    }
    (folder / "data" / "link").symlink_to(places[target])
    with pytest.raises(ScanError, match=r"data/link: .* symbolic links; replace the link"):
        model_digest(folder)


@pytest.mark.parametrize("target", ["m", "a.onnx", "nowhere"])
def test_a_model_that_is_a_link_is_refused(target: str, tmp_path: Path) -> None:
    model(tmp_path / "m")
    (tmp_path / "a.onnx").write_bytes(b"weights")
    (tmp_path / "link").symlink_to(tmp_path / target)
    with pytest.raises(ScanError, match="link: is a symbolic link; give the file or folder"):
        model_digest(tmp_path / "link")


def test_the_download_marker_may_be_no_link_either(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    (folder / "registered_model_meta").symlink_to(folder / "MLmodel")
    with pytest.raises(ScanError, match="registered_model_meta"):
        model_digest(folder)


def test_nothing_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone: there is no such file or folder; check the path"):
        model_digest(tmp_path / "gone")


def test_an_empty_folder_has_no_digest(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    with pytest.raises(InputError, match="the folder is empty; give a model"):
        model_digest(tmp_path)
    (tmp_path / "registered_model_meta").write_bytes(b"x")
    with pytest.raises(InputError, match="the folder is empty; give a model"):
        model_digest(tmp_path)


def test_a_path_that_cannot_be_asked_about_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read \(File name too long\); check"):
        model_digest(tmp_path / ("x" * 300))


def test_the_digest_is_that_of_the_files_by_themselves(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    (folder / "registered_model_meta").write_bytes(b"x")
    files = file_digests(folder)
    assert files == {
        name: file_digest(folder / name) for name in ("MLmodel", "data/model.onnx", "empty")
    }
    assert digest_of(files) == model_digest(folder)
    assert digest_of(dict(sorted(files.items(), reverse=True))) == model_digest(folder)
    assert file_digests(folder / "MLmodel") == {".": model_digest(folder / "MLmodel")}


def test_the_digest_of_a_folder_is_what_it_always_was(tmp_path: Path) -> None:
    """The ledger keeps digests for ever."""
    known = "sha256:0190592b65246e80"
    assert model_digest(model(tmp_path / "m")).startswith(known)


def test_what_is_neither_file_nor_folder_is_refused(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    os.mkfifo(folder / "data" / "pipe")
    with pytest.raises(ScanError, match="data/pipe: is no file but a pipe"):
        model_digest(folder)
