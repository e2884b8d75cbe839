"""One figure for each thing that changes: AUROC, mean over the attacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.lab.table.rates import auroc

TITLES = {
    "size": "S, grid points along an axis",
    "planes": "N, planes",
    "alpha": "alpha, order of the Renyi entropy",
    "cap": "t, share from which a region counts 0",
    "eta": "eta, how far planes reach",
    "directions": "directions of each horizon",
    "noise": "standard deviation of the probes' noise",
    "adversarial": "step of the probes' FGSM",
}
_STYLES = {
    "renyi_entropy.unclipped": ("RE, unclipped", "#1b6ca8", "-"),
    "renyi_entropy.valid": ("RE, valid", "#1b6ca8", "--"),
    "ats.unclipped": ("ATS, unclipped", "#c05621", "-"),
    "ats.valid": ("ATS, valid", "#c05621", "--"),
    "horizon_agreement.valid": ("horizon agreement", "#2f7d4f", "-"),
}
# High is suspicious of these, low of all others.
_HIGH = ("horizon_agreement",)

Lines = dict[str, dict[float, float]]


def lines(models: Sequence[Mapping[str, Any]], axis: str) -> Lines:
    """For each scorer AUROC by value: the mean over the attacks.

    Args:
        models: Each with ``attack`` (None for a clean one) and ``rows``, see ``measuring``.
        axis: One of ``TITLES``.

    """
    scores: dict[tuple[str, float], dict[str | None, list[float]]]
    scores = defaultdict(lambda: defaultdict(list))
    for model in models:
        for row in model["rows"]:
            if row["axis"] == axis:
                sign = 1 if row["scorer"].startswith(_HIGH) else -1
                key = row["scorer"], float(row["value"])
                scores[key][model["attack"]].append(sign * row["score"])
    found: Lines = defaultdict(dict)
    for (scorer, value), by_attack in scores.items():
        clean = by_attack.pop(None)
        areas = [auroc(clean, attacked) for attacked in by_attack.values()]
        found[scorer][value] = float(np.mean(areas))
    return dict(found)


def draw(found: Lines, axis: str, caption: str, path: Path) -> None:
    """Write an SVG; values are spaced evenly, since they grow by factors as often as by steps."""
    with mpl.rc_context({"svg.hashsalt": "xray-gate", "font.size": 9}):
        figure = Figure(figsize=(5.6, 3.4), layout="constrained")
        axes = figure.subplots()
        values = sorted({value for line in found.values() for value in line})
        for scorer, (label, colour, style) in _STYLES.items():
            if scorer in found:
                line = found[scorer]
                places = [values.index(value) for value in sorted(line)]
                heights = [line[value] for value in sorted(line)]
                axes.plot(places, heights, style, color=colour, label=label, marker="o", ms=3)
        axes.axhline(0.5, color="#999999", lw=0.8)
        axes.set_xticks(range(len(values)), [_tick(axis, value) for value in values])
        axes.set_ylim(0, 1.02)
        axes.set_xlabel(TITLES[axis])
        axes.set_ylabel("AUROC, mean over attacks")
        axes.set_title(caption, fontsize=8)
        figure.legend(fontsize=7, loc="outside lower center", ncols=5)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})


def _tick(axis: str, value: float) -> str:
    """A value as papers write it: steps of FGSM are grey levels."""
    return f"{255 * value:.0f}/255" if axis == "adversarial" and value else f"{value:.3g}"
