"""Which models a commit changes: files by their names, and the MLflow folders that files lie in."""

from collections.abc import Iterable
from pathlib import Path

_SUFFIXES = frozenset({".onnx", ".pt2", ".pt", ".pth", ".torchscript"})
_DESCRIPTION = "MLmodel"


def changed_models(files: Iterable[Path]) -> list[Path]:
    """Each model once, in order; what belongs to none is left out, and so are symbolic links.

    A file within an MLflow folder stands for the folder: what MLflow loads is the whole of it.
    """
    found = {model: None for file in files if (model := _model_of(file)) is not None}
    return list(found)


def _model_of(file: Path) -> Path | None:
    for folder in file.parents:
        if (folder / _DESCRIPTION).is_file():
            return folder
    if file.suffix.lower() in _SUFFIXES and file.is_file() and not file.is_symlink():
        return file
    return None
