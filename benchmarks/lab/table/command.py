"""``python -m benchmarks.lab table``: figures of every detector on the models of the lab.

    python -m benchmarks.lab table --manifest FOLDER/manifest.json ... --scans results.json ... \
        [--peers peers.json ...] [--calibration FILE ...] --out FOLDER

``--scans``: results of ``benchmarks.detector_table``; ``--peers``: of ``benchmarks.lab.peers``.
``--calibration``: files of ``xray-gate calibrate``; their references are left out of every figure.
``FOLDER`` gets ``table.json``, with the entries of all models that were used, and ``table.md``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.lab.provenance import current_commit
from benchmarks.lab.table.cells import Cell, cells, clean_figures, clean_of, kinds
from benchmarks.lab.table.markdown import auroc_table, rates_table
from benchmarks.lab.table.rows import Model, read_models
from benchmarks.whole_files import write_text
from xray_gate.policy.calibration import read_calibration

PAPERS = Path(__file__).with_name("papers.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--manifest", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("--scans", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("--peers", type=Path, nargs="*", default=[], metavar="FILE")
    parser.add_argument("--calibration", type=Path, nargs="*", default=[], metavar="FILE")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument("--out", type=Path, required=True, help="folder for table.json, table.md")


def run(args: argparse.Namespace) -> int:
    """Write the table."""
    models = read_models(args.manifest, args.scans, args.peers)
    digests = {
        reference.digest.removeprefix("sha256:")
        for path in args.calibration
        for reference in read_calibration(path).references
    }
    table = cells(models, digests, args.seed)
    used = [model for model in models if model.sha256 not in digests]
    args.out.mkdir(parents=True, exist_ok=True)
    text = "\n".join(_markdown(table, used)) + "\n"
    write_text(args.out / "table.md", text)
    write_text(args.out / "table.json", json.dumps(_json(args, table, used), indent=1) + "\n")
    print(text, end="")
    return 0


def _markdown(table: Sequence[Cell], used: Sequence[Model]) -> list[str]:
    papers = json.loads(PAPERS.read_text(encoding="utf-8"))
    lines: list[str] = []
    for kind, group in itertools.groupby(table, lambda cell: (cell.dataset, cell.architecture)):
        of_kind = list(group)
        clean = clean_of(used, *kind)
        lines += [f"### {kind[0]}, {kind[1]}: {len(clean)} clean models", ""]
        lines += [*auroc_table(of_kind, papers), ""]
        lines += [*rates_table(of_kind, clean_figures(clean)), ""]
    return lines


def _json(args: argparse.Namespace, table: Sequence[Cell], used: Sequence[Model]) -> dict[str, Any]:
    entries = [e for path in args.manifest for e in json.loads(path.read_text(encoding="utf-8"))]
    files = {model.file for model in used}
    return {
        "format": "xray-gate/lab-table-v1",
        "date": datetime.now(UTC).date().isoformat(),
        "commit": current_commit(),
        "command": "python -m benchmarks.lab " + shlex.join(sys.argv[1:]),
        "seed": args.seed,
        "left_out": sorted(model.file for model in used if not model.learned),
        "cells": [asdict(cell) for cell in table],
        "clean": [
            {
                "dataset": dataset,
                "architecture": architecture,
                "figures": {
                    name: asdict(figures)
                    for name, figures in clean_figures(
                        clean_of(used, dataset, architecture)
                    ).items()
                },
            }
            for dataset, architecture in kinds(used)
        ],
        "readings": {
            model.file: {name: asdict(reading) for name, reading in model.readings.items()}
            for model in used
        },
        "models": [entry for entry in entries if entry["file"] in files],
    }
