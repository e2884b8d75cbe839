"""The digest of a model: a hash over the name and content of every file."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from xray_gate.core.errors import InputError, ScanError
from xray_gate.core.file_digest import file_digest, listing_digest

# MLflow's download adds this file to a folder; it is no part of the model, and nothing is loaded
# from it.
ADDED_BY_DOWNLOAD = "registered_model_meta"


MOST_NAMES = 4 * 2**20
"""Characters of all names; evidence lists them, and a ledger keeps it for ever."""

# What a single file is called, since its own name does not count: its path from itself.
SINGLE_FILE = "."


def model_digest(path: Path) -> str:
    """`sha256:` and a hash over every file at `path` (a file or a folder); see `file_digests`."""
    return digest_of(file_digests(path))


def digest_of(files: Mapping[str, str]) -> str:
    """The digest of the model that holds these files, as `file_digests` gives them.

    A single file's name does not count, so that a copy has the same digest.
    """
    if files.keys() == {SINGLE_FILE}:
        return files[SINGLE_FILE]
    return listing_digest(sorted(files.items()))


def changes(then: Mapping[str, str], now: Mapping[str, str]) -> dict[str, list[str]]:
    """Names that were `changed`, `added` or are `missing`, each list sorted and none empty.

    Both as `file_digests` gives them.
    """
    found = {
        "changed": [name for name in then if name in now and then[name] != now[name]],
        "added": [name for name in now if name not in then],
        "missing": [name for name in then if name not in now],
    }
    return {word: sorted(names) for word, names in found.items() if names}


def file_digests(path: Path) -> Mapping[str, str]:
    """Name to `sha256:...` of every file at `path`; names are relative, with `/`.

    A single file is named `.`. Raises `InputError` when there is nothing there to be read, and
    `ScanError` for links, which could lead outside, and for what is neither a file nor a folder.
    """
    try:
        return _digests(path)
    except OSError as error:
        raise InputError(
            f"{error.filename or path}: cannot be read ({error.strerror}); check its permissions"
        ) from error


def _digests(path: Path) -> Mapping[str, str]:
    if path.is_symlink():
        raise ScanError(f"{path.name}: is a symbolic link; give the file or folder itself")
    if path.is_file():
        return {SINGLE_FILE: file_digest(path)}
    if not path.is_dir():
        raise InputError(f"{path}: there is no such file or folder; check the path")
    named = [(file.relative_to(path).as_posix(), file) for file in _files(path)]
    files = {name: file_digest(file) for name, file in named if name != ADDED_BY_DOWNLOAD}
    if not files:
        raise InputError(f"{path}: the folder is empty; give a model")
    return files


def _files(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.rglob("*"), key=lambda item: item.relative_to(folder).as_posix()):
        if entry.is_symlink():
            raise ScanError(
                f"{entry.relative_to(folder)}: a model must not hold symbolic links; "
                "replace the link by the file"
            )
        if entry.is_file():
            yield entry
        elif not entry.is_dir():
            raise ScanError(
                f"{entry.relative_to(folder)}: is no file but a pipe, a socket or a device; "
                "remove it from the model"
            )
