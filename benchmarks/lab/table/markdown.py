"""The table as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import markdown
from benchmarks.lab.table.cells import Cell, CleanFigures, Figures
from benchmarks.lab.table.rates import Estimate
from benchmarks.sweep_table import rate

# How columns are headed, in their order; scorers that are not named here follow by their own name.
HEADINGS = {
    "renyi_entropy": "X-ray RE",
    "renyi_entropy.valid": "X-ray RE, valid",
    "ats": "X-ray ATS",
    "ats.valid": "X-ray ATS, valid",
    "horizon_agreement": "X-ray horizon",
    "trigger_sweep": "sweep",
    "b3d": "B3D",
    "dtinspector": "DTInspector",
    "neural_cleanse": "Neural Cleanse",
    "mm_bd": "MM-BD",
    "gate": "**gate**",
}


def _scorers(found: Iterable[str]) -> list[str]:
    known = list(HEADINGS)
    return sorted(set(found), key=lambda name: [*known, name].index(name))


def _estimate(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _heading(name: str) -> str:
    return HEADINGS.get(name, name)


def _mean_and_worst(cells: Sequence[Cell], scorers: Sequence[str]) -> list[list[str]]:
    rows = [["*mean*", ""], ["*worst*", ""]]
    for name in scorers:
        values = [cell.figures[name].auroc.value for cell in cells if name in cell.figures]
        rows[0].append(f"{np.mean(values):.3f}" if values else "-")
        rows[1].append(f"{min(values):.3f}" if values else "-")
    return rows


def _published(
    papers: Mapping[str, Any], dataset: str, scorers: Sequence[str], attacks: Sequence[str]
) -> list[list[str]]:
    """A line for each published cell of this data set whose attack is in the table."""
    lines = []
    for cell in papers["cells"]:
        if cell["dataset"] != dataset:
            continue
        for place, attack in enumerate(cell["attacks"]):
            if attack in attacks:
                told = [
                    f"{cell['auroc'][name][place]:.3f}" if name in cell["auroc"] else "-"
                    for name in scorers
                ]
                origin = f"published, {cell['architecture']}, table {cell['table']}"
                lines.append([f"{attack}, {origin}", str(cell["models"]), *told])
    return lines


def auroc_table(cells: Sequence[Cell], papers: Mapping[str, Any]) -> list[str]:
    """AUROC of each scorer on the cells of one data set and architecture, with intervals."""
    scorers = _scorers(name for cell in cells for name in cell.figures)
    rows = []
    for cell in cells:
        figures = [cell.figures.get(name) for name in scorers]
        told = ["-" if f is None else _estimate(f.auroc) for f in figures]
        rows.append([cell.attack, str(len(cell.attacked)), *told])
    attacks = [cell.attack for cell in cells]
    rows += _mean_and_worst(cells, scorers)
    rows += _published(papers, cells[0].dataset, scorers, attacks)
    return markdown.table(["attack", "models", *map(_heading, scorers)], rows)


def _sums(cells: Sequence[Cell], name: str) -> list[Figures]:
    return [cell.figures[name] for cell in cells if name in cell.figures]


def rates_table(cells: Sequence[Cell], clean: Mapping[str, CleanFigures]) -> list[str]:
    """One line for each scorer: what it finds and refuses, names, asks and costs."""
    headings = (
        "scorer", "found at 5 % of the clean ones", "found by its own threshold",
        "clean ones refused", "found and target named", "queries", "seconds",
    )  # fmt: skip
    rows = []
    for name in _scorers(name for cell in cells for name in cell.figures):
        figures = _sums(cells, name)
        count = sum(f.auroc.attacked for f in figures)
        at_five = sum(f.true_positive_rate * f.auroc.attacked for f in figures) / count
        found = [f.refused for f in figures if f.refused is not None]
        said = clean.get(name)
        refused = "-"
        if said is not None:
            refused = rate(said.refused, said.models)
            refused += f", {said.undecided} undecided" if said.undecided else ""
        named, targets = sum(f.named for f in figures), sum(f.with_target for f in figures)
        rows.append([
            _heading(name),
            f"{at_five:.0%} of {count}",
            f"{sum(found)} of {count}" if found else "-",
            refused,
            f"{named} of {targets}" if targets else "-",
            f"{np.median([f.queries for f in figures]):,.0f}",
            f"{np.median([f.seconds for f in figures]):.0f}",
        ])  # fmt: skip
    return markdown.table(headings, rows)
