"""Files for readers that take a path: one folder a process, in memory where possible."""

import os
import tempfile
from functools import cache
from pathlib import Path


def temporary() -> "tempfile.TemporaryDirectory[str]":
    """A folder in memory, unless TMPDIR names a place."""
    memory = "/dev/shm"
    usable = "TMPDIR" not in os.environ and os.access(memory, os.W_OK)
    return tempfile.TemporaryDirectory(prefix="xray-gate-fuzz-", dir=memory if usable else None)


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    return temporary()


def folder(name: str) -> Path:
    """A folder of that name, made once."""
    path = Path(_folder().name) / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def written(name: str, data: bytes) -> Path:
    """A file of that name with these contents, which were others a moment ago."""
    path = Path(_folder().name) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
