"""The digest of a model: a hash over the name and content of every file."""

from collections.abc import Iterator
from pathlib import Path

from xray_gate.core.errors import InputError, ScanError
from xray_gate.core.file_digest import file_digest, folder_digest

# MLflow's download adds this file to a folder; it is no part of the model, and nothing is loaded
# from it.
ADDED_BY_DOWNLOAD = "registered_model_meta"


def model_digest(path: Path) -> str:
    """`sha256:` and a hash over every file at `path` (a file or a folder).

    A single file's name does not count, so that a copy has the same digest. Raises `InputError`
    when there is nothing there to be read, and `ScanError` for links, which could lead outside.
    """
    try:
        return _digest(path)
    except OSError as error:
        raise InputError(
            f"{error.filename or path}: cannot be read ({error.strerror}); check its permissions"
        ) from error


def _digest(path: Path) -> str:
    if path.is_symlink():
        raise ScanError(f"{path.name}: is a symbolic link; give the file or folder itself")
    if path.is_file():
        return file_digest(path)
    if not path.is_dir():
        raise InputError(f"{path}: there is no such file or folder; check the path")
    named = [(file.relative_to(path).as_posix(), file) for file in _files(path)]
    files = [(name, file) for name, file in named if name != ADDED_BY_DOWNLOAD]
    if not files:
        raise InputError(f"{path}: the folder is empty; give a model")
    return folder_digest(files)


def _files(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.rglob("*"), key=lambda item: item.relative_to(folder).as_posix()):
        if entry.is_symlink():
            raise ScanError(
                f"{entry.relative_to(folder)}: a model must not hold symbolic links; "
                "replace the link by the file"
            )
        if entry.is_file():
            yield entry
