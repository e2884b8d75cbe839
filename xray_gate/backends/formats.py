"""Which back end opens a model file or folder, decided by name and content, without loading it."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xray_gate.core.errors import InputError
from xray_gate.core.model_format import Format
from xray_gate.scan.mlmodel import read_mlmodel

ACCEPTED = (
    "give an .onnx file, a .pt2 file of torch.export, a TorchScript .pt file or an MLflow model "
    "folder (one that holds MLmodel)"
)
_EXPORT = (
    "weights alone or a pickled module cannot be opened without the code that made them; export "
    "the model to ONNX (torch.onnx.export), torch.export (.pt2) or TorchScript (torch.jit.script)"
)
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True)
class ModelSource:
    """A file or folder (absolute) and the format that it is read as."""

    format: Format
    path: Path


def find_source(path: Path) -> ModelSource:
    """Decide the format of the model at `path`; `InputError` when it is none of the accepted."""
    path = path.absolute()
    try:
        if path.is_dir():
            return _in_folder(path)
        if path.is_file():
            return _of_file(path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); check the file and its permissions"
        ) from error
    raise InputError(f"{path}: no such file or folder; {ACCEPTED}")


def _of_file(path: Path) -> ModelSource:
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        raise InputError(f"{path}: the file is empty; export the model again")
    if start.startswith(_LFS_POINTER):
        raise InputError(f"{path}: is a Git LFS pointer, not the model; run `git lfs pull`")
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        return ModelSource("onnx", path)
    if suffix in (".pt", ".pth", ".pt2"):
        return ModelSource(_torch_format(path), path)
    raise InputError(f"{path}: the suffix {suffix!r} is not that of a model; {ACCEPTED}")


def _torch_format(path: Path) -> Format:
    """Tell TorchScript, torch.export and plain pickles apart by the names in the archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            # Every name starts with a folder that PyTorch calls after the file.
            names = {name.partition("/")[2] for name in archive.namelist()}
            # The layout of torch.export before PyTorch 2.8 had no enclosing folder.
            names |= set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(f"{path}: is no PyTorch archive ({error}); {_EXPORT}") from error
    if "models/model.json" in names or "serialized_exported_program.json" in names:
        return "pt2"
    if "constants.pkl" in names and any(name.startswith("code/") for name in names):
        return "torchscript"
    raise InputError(f"{path}: holds neither TorchScript nor an exported program; {_EXPORT}")


def _in_folder(folder: Path) -> ModelSource:
    if (folder / "MLmodel").is_file():
        return _mlflow_model(folder)
    files = sorted(folder.glob("*.onnx"))
    if len(files) == 1:
        return _of_file(files[0])
    if files:
        names = ", ".join(file.name for file in files[:5])
        raise InputError(f"{folder}: holds {len(files)} ONNX files ({names}); give one of them")
    raise InputError(f"{folder}: holds no MLmodel and no .onnx file; {ACCEPTED}")


def _mlflow_model(folder: Path) -> ModelSource:
    flavors = _flavors(folder / "MLmodel")
    if "onnx" in flavors:
        return _of_file(_data_file(folder, flavors["onnx"]))
    if "pytorch" in flavors:
        return ModelSource("mlflow-pytorch", folder)
    if "python_function" in flavors:
        return ModelSource("mlflow-pyfunc", folder)
    raise InputError(
        f"{folder}: its MLmodel has the flavours {sorted(map(str, flavors)) or 'none'}; "
        "log the model with the onnx, pytorch or python_function flavour"
    )


def _flavors(mlmodel: Path) -> Mapping[Any, Any]:
    flavors = read_mlmodel(mlmodel).get("flavors")
    if not isinstance(flavors, dict):
        raise InputError(f"{mlmodel}: names no flavours; log the model again")
    return flavors


def _data_file(folder: Path, flavor: object) -> Path:
    """The ONNX file that the flavour names: inside the folder, also behind links."""
    name = flavor.get("data") if isinstance(flavor, dict) else None
    if not isinstance(name, str):
        raise InputError(f"{folder}: its onnx flavour names no data file; log the model again")
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{folder}: its onnx flavour points outside the folder ({name!r}); log the model again"
        )
    if not path.is_file():
        raise InputError(f"{path}: the onnx flavour's data file is missing; log the model again")
    return path
