"""The files of a model as they lie on disk."""

import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from xray_gate.core.errors import InputError
from xray_gate.scan.digest import ADDED_BY_DOWNLOAD, MOST_NAMES
from xray_gate.scan.ports import FileRules
from xray_gate.static_checks.looking import refusal, shown

_MOST_LEVELS = 32


def files_of(path: Path, rules: FileRules) -> dict[str, int]:
    """The sizes of the files in a folder by their paths there; of a file, its own by its name.

    Raises `ScanError` for links and special files, names that another machine would take for one,
    and more files or bytes than the rules allow; `InputError` for what cannot be read.
    """
    try:
        return _files(path, rules)
    except OSError as error:
        raise InputError(
            f"{error.filename or path}: cannot be read ({error.strerror}); check its permissions"
        ) from error


def _files(path: Path, rules: FileRules) -> dict[str, int]:
    if not path.is_dir() or path.is_symlink():
        found = {path.name: _size(path.name, path.lstat())}
    else:
        found = {}
        for name, size in _entries(path, "", _MOST_LEVELS):
            found[name] = size
            if name.partition("/")[0].casefold() == ADDED_BY_DOWNLOAD:
                raise refusal(
                    shown(name),
                    "is what a download adds, and in no digest, so that a model must not use it",
                    "remove it from the folder",
                )
            if len(found) > rules.files:
                raise refusal(
                    shown(path.name),
                    f"holds more than {rules.files} files",
                    "remove what is no part of the model, or raise limits.files in the policy",
                )
    if sum(map(len, found)) > MOST_NAMES:
        raise refusal(
            shown(path.name),
            f"has files whose names are more than {MOST_NAMES:,} characters, all together",
            "remove what is no part of the model, or make the names shorter",
        )
    if sum(found.values()) > rules.size_bytes:
        raise refusal(
            shown(path.name),
            f"holds more than {rules.size_bytes / 2**20:,.0f} MiB",
            "remove what is no part of the model, or raise limits.files_mb in the policy",
        )
    require_distinct(shown(path.name), found)
    return found


def require_distinct(place: str, names: Iterable[str]) -> None:
    """Refuse names of which two are one where case or the form of accents do not count."""
    seen: dict[str, str] = {}
    for name in names:
        folded = unicodedata.normalize("NFKC", name).casefold()
        if folded in seen:
            other = seen[folded]
            how = "twice" if other == name else f"beside {shown(other)}"
            raise refusal(
                place,
                f"holds {shown(name)} {how}, which are one file on some machines",
                "rename one of them",
            )
        seen[folded] = name


def _entries(folder: Path, prefix: str, levels: int) -> Iterator[tuple[str, int]]:
    if levels == 0:
        raise refusal(shown(prefix), f"lies more than {_MOST_LEVELS} folders deep", "flatten it")
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{prefix}{entry.name}"
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                yield from _entries(Path(entry.path), f"{name}/", levels - 1)
            else:
                yield name, _size(name, status)


def _size(name: str, status: os.stat_result) -> int:
    if stat.S_ISLNK(status.st_mode):
        raise refusal(shown(name), "is a symbolic link", "replace it by the file")
    if not stat.S_ISREG(status.st_mode):
        raise refusal(
            shown(name), "is no file but a pipe, a socket or a device", "remove it from the model"
        )
    return status.st_size
