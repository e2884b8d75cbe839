"""Figures for each data set, architecture and attack."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.lab.table.rates import Estimate, auroc_with_interval, share, true_positive_rate
from benchmarks.lab.table.rows import Model

FALSE_POSITIVE_RATE = 0.05
# In place of a data set or an architecture: one threshold for all of them.
ALL = "all"


@dataclass(frozen=True)
class Figures:
    """How a scorer does on one cell.

    ``true_positive_rate``: at 5 % of the cell's clean models. ``refused``: of the attacked models,
    by the scorer's own threshold, None without one. ``named``: attacked models that it refuses and
    whose first suspected label is a target, of those ``with_target``; a label on a pass counts for
    nobody, and scorers without a threshold name none. ``queries`` and ``seconds``: the median
    over clean and attacked models.
    """

    auroc: Estimate
    true_positive_rate: float
    refused: int | None
    named: int
    with_target: int
    queries: float
    seconds: float


@dataclass(frozen=True)
class CleanFigures:
    """How many clean models a scorer refuses by its own threshold; the interval is exact, 95 %."""

    refused: int
    undecided: int
    models: int
    low: float
    high: float


@dataclass(frozen=True)
class Cell:
    """One attack on one architecture and data set, ``clean`` models of the same kind beside it."""

    dataset: str
    architecture: str
    attack: str
    attacked: tuple[str, ...]
    clean: tuple[str, ...]
    figures: dict[str, Figures] = field(default_factory=dict)


def scorers_of(models: Iterable[Model]) -> list[str]:
    """The scorers that said something of any model, in the order in which they are first seen."""
    return list(dict.fromkeys(name for model in models for name in model.readings))


def _figures(name: str, clean: Sequence[Model], attacked: Sequence[Model], seed: int) -> Figures:
    quiet = [model.readings[name] for model in clean]
    loud = [model.readings[name] for model in attacked]
    scores = [reading.score for reading in quiet], [reading.score for reading in loud]
    judged = [reading.refused for reading in loud]
    judges = any(hit is not None for hit in judged)
    named = [
        reading.refused is True and reading.labels[:1] != () and reading.labels[0] in model.targets
        for model, reading in zip(attacked, loud, strict=True)
        if model.targets and judges
    ]
    return Figures(
        auroc=auroc_with_interval(*scores, np.random.default_rng(seed)),
        true_positive_rate=true_positive_rate(*scores, FALSE_POSITIVE_RATE),
        refused=sum(hit is True for hit in judged) if judges else None,
        named=sum(named),
        with_target=len(named),
        queries=float(np.median([reading.queries for reading in quiet + loud])),
        seconds=float(np.median([reading.seconds for reading in quiet + loud])),
    )


def figures_of(clean: Sequence[Model], attacked: Sequence[Model], seed: int) -> dict[str, Figures]:
    """The figures of each scorer, over the models that it said something of.

    A scorer that spoke of no clean or of no attacked model of the cell is left out.
    """
    found = {}
    for name in scorers_of([*clean, *attacked]):
        of_clean = [model for model in clean if name in model.readings]
        of_attacked = [model for model in attacked if name in model.readings]
        if of_clean and of_attacked:
            found[name] = _figures(name, of_clean, of_attacked, seed)
    return found


def cells(models: Iterable[Model], calibrated: Collection[str], seed: int) -> list[Cell]:
    """A cell for each attack that was learned.

    Args:
        models: Clean and attacked ones.
        calibrated: Digests of the models that a threshold was calibrated on; they are left out.
        seed: Of the bootstrap; each cell has a stream of its own.

    """
    used = [model for model in models if model.learned and model.sha256 not in calibrated]
    table = []
    for dataset, architecture in kinds(used):
        clean = clean_of(used, dataset, architecture)
        of_kind = [m for m in used if m.cell is not None and _is_of(m, dataset, architecture)]
        for attack in sorted({str(model.cell) for model in of_kind}):
            attacked = [model for model in of_kind if model.cell == attack]
            stream = seed + zlib.crc32(f"{dataset} {architecture} {attack}".encode())
            files = tuple(model.file for model in attacked), tuple(model.file for model in clean)
            figures = figures_of(clean, attacked, stream)
            table.append(Cell(dataset, architecture, attack, *files, figures))
    return table


def kinds(models: Iterable[Model]) -> list[tuple[str, str]]:
    """Data sets and architectures, each by itself and, where there are several, together."""
    single = {(model.dataset, model.architecture) for model in models}
    datasets = {dataset for dataset, _ in single}
    several = {d for d in datasets if sum(dataset == d for dataset, _ in single) > 1}
    together = {(dataset, ALL) for dataset in several}
    ordered = sorted(single | together, key=lambda kind: (kind[0], kind[1] == ALL, kind[1]))
    return ordered + ([(ALL, ALL)] if len(datasets) > 1 else [])


def _is_of(model: Model, dataset: str, architecture: str) -> bool:
    return dataset in (ALL, model.dataset) and architecture in (ALL, model.architecture)


def clean_of(models: Iterable[Model], dataset: str, architecture: str) -> list[Model]:
    """The clean models of one kind."""
    return [m for m in models if m.attack is None and _is_of(m, dataset, architecture)]


def clean_figures(clean: Sequence[Model]) -> dict[str, CleanFigures]:
    """For each scorer with a threshold of its own, how many of the clean models it refuses."""
    found = {}
    for name in scorers_of(clean):
        judged = [m.readings[name].refused for m in clean if name in m.readings]
        if set(judged) == {None}:
            continue
        refused = sum(hit is True for hit in judged)
        interval = share(refused, len(judged))
        found[name] = CleanFigures(refused, judged.count(None), len(judged), *interval)
    return found
