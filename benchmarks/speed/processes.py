"""How much memory processes hold, as Linux tells it."""

from __future__ import annotations

import os
from pathlib import Path


def peak_bytes(pid: int) -> int:
    """The most resident memory that a process has had."""
    return _status(pid, "VmHWM")


def resident_bytes(pid: int) -> int:
    """The resident memory that a process has now."""
    return _status(pid, "VmRSS")


def children() -> set[int]:
    """The processes that this one started and that still run."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and _parent(entry) == os.getpid():
            found.add(int(entry.name))
    return found


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    raise RuntimeError(f"the process {pid} has ended and says nothing of {name}")


def _parent(entry: Path) -> int | None:
    try:
        # The name in brackets may hold anything, spaces and brackets included.
        fields = (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1])
