from pathlib import Path

import pytest

from xray_gate.core.errors import InputError
from xray_gate.scan.mlmodel import flavours_of, read_mlmodel


def folder(path: Path, text: str) -> Path:
    path.mkdir(exist_ok=True)
    (path / "MLmodel").write_text(text)
    return path


def test_flavours_are_read_in_order(tmp_path: Path) -> None:
    text = "flavors:\n  python_function: {loader_module: mlflow.onnx}\n  onnx: {data: m.onnx}\n"
    assert flavours_of(folder(tmp_path, text)) == ("onnx", "python_function")


def test_what_has_no_mlmodel_has_no_flavours(tmp_path: Path) -> None:
    assert flavours_of(tmp_path) == ()
    (tmp_path / "m.onnx").touch()
    assert flavours_of(tmp_path / "m.onnx") == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "flavors: {}",
        "flavors: [onnx]",
        "flavors: onnx",
        "a: [",
        "flavors: {onnx: {}, <<: {sklearn: {}}}",
        "flavors: {? [onnx] : {}}",
        "flavors: {'on\\x1bnx': {}}",
        f"flavors: {{{'x' * 101}: {{}}}}",
        f"flavors: {{{', '.join(f'f{i}: 1' for i in range(65))}}}",
        "[" * 100_000,
        "#" * (2**20 + 1),
    ],
    ids=range(12),
)
def test_flavours_of_a_broken_mlmodel_are_not_known(tmp_path: Path, text: str) -> None:
    assert flavours_of(folder(tmp_path, text)) is None


def test_an_mlmodel_that_is_a_folder_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").mkdir()
    assert flavours_of(tmp_path) is None
    with pytest.raises(InputError, match="cannot be read"):
        read_mlmodel(tmp_path / "MLmodel")


def test_nothing_is_made_of_what_it_names(tmp_path: Path) -> None:
    text = f"a: 2026-01-01\nb: {'9' * 5000}\nflavors: {{onnx: !!python/name:os.system x}}"
    assert read_mlmodel(folder(tmp_path, text) / "MLmodel")["a"] == "2026-01-01"
    assert flavours_of(tmp_path) == ("onnx",)
