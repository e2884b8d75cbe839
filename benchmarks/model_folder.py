"""Folders of models with a manifest, scanned so that an interrupted run can go on."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from benchmarks.whole_files import write_text
from xray_gate.policy.files import Policy
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.wiring import scanning

Row = dict[str, Any]


def add_missing(
    folder: Path,
    out: Path,
    measure: Callable[[Path, Row], Row | None],
    only: Collection[str] = (),
    kind: Row | None = None,
) -> list[Row]:
    """All rows in ``out``, after ``measure`` was called for the models that it had no row of.

    Args:
        folder: Holds models and ``manifest.json``.
        out: JSON, written anew after each model.
        measure: Gets a model's path and its manifest entry; None leaves the model to the next run.
        only: Files to measure; all where it is empty.
        kind: What a model's row must hold beside its file, where ``out`` has rows of several kinds.

    """
    rows: list[Row] = json.loads(out.read_text(encoding="utf-8")) if out.exists() else []
    wanted = (kind or {}).items()
    done = {row["file"] for row in rows if all(row.get(key) == value for key, value in wanted)}
    for entry in json.loads((folder / "manifest.json").read_text(encoding="utf-8")):
        file = entry["file"]
        if file in done or (only and file not in only):
            continue
        row = measure(folder / file, entry)
        if row is not None:
            rows.append(row)
            write_text(out, json.dumps(rows, indent=1) + "\n")
    return rows


def scan_missing(
    folder: Path,
    out: Path,
    policy: Policy,
    probes: Path | None,
    scan: Callable[[Path, Row, ProbeSet], Row],
    only: Collection[str] = (),
) -> list[Row]:
    """``add_missing`` for what needs probes, read as ``policy`` says.

    ``folder`` holds ``probes_DATASET.npz`` for each data set unless ``probes`` names one file.
    """

    @functools.lru_cache
    def read(source: Path) -> ProbeSet:
        return scanning.load_probes(source, policy)

    def measure(path: Path, entry: Row) -> Row:
        return scan(path, entry, read(probes or folder / f"probes_{entry['dataset']}.npz"))

    return add_missing(folder, out, measure, only)
