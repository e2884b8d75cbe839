"""Measure and draw the effect of each parameter of Model X-ray.

    python -m benchmarks.lab.ablations measure FOLDER --out results.json [--only FILE ...]
    python -m benchmarks.lab.ablations draw results.json --out docs/images

FOLDER as ``benchmarks.lab`` writes it. Attacks that were not learned, and other mappings than
all-to-one, are left out. ``measure`` goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.lab.ablations.drawing import TITLES, draw, lines
from benchmarks.lab.ablations.measuring import measure
from benchmarks.model_folder import Row, add_missing
from xray_gate.probing.probe_files import read_probes


def _measure(args: argparse.Namespace) -> None:
    def rows_of(path: Path, entry: Row) -> Row | None:
        if entry["failed_attack"] or entry["mapping"] not in (None, "all_to_one"):
            return None
        probes = read_probes(args.folder / f"probes_{entry['dataset']}.npz")
        rows = measure(path, probes, args.seed, args.threads)
        today = datetime.now(UTC).date().isoformat()
        known = {key: entry[key] for key in ("file", "dataset", "architecture", "attack")}
        print(path.name, flush=True)
        return {**known, "seed": args.seed, "date": today, "rows": rows}

    add_missing(args.folder, args.out, rows_of, args.only or ())


def _draw(args: argparse.Namespace) -> None:
    models = json.loads(args.results.read_text(encoding="utf-8"))
    clean = sum(model["attack"] is None for model in models)
    attacks = {model["attack"] for model in models} - {None}
    kinds = ", ".join(sorted({f"{m['dataset']}, {m['architecture']}" for m in models}))
    caption = f"{kinds}: {clean} clean models, {len(models) - clean} of {len(attacks)} attacks"
    for axis in TITLES:
        found = lines(models, axis)
        if not found:
            continue
        draw(found, axis, caption, args.out / f"ablation-{axis}.svg")
        for scorer, line in found.items():
            told = ", ".join(f"{value:.3g}: {area:.2f}" for value, area in sorted(line.items()))
            print(f"{axis}, {scorer}: {told}")


def main(argv: list[str] | None = None) -> int:
    """Measure or draw."""
    parser = argparse.ArgumentParser(description="Ablations of Model X-ray.")
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("folder", type=Path)
    measuring.add_argument("--out", type=Path, required=True)
    measuring.add_argument("--only", nargs="*", metavar="FILE")
    measuring.add_argument("--seed", type=int, default=0)
    measuring.add_argument("--threads", type=int, default=1)
    drawing = commands.add_parser("draw")
    drawing.add_argument("results", type=Path)
    drawing.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    if args.command == "measure":
        _measure(args)
    else:
        _draw(args)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
