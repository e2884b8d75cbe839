"""A plan, a YAML list of what to train, and the jobs that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.lab.attacks import ATTACKS
from benchmarks.lab.data import DATASETS
from benchmarks.lab.mappings import MAPPINGS
from benchmarks.lab.networks import ARCHITECTURES
from benchmarks.lab.recipes import RECIPES

_KNOWN: dict[str, Mapping[str, Any]] = {
    "dataset": DATASETS,
    "architecture": ARCHITECTURES,
    "attack": ATTACKS,
    "mapping": MAPPINGS,
    "recipe": RECIPES,
}


@dataclass(frozen=True)
class Job:
    """One model to train; the texts are keys of the registries of their modules.

    ``targets`` is the number of triggers, each of which leads to a target of its own.
    """

    dataset: str
    architecture: str
    seed: int
    attack: str | None = None
    mapping: str = "all_to_one"
    recipe: str = "normal"
    targets: int = 1

    @property
    def file(self) -> str:
        """Name of the model's file."""
        parts = [self.dataset, self.architecture, self.attack or self.recipe]
        if self.attack is not None and self.mapping != "all_to_one":
            parts.append(self.mapping)
        if self.targets > 1:
            parts.append(f"targets{self.targets}")
        return "_".join([*parts, f"{self.seed}.onnx"])


def _targets(entry: Mapping[str, Any]) -> int:
    count, attack = entry.get("targets", 1), entry.get("attack")
    if type(count) is not int or count < 1:
        raise ValueError(f"targets {count!r} in {dict(entry)}; use a whole number of at least 1")
    if count == 1:
        return count
    if attack is None:
        raise ValueError(f"targets without an attack in {dict(entry)}; name one or leave them out")
    if count > len(ATTACKS[attack].draws):
        several = {name: len(known.draws) for name, known in ATTACKS.items() if known.further}
        raise ValueError(f"{attack} has no {count} targets; the most that attacks have: {several}")
    if entry.get("mapping") not in (None, "all_to_one"):
        raise ValueError(f"{count} targets with mapping {entry['mapping']}; leave one of them out")
    return count


def _jobs(entry: Mapping[str, Any]) -> list[Job]:
    unknown = set(entry) - set(_KNOWN) - {"seeds", "targets"}
    if unknown:
        keys = [*_KNOWN, "targets", "seeds"]
        raise ValueError(f"unknown keys {sorted(unknown)} in {dict(entry)}; use {keys}")
    for key, known in _KNOWN.items():
        value = entry.get(key)
        if value is not None and value not in known:
            raise ValueError(f"unknown {key} {value!r}; use one of {sorted(known)}")
    settings = {key: entry[key] for key in _KNOWN if entry.get(key) is not None}
    settings["targets"] = _targets(entry)
    jobs = [Job(seed=int(seed), **settings) for seed in entry["seeds"]]
    for job in jobs:
        if job.attack and ATTACKS[job.attack].clean_label and job.mapping != "all_to_one":
            raise ValueError(f"{job.file}: a clean-label attack has one target; leave mapping out")
    return jobs


def read_plan(path: Path) -> list[Job]:
    """Read a plan: a list of entries, each with a list of seeds.

    Raises:
        ValueError: If an entry names something unknown, or two jobs would share a file.

    """
    jobs = [job for entry in yaml.safe_load(path.read_text("utf-8")) for job in _jobs(entry)]
    files = [job.file for job in jobs]
    twice = sorted({file for file in files if files.count(file) > 1})
    if twice:
        raise ValueError(f"{path} names {twice} more than once; give each a seed of its own")
    return jobs
