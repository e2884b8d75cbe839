"""A plan, a YAML list of what to train, and the jobs that follow from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.lab.attacks.catalogue import ATTACKS, Attack
from benchmarks.lab.attacks.mappings import COUNTED, MAPPINGS
from benchmarks.lab.data.sources import KNOWN
from benchmarks.lab.networks.catalogue import ARCHITECTURES
from benchmarks.lab.training.recipes import RECIPES

_CHOICES: dict[str, Collection[str]] = {
    "architecture": ARCHITECTURES,
    "attack": ATTACKS,
    "mapping": MAPPINGS,
    "recipe": RECIPES,
}


# Keys of whole numbers, each with the largest one that is of use.
_NUMBERS = {"targets": None, "triggers": None, "side": 22, "sources": None}
_RATES = (0.0005, 0.2)


@dataclass(frozen=True)
class Job:
    """One model to train; the texts are keys of the registries of their modules.

    Attributes:
        dataset: What it classifies.
        architecture: Its network.
        seed: Decides all that is drawn.
        attack: None for a clean model.
        mapping: The labels of stamped images.
        recipe: How it is trained.
        targets: Number of triggers, each of which leads to a target of its own.
        triggers: Number of triggers that lead to one target.
        rate: Share of all training images that is poisoned, by all triggers together, 0.0005 to 0.2
            (clean-label attacks: of the target's own images, 0.0005 to 1). None leaves it to attack
            and mapping; several triggers share that, several targets get it each.
        side: Side of the attack's patches in pixels, 1 to 22; None leaves it to the attack.
        sources: Number of classes that the mapping attacks; None leaves it to the mapping.

    """

    dataset: str
    architecture: str
    seed: int
    attack: str | None = None
    mapping: str = "all_to_one"
    recipe: str = "normal"
    targets: int = 1
    triggers: int = 1
    rate: float | None = None
    side: int | None = None
    sources: int | None = None

    @property
    def file(self) -> str:
        """Name of the model's file."""
        parts = [self.dataset, self.architecture, self.attack or self.recipe]
        if self.attack is not None and self.mapping != "all_to_one":
            parts.append(self.mapping)
        if self.sources is not None:
            parts.append(f"sources{self.sources}")
        if self.targets > 1:
            parts.append(f"targets{self.targets}")
        if self.triggers > 1:
            parts.append(f"triggers{self.triggers}")
        if self.side is not None:
            parts.append(f"side{self.side}")
        if self.rate is not None:
            parts.append(f"rate{self.rate:g}")
        return "_".join([*parts, f"{self.seed}.onnx"])


def _check_numbers(entry: Mapping[str, Any]) -> None:
    for key, most in _NUMBERS.items():
        value = entry.get(key)
        if value is None:
            continue
        if type(value) is not int or value < 1 or (most is not None and value > most):
            limit = "of at least 1" if most is None else f"from 1 to {most}"
            raise ValueError(f"{key} {value!r} in {dict(entry)}; use a whole number {limit}")


def _check_several(job: Job, attack: Attack) -> None:
    count = max(job.targets, job.triggers)
    if count == 1:
        return
    if count > len(attack.draws()):
        several = {name: len(known.draws()) for name, known in ATTACKS.items() if known.further}
        kind = "targets" if job.targets > 1 else "triggers"
        raise ValueError(
            f"{job.attack} has no {count} {kind}; the most that attacks have: {several}"
        )
    if min(job.targets, job.triggers) > 1:
        raise ValueError(f"{job.file} has targets and triggers; leave one of them out")
    if job.mapping != "all_to_one":
        raise ValueError(f"{count} triggers with mapping {job.mapping}; leave one of them out")


def _check_rate(job: Job, attack: Attack) -> None:
    if job.rate is None:
        return
    if attack.join is not None:
        raise ValueError(f"{job.attack} stamps batches and poisons no image; leave rate out")
    least, most = _RATES
    if attack.clean_label:
        # A share of one class, which is a small part of all images.
        most = 1.0
    if type(job.rate) not in (int, float) or not least <= job.rate <= most:
        raise ValueError(
            f"{job.attack} at rate {job.rate!r}; use a number from {least} to {most:g}"
        )


def _check_attack(job: Job, attack: Attack) -> None:
    _check_several(job, attack)
    _check_rate(job, attack)
    if attack.clean_label and job.mapping != "all_to_one":
        raise ValueError(f"{job.file}: a clean-label attack has one target; leave mapping out")
    if job.side is not None and attack.sized is None:
        sized = sorted(name for name, known in ATTACKS.items() if known.sized)
        raise ValueError(f"{job.file}: {job.attack} has no side to choose; {sized} have")
    if job.sources is not None and job.mapping not in COUNTED:
        raise ValueError(
            f"{job.file}: mapping {job.mapping} has no sources to count; {sorted(COUNTED)} have"
        )


def _check_clean(job: Job, entry: Mapping[str, Any]) -> None:
    for key in (*_NUMBERS, "rate"):
        if getattr(job, key) != getattr(Job, key):
            raise ValueError(
                f"{key} without an attack in {dict(entry)}; name one or leave {key} out"
            )


def _jobs(entry: Mapping[str, Any], datasets: Collection[str]) -> list[Job]:
    choices = {"dataset": datasets, **_CHOICES}
    known_keys = [*choices, *_NUMBERS, "rate", "seeds"]
    unknown = set(entry) - set(known_keys)
    if unknown:
        raise ValueError(f"unknown keys {sorted(unknown)} in {dict(entry)}; use {known_keys}")
    for key, known in choices.items():
        value = entry.get(key)
        if value is not None and value not in known:
            raise ValueError(f"unknown {key} {value!r}; use one of {sorted(known)}")
    _check_numbers(entry)
    settings = {key: entry[key] for key in known_keys[:-1] if entry.get(key) is not None}
    jobs = [Job(seed=int(seed), **settings) for seed in entry["seeds"]]
    for job in jobs:
        if job.attack is None:
            _check_clean(job, entry)
        else:
            _check_attack(job, ATTACKS[job.attack])
    return jobs


def read_plan(path: Path, datasets: Collection[str] = KNOWN) -> list[Job]:
    """Read a plan: a list of entries, each with a list of seeds, for data sets of these names.

    Raises:
        ValueError: If an entry names something unknown, or two jobs would share a file.

    """
    entries = yaml.safe_load(path.read_text("utf-8"))
    jobs = [job for entry in entries for job in _jobs(entry, datasets)]
    files = [job.file for job in jobs]
    twice = sorted({file for file in files if files.count(file) > 1})
    if twice:
        raise ValueError(f"{path} names {twice} more than once; give each a seed of its own")
    return jobs
