"""Hold statistics of planes against each other, on what ``archive`` kept.

    python -m benchmarks.lab.planes.variants --archive ARCHIVE ... --manifest MANIFEST ... \
        --dataset cifar10 [--views VIEW ...] [--out results.json]

AUROC of clean models against those with a learned all-to-one backdoor, one threshold for all
architectures, and for each architecture alone. Every statistic is turned so that a high value is
suspicious. What was chosen with it, and when, stands in docs/experiments.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.lab.planes.archive import DIRECTIONS, VIEWS
from benchmarks.lab.table.rates import auroc
from benchmarks.whole_files import write_text
from xray_gate.probing.horizon import agreeing_shares
from xray_gate.probing.regions import (
    areas_of_triple_samples,
    as_triple,
    label_shares,
    renyi_entropy,
)

Arrays = Mapping[str, npt.NDArray[np.integer]]
Floats = npt.NDArray[np.float64]
_ALL = "all"


@dataclass(frozen=True, eq=False)
class Seen:
    """One view of a model: its labels, their shares plane by plane, and its other arrays."""

    name: str
    labels: npt.NDArray[np.int32]
    shares: Floats
    arrays: Arrays

    @property
    def mean(self) -> Floats:
        """Each label's part of all planes, float64 ``[classes]``."""
        mean: Floats = self.shares.mean(axis=0)
        return mean

    def foreign(self) -> Floats:
        """Each label's part of the planes of which no sample has it; 0 where there is none."""
        own = np.zeros(self.shares.shape, np.bool_)
        for labels in self.arrays[f"{self.name}.predicted"].T:
            own[np.arange(len(own)), labels] = True
        counted = np.maximum(1, (~own).sum(axis=0))
        parts: Floats = np.where(own, 0.0, self.shares).sum(axis=0) / counted
        return parts


def _ats(seen: Seen) -> float:
    kept = (seen.arrays[f"{seen.name}.{key}"] for key in ("cells", "true", "predicted"))
    areas = [
        areas_of_triple_samples(grid, cells, as_triple(true), as_triple(predicted))
        for grid, cells, true, predicted in zip(seen.labels, *kept, strict=True)
    ]
    return -float(np.mean(areas))


def _of_triples(seen: Seen) -> bool:
    return VIEWS[seen.name].through == "classes"


def _opposite(seen: Seen) -> float:
    """Points of a grid and those on the other side of its centre."""
    return float((seen.labels == seen.labels[:, ::-1, ::-1]).mean())


def _pairs(seen: Seen) -> float:
    return float(agreeing_shares(list(seen.labels), seen.shares.shape[1]).sum())


# Of grids and of horizons, by name; a statistic that needs triples is left out elsewhere.
GRIDS: dict[str, Callable[[Seen], float]] = {
    "RE": lambda seen: -float(np.mean([renyi_entropy(grid, 10.0) for grid in seen.labels])),
    "Shannon entropy": lambda seen: -float(np.mean([renyi_entropy(g, 1.0) for g in seen.labels])),
    "largest share": lambda seen: float(seen.mean.max()),
    "gap to the runner-up": lambda seen: float(np.diff(np.sort(seen.mean)[-2:])[0]),
    "planes won": lambda seen: float(np.bincount(seen.shares.argmax(axis=1)).max()),
    "opposite points": _opposite,
}
TRIPLES: dict[str, Callable[[Seen], float]] = {
    "ATS": _ats,
    "largest foreign share": lambda seen: float(seen.foreign().max()),
}
HORIZONS: dict[str, Callable[[Seen], float]] = {
    "agreement": _pairs,
    "largest share": lambda seen: float(seen.mean.max()),
    "Shannon entropy of all": lambda seen: -renyi_entropy(seen.labels, 1.0),
}


def statistics(arrays: Arrays, classes: int, views: Iterable[str]) -> dict[str, float]:
    """Every statistic of every view, as ``VIEW: STATISTIC``."""
    found = {}
    for name in views:
        labels = arrays[name].astype(np.int32)
        shares = np.stack([label_shares(plane, classes) for plane in labels])
        seen = Seen(name, labels, shares, arrays)
        known = HORIZONS if labels.shape[1:] == (DIRECTIONS,) else GRIDS
        if known is GRIDS and _of_triples(seen):
            known = {**GRIDS, **TRIPLES}
        found.update({f"{name}: {key}": measure(seen) for key, measure in known.items()})
    return found


def read(
    archives: Iterable[Path], entries: Sequence[Mapping[str, Any]], views: Sequence[str]
) -> list[tuple[Mapping[str, Any], dict[str, float]]]:
    """The statistics of each model that an archive holds with all the views."""
    rows = []
    for entry in entries:
        name = f"{Path(entry['file']).stem}.npz"
        arrays: dict[str, npt.NDArray[np.integer]] = {}
        for path in (folder / name for folder in archives if (folder / name).exists()):
            with np.load(path) as kept:
                arrays.update(kept)
        if all(view in arrays for view in views):
            rows.append((entry, statistics(arrays, entry["classes"], views)))
    return rows


def areas(rows: Sequence[tuple[Mapping[str, Any], dict[str, float]]]) -> dict[str, Any]:
    """AUROC of each statistic over all models and for each architecture, and how many there are."""
    kinds = [_ALL, *sorted({str(entry["architecture"]) for entry, _ in rows})]
    found: dict[str, Any] = {}
    for kind in kinds:
        of_kind = [row for row in rows if kind in (_ALL, row[0]["architecture"])]
        clean = [values for entry, values in of_kind if entry["attack"] is None]
        attacked = [
            values
            for entry, values in of_kind
            if entry["mapping"] == "all_to_one" and not entry["failed_attack"]
        ]
        if clean and attacked:
            found[kind] = {
                "clean": len(clean),
                "attacked": len(attacked),
                "auroc": {
                    name: round(auroc(*([v[name] for v in side] for side in (clean, attacked))), 3)
                    for name in clean[0]
                },
            }
    return found


def main(argv: list[str] | None = None) -> int:
    """Print the areas, the best first."""
    parser = argparse.ArgumentParser(description="AUROC of statistics of planes.")
    parser.add_argument("--archive", type=Path, nargs="+", required=True)
    parser.add_argument("--manifest", type=Path, nargs="+", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--views", nargs="+", choices=list(VIEWS), default=list(VIEWS))
    parser.add_argument("--out", type=Path)
    args = parser.parse_args(argv)
    entries = [e for path in args.manifest for e in json.loads(path.read_text(encoding="utf-8"))]
    wanted = [entry for entry in entries if entry["dataset"] == args.dataset]
    found = areas(read(args.archive, wanted, args.views))
    if _ALL not in found:
        parser.error("no clean and attacked models with these views; look at --archive")
    if args.out:
        write_text(args.out, json.dumps(found, indent=1) + "\n")
    for kind, of_kind in found.items():
        print(f"{kind}: {of_kind['clean']} clean, {of_kind['attacked']} attacked")
    best = sorted(found[_ALL]["auroc"].items(), key=lambda item: -item[1])
    for name, _ in best:
        values = (of_kind["auroc"][name] for of_kind in found.values())
        print(f"{name:40s}", *(f"{value:.3f}" for value in values))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
