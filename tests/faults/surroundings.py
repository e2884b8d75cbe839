"""Changes to a runner's process before it begins: full disks and databases, and quick scans."""

import ctypes
import os
import resource
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Engine

from tests.faults.program import PLANES, SIZE, Order
from tests.support.evidence import evidence_of
from xray_gate.core.evidence import ModelFacts
from xray_gate.detectors.model_xray.parameters import ModelXrayParameters
from xray_gate.registry.evidence_run import EvidenceRuns
from xray_gate.scan.digest import digest_of, file_digests
from xray_gate.scan.work import ScanOutput
from xray_gate.wiring import running

_NEW_NAMESPACE, _PRIVATE = 0x00020000, 0x44000
_libc = ctypes.CDLL(None, use_errno=True)


def mount_something(order: Order) -> None:
    """Ends well where this machine lets its tests mount a disk of their own."""
    order.folder.mkdir(parents=True)
    _mount(order.folder, 1)


def small_temporary_files(order: Order) -> None:
    """There is room for one page (4 KiB) where downloads go."""
    _mount(order.temporary, 1)


def small_snapshots(order: Order) -> None:
    """There is room for one page where scanned bytes are kept."""
    folder = Path(order.snapshots.removeprefix("file://"))
    folder.mkdir(exist_ok=True)
    _mount(folder, 1)


def full_database(_: Order) -> None:
    """SQLite may not grow its file any more."""

    def limit(connection: Any, *_: Any) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")

    sqlalchemy.event.listen(sqlalchemy.pool.Pool, "checkout", limit)


def little_patience(_: Order) -> None:
    """SQLite's connections wait half a second for a lock, and not MLflow's twenty."""

    def shorten(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> tuple[str, Any]:
        return statement.replace("busy_timeout = 20000", "busy_timeout = 500"), parameters

    sqlalchemy.event.listen(Engine, "before_cursor_execute", shorten, retval=True)


def quick_scans(order: Order) -> None:
    """Every model passes unasked, and nothing is logged to a run; memory is written down."""
    setattr(running, "_PolicyScanner", lambda *_: _QuickScan(order.folder / "memory"))  # noqa: B010
    setattr(EvidenceRuns, "__call__", lambda *_: "0" * 32)  # noqa: B010


@dataclass(frozen=True)
class _QuickScan:
    memory: Path

    def __call__(self, path: Path, ref: str, *_: Any) -> ScanOutput:
        with self.memory.open("a") as told:
            told.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}\n")
        files = file_digests(path)
        facts = ModelFacts(ref, digest_of(files), "onnx", 4, files=files)
        evidence = evidence_of(1.9, scan_id=str(uuid.uuid4()), model=facts)
        (xray,) = evidence.detectors
        asked = ModelXrayParameters(size=SIZE, planes=PLANES).to_json()
        drawn = {**xray.statistics, "planes_drawn": {"unclipped": PLANES, "valid": PLANES}}
        xray = replace(xray, parameters=asked, statistics=drawn)
        return ScanOutput(replace(evidence, detectors=(xray,)))


def _mount(place: Path, pages: int) -> None:
    """A disk of so many pages, which only this process sees and which is gone with it."""
    if _libc.unshare(_NEW_NAMESPACE):
        raise OSError(ctypes.get_errno(), "no namespace of one's own")
    size = f"size={pages * os.sysconf('SC_PAGE_SIZE')}".encode()
    nothing = ctypes.c_void_p()
    for arguments in (
        (b"none", b"/", nothing, ctypes.c_ulong(_PRIVATE), nothing),
        (b"tmpfs", os.fsencode(place), b"tmpfs", ctypes.c_ulong(0), size),
    ):
        if _libc.mount(*arguments):
            raise OSError(ctypes.get_errno(), f"{place} could not be mounted")
