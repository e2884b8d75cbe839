"""Folders of models with a manifest, scanned so that an interrupted run can go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from xray_gate import wiring
from xray_gate.policy.files import Policy
from xray_gate.probing.probe_set import ProbeSet

Row = dict[str, Any]


def scan_missing(
    folder: Path,
    out: Path,
    policy: Policy,
    probes: Path | None,
    scan: Callable[[Path, Row, ProbeSet], Row],
    only: Collection[str] = (),
) -> list[Row]:
    """All rows in ``out``, after ``scan`` was called for the models that it had no row of.

    Args:
        folder: Holds models, ``manifest.json``, and ``probes_DATASET.npz`` for each data set unless
            ``probes`` names one file for all.
        out: JSON, written anew after each model.
        policy: Says how probes are read.
        probes: See ``folder``.
        scan: Gets a model's path, its manifest entry and its probes.
        only: Files to scan; all where it is empty.

    """
    rows: list[Row] = json.loads(out.read_text()) if out.exists() else []
    done = {row["file"] for row in rows}
    read: dict[Path, ProbeSet] = {}
    for entry in json.loads((folder / "manifest.json").read_text(encoding="utf-8")):
        file = entry["file"]
        if file in done or (only and file not in only):
            continue
        source = probes or folder / f"probes_{entry['dataset']}.npz"
        if source not in read:
            read[source] = wiring.load_probes(source, policy)
        rows.append(scan(folder / file, entry, read[source]))
        out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return rows
