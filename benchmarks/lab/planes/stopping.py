"""How often a scan that stops early says something else than all of its planes.

    python -m benchmarks.lab.planes.stopping --archive ARCHIVE ...

ARCHIVE holds what ``archive`` kept of models. The Renyi entropy of each plane is looked at as a
scan would, plane after plane, in the order in which they were drawn and in further ones drawn here;
the bound lies at several quantiles of the models' own means, where it is hardest.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks import markdown
from xray_gate.policy.xray_stopping import XrayStopping
from xray_gate.probing.regions import renyi_entropy

RANGES = ("unclipped", "valid")
QUANTILES = (0.05, 0.1, 0.2, 0.35, 0.5)
LEAST, ERROR = 3, 0.01
SCORE = "renyi_entropy.valid"

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Told:
    """Of ``scans``, how many stopped early, how many of these wrongly, and planes in the mean."""

    scans: int
    early: int
    wrong: int
    planes: float


def entropies(archives: Sequence[Path], pixel_range: str) -> Scores:
    """The entropy of each plane of each model, in bits, float64 ``[models, planes]``."""
    found = []
    for path in sorted(file for folder in archives for file in folder.glob("*.npz")):
        with np.load(path) as kept:
            found.append([renyi_entropy(labels) for labels in kept[pixel_range]])
    return np.array(found)


def stop(scores: Scores, bound: float, orders: int, rng: np.random.Generator) -> Told:
    """Look at every model's planes in ``orders`` orders, the first of them its own."""
    planes = scores.shape[1]
    rule = XrayStopping({SCORE: {"bound": bound, "suspicious": "below"}}, planes, LEAST, ERROR)
    used, early, wrong = [], 0, 0
    for model in scores:
        for number in range(orders):
            values = rng.permutation(model) if number else model
            drawn, refused = _first_word(rule, values)
            used.append(drawn)
            early += drawn < planes
            wrong += refused != (model.mean() < bound)
    return Told(len(used), early, wrong, float(np.mean(used)))


def _first_word(rule: XrayStopping, values: Scores) -> tuple[int, bool]:
    """After how many planes the rule speaks, and whether it refuses; all where it never does."""
    bound = rule.thresholds[SCORE]["bound"]
    for count in range(rule.least, rule.planes, rule.least):
        if rule.settled({SCORE: values[:count].tolist()}) is not None:
            return count, bool(values[:count].mean() < bound)
    return rule.planes, bool(values.mean() < bound)


def main(argv: list[str] | None = None) -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description="Early stops held against full scans.")
    parser.add_argument("--archive", type=Path, nargs="+", required=True)
    parser.add_argument("--orders", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    rows = []
    for pixel_range in RANGES:
        scores = entropies(args.archive, pixel_range)
        if not len(scores):
            parser.error("the archives hold no model; make them with benchmarks.lab.planes.archive")
        for quantile in QUANTILES:
            bound = float(np.quantile(scores.mean(axis=1), quantile))
            told = stop(scores, bound, args.orders, np.random.default_rng(args.seed))
            rows.append((
                pixel_range, f"{bound:.2f} ({quantile:.0%})", f"{told.scans:,}",
                f"{told.early / told.scans:.0%}", f"{told.planes:.1f}", f"{told.wrong:,}",
            ))  # fmt: skip
    headings = ("range", "bound (quantile)", "scans", "early", "planes, mean", "other verdict")
    print("\n".join(markdown.table(headings, rows)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
