"""Lines of the audit log in a file, one JSON object each; read without a registry."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from xray_gate.core.audit_chain import Checked, Head, check_chain
from xray_gate.core.errors import InputError
from xray_gate.core.strict_json import loads_strictly

_LONGEST_LINE = 1 << 20
_UNREADABLE: dict[str, Any] = {}


def exported(line: Mapping[str, Any]) -> str:
    """A line as it is exported; in ASCII, so that it steers no terminal."""
    return json.dumps(line, sort_keys=True, default=repr)


def check_exported(path: Path, kept: Sequence[Head] = ()) -> Checked:
    """Follow the lines of a file; `InputError` where it cannot be read."""
    try:
        with path.open("rb") as file:
            return check_chain(_lines_of(file), kept)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); name a file of exported lines"
        ) from error


def _lines_of(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    while text := file.readline(_LONGEST_LINE):
        if text.strip():
            yield _read(text)


def _read(text: bytes) -> dict[str, Any]:
    """A line of JSON; one that cannot be read is a line that no hash fits."""
    try:
        line = loads_strictly(text)
    except ValueError:
        return _UNREADABLE
    return line if isinstance(line, dict) else _UNREADABLE
