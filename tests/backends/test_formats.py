import zipfile
from pathlib import Path

import pytest

from xray_gate.backends.formats import find_source
from xray_gate.core.errors import InputError

STATE_DICT = ("m/data.pkl", "m/byteorder", "m/data/0", "m/version")
TORCHSCRIPT = (*STATE_DICT, "m/constants.pkl", "m/code/__torch__.py")
PT2 = ("m/models/model.json", "m/data/weights/weight_0", "m/archive_format")
OLD_PT2 = ("serialized_exported_program.json", "serialized_state_dict.pt", "version")


def archive(path: Path, names: tuple[str, ...]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, b"x")
    return path


def mlflow_folder(folder: Path, mlmodel: str) -> Path:
    folder.mkdir()
    (folder / "MLmodel").write_text(mlmodel)
    (folder / "model.onnx").write_bytes(b"\x08\x09")
    return folder


@pytest.mark.parametrize(
    ("name", "names", "expected"),
    [
        ("m.pt", TORCHSCRIPT, "torchscript"),
        ("m.PTH", TORCHSCRIPT, "torchscript"),
        ("m.pt2", PT2, "pt2"),
        ("m.pt", PT2, "pt2"),
        ("m.pt2", OLD_PT2, "pt2"),
    ],
)
def test_torch_archives_are_told_apart_by_content(
    tmp_path: Path, name: str, names: tuple[str, ...], expected: str
) -> None:
    assert find_source(archive(tmp_path / name, names)).format == expected


def test_weights_alone_say_what_to_export(tmp_path: Path) -> None:
    path = archive(tmp_path / "m.pt", STATE_DICT)
    with pytest.raises(InputError, match=r"export the model to ONNX.*TorchScript"):
        find_source(path)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("m.pt", b"\x80\x02legacy pickle", "is no PyTorch archive.*export the model to ONNX"),
        ("m.onnx", b"", "the file is empty"),
        ("m.onnx", b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        ("m.h5", b"\x89HDF", r"the suffix '\.h5'.*\.onnx.*\.pt2.*TorchScript.*MLflow"),
        ("model", b"?", r"the suffix ''.*\.onnx"),
    ],
)
def test_other_files_are_refused_with_the_next_step(
    tmp_path: Path, name: str, content: bytes, complaint: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        find_source(path)


def test_a_missing_path_names_what_is_accepted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file.*\.onnx"):
        find_source(tmp_path / "nowhere.onnx")


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.onnx").write_bytes(b"\x08\x09")
    assert find_source(Path("m.onnx")).path == tmp_path / "m.onnx"


@pytest.mark.parametrize(
    ("mlmodel", "expected", "opened"),
    [
        ("flavors: {onnx: {data: model.onnx}, python_function: {}}", "onnx", "model/model.onnx"),
        ("flavors: {pytorch: {model_data: data}, python_function: {}}", "mlflow-pytorch", "model"),
        ("flavors: {sklearn: {}, python_function: {}}", "mlflow-pyfunc", "model"),
    ],
)
def test_mlflow_folders_are_told_apart_by_flavour(
    tmp_path: Path, mlmodel: str, expected: str, opened: str
) -> None:
    source = find_source(mlflow_folder(tmp_path / "model", mlmodel))
    assert (source.format, source.path) == (expected, tmp_path / opened)


@pytest.mark.parametrize(
    ("mlmodel", "complaint"),
    [
        ("flavors: {sklearn: {}}", "flavours .'sklearn'.; log the model"),
        ("flavors: {onnx: {data: ../secret.onnx}}", "points outside the folder"),
        ("flavors: {onnx: {data: link.onnx}}", "points outside the folder"),
        ("flavors: {onnx: {data: gone.onnx}}", "data file is missing"),
        ("flavors: {onnx: {data: [1]}}", "names no data file"),
        ("flavors: [onnx]", "names no flavours"),
        ("just text", "names no flavours"),
        ("a: [", "not readable YAML"),
        ("!!python/object/apply:os.system ['true']", "names no flavours"),
        ("[" * 100_000, "not readable YAML"),
        ("#" * (2**20 + 1), "larger than 1 MiB"),
    ],
)
def test_broken_mlmodel_files_are_unreadable_input(
    tmp_path: Path, mlmodel: str, complaint: str
) -> None:
    (tmp_path / "secret.onnx").write_bytes(b"\x08\x09")
    folder = mlflow_folder(tmp_path / "model", mlmodel)
    (folder / "link.onnx").symlink_to(tmp_path / "secret.onnx")
    with pytest.raises(InputError, match=complaint):
        find_source(folder)


def test_a_folder_with_one_onnx_file_is_that_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no MLmodel and no \.onnx file"):
        find_source(tmp_path)
    (tmp_path / "a.onnx").write_bytes(b"\x08\x09")
    assert find_source(tmp_path).path == tmp_path / "a.onnx"
    (tmp_path / "b.onnx").write_bytes(b"\x08\x09")
    with pytest.raises(InputError, match=r"2 ONNX files \(a\.onnx, b\.onnx\); give one"):
        find_source(tmp_path)
