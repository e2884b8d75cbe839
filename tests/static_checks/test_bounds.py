"""What would take too long, or too much memory, is refused before it does."""

import tracemalloc
from pathlib import Path

import pytest

from tests.static_checks.corpus.making import BENIGN, mlflow_model, torch_archive, zipped
from xray_gate.core.errors import ScanError
from xray_gate.scan.ports import FileRules
from xray_gate.static_checks import looking
from xray_gate.static_checks.check import check_files


def model(folder: Path, content: bytes, name: str = "data/model.pth") -> Path:
    return mlflow_model(folder, {name: content})


def test_opcodes_are_counted_over_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "_OPCODES", 5000)
    path = model(tmp_path, torch_archive(b"\x80\x02" + b"N0" * 1000 + b"N."))
    check_files(path, FileRules())
    (path / "more.pkl").write_bytes(b"\x80\x02" + b"N0" * 2000 + b"N.")
    with pytest.raises(ScanError, match="more opcodes in pickles than can be looked through"):
        check_files(path, FileRules())


def test_opcodes_of_short_pickles_count_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "_OPCODES", 1000)
    with pytest.raises(ScanError, match="more opcodes in pickles than can be looked through"):
        check_files(model(tmp_path, b"\x80\x02N." * 400), FileRules())


def test_many_small_pickles_are_let_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "_OPCODES", 5000)
    files = {f"m/data/{number}": b"\0\1" for number in range(200)}
    check_files(model(tmp_path, zipped({"m/data.pkl": BENIGN, **files})), FileRules())


def test_fields_of_onnx_files_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_FIELDS", 1000)
    path = tmp_path / "m.onnx"
    # Empty nodes: two bytes each, and a hundred times that once a library has built them.
    nodes = b"\x0a\x00" * 2000
    path.write_bytes(b"\x3a" + b"\xa0\x1f" + nodes)
    with pytest.raises(ScanError, match="more fields in ONNX files than can be looked through"):
        check_files(path, FileRules())


def test_a_look_that_takes_too_long_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_SECONDS", -1.0)
    with pytest.raises(ScanError, match="could not be looked through within"):
        check_files(model(tmp_path, torch_archive()), FileRules())


def test_many_pickles_in_a_row_are_not_followed_for_ever(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match="holds more than 1000 pickles"):
        check_files(model(tmp_path, b"\x80\x02N." * 1001), FileRules())
    (tmp_path / "text").mkdir()
    with pytest.raises(ScanError, match="can be read as more than 1000 pickles"):
        check_files(model(tmp_path / "text", b"N." * 1001, "a.txt"), FileRules())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.pkl", b"\x80\x04\x8e" + (2**25).to_bytes(8, "little") + bytes(2**25) + b"."),
        ("m.txt", b"V" + b"x" * 2**25 + b"\n."),
        ("m.onnx", b"\x3a\x80\x80\x80\x10" + b"\x1a\xfb\xff\xff\x0f" + bytes(2**25 - 5)),
    ],
)
def test_memory_does_not_grow_with_what_a_file_holds(
    name: str, content: bytes, tmp_path: Path
) -> None:
    path = model(tmp_path, content, name)
    tracemalloc.start()
    try:
        check_files(path, FileRules(unchecked_code=True))
    except ScanError as error:
        raise AssertionError(str(error)) from error
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2**23
