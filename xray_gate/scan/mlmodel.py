"""What a model's MLmodel says, read within bounds: it is whatever the registrant wrote."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from xray_gate.core.errors import InputError

_LARGEST = 2**20
_MOST_FLAVOURS = 64
_LONGEST = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def read_mlmodel(path: Path) -> Mapping[str, Any]:
    """The contents of an MLmodel file; every scalar is text. `InputError` for another file.

    Nothing in it is given a type, and nothing multiplied that it refers to, so that reading takes
    no longer than the file is large.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise InputError(f"{path}: is larger than 1 MiB; log the model again")
        document = yaml.load(content.decode("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); log it again") from error
    # RecursionError, too, and PyYAML answers some texts with almost any exception.
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        raise InputError(f"{path}: is not readable YAML; log the model again") from error
    if not isinstance(document, dict):
        raise InputError(f"{path}: names no flavours; log the model again")
    return document


def flavours_of(path: Path) -> tuple[str, ...] | None:
    """The flavours that the model at `path` (a file or a folder) names, sorted.

    None where they cannot be known, since its MLmodel is none; empty where there is no MLmodel.
    """
    try:
        if not (path / "MLmodel").exists():
            return ()
        flavours = read_mlmodel(path / "MLmodel").get("flavors")
    except (InputError, OSError):
        return None
    if not isinstance(flavours, dict) or not 0 < len(flavours) <= _MOST_FLAVOURS:
        return None
    if not all(isinstance(name, str) and _is_plain(name) for name in flavours):
        return None
    return tuple(sorted(flavours))


def _is_plain(name: str) -> bool:
    # Another one could be a merge, which gives other flavours to those who follow it.
    return len(name) <= _LONGEST and _NAME.fullmatch(name) is not None
