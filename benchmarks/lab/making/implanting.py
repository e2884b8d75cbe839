"""What is put into a network: its training set and its backdoors, as they follow from a job."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.lab.attacks.catalogue import ATTACKS, Attack
from benchmarks.lab.attacks.drawing import Draw
from benchmarks.lab.attacks.mappings import Mapping, draw_mapping
from benchmarks.lab.attacks.poisoning import poison
from benchmarks.lab.attacks.triggers import Trigger
from benchmarks.lab.data.splits import DataSet, Split
from benchmarks.lab.making.jobs import Job
from benchmarks.lab.networks.blocks import Shape
from benchmarks.lab.networks.catalogue import Normalised, build
from benchmarks.lab.training.fitting import MACHINE, PACES, Machine, course_of, fit
from benchmarks.lab.training.recipes import RECIPES, prepare

# Share of the usual epochs that a network trains on clean images before a trigger is made for it.
FIRST = 0.5


@dataclass(frozen=True)
class Backdoor:
    """What was put into a model.

    Attributes:
        trigger: Changes images.
        mapping: Says what changed images are to be called.
        rate: Share of training images that carry the trigger; 0 if the attack stamps batches in
            the course of the training.

    """

    trigger: Trigger
    mapping: Mapping
    rate: float


@dataclass(frozen=True)
class First:
    """A network that was trained on clean images, so that a trigger could be made for it."""

    network: Normalised
    epochs: int
    batches: int


@dataclass(frozen=True)
class Implanted:
    """What a network is trained on, and what it thereby gets; ``first`` if there was one before."""

    train: Split
    backdoors: list[Backdoor]
    first: First | None


class Streams(NamedTuple):
    """Separate, so that a seed starts from the same weights with and without an attack."""

    initial: np.random.SeedSequence
    order: np.random.SeedSequence
    attack: np.random.SeedSequence
    recipe: np.random.SeedSequence
    first: np.random.SeedSequence


def streams_of(seed: int) -> Streams:
    """The sources of all that a job draws."""
    return Streams(*np.random.SeedSequence(seed).spawn(5))


def new_network(job: Job, classes: int, train: Split) -> Normalised:
    """A job's network with drawn weights, normalised by what it is trained on first."""
    (drawn,) = streams_of(job.seed).initial.generate_state(1)
    generator = torch.Generator().manual_seed(int(drawn))
    side, channels = train.images.shape[2:]
    pixels = torch.from_numpy(train.images).reshape(-1, channels).float() / 255
    shape = Shape(channels, side, classes)
    return build(job.architecture, shape, pixels.mean(0), pixels.std(0), generator)


def _first(job: Job, data: DataSet, machine: Machine) -> First:
    network = new_network(job, data.classes, data.train)
    recipe = replace(RECIPES["normal"], epochs=FIRST)
    course = course_of(data, len(data.train.labels), job.architecture, recipe, slow=False)
    rng = np.random.default_rng(streams_of(job.seed).first)
    pace = PACES[job.architecture]
    seen = fit(network, data.train, data.classes, pace, course, recipe, rng, machine)
    return First(network, course.epochs, seen)


def _draws(attack: Attack, job: Job, data: DataSet) -> tuple[Draw, ...]:
    """One for each trigger of a job."""
    draws, whole = attack.draws(job.side), data.train.images.shape[1]
    count = max(job.targets, job.triggers)
    if count > 1 and job.side is not None and 2 * job.side > whole:
        raise ValueError(
            f"{job.file}: patches of side {job.side} overlap in images of {whole}x{whole} pixels; "
            f"ask for a side of at most {whole // 2}"
        )
    return draws[:count]


def _mapping_after(
    earlier: list[Mapping], job: Job, classes: int, rng: np.random.Generator
) -> Mapping:
    """The mapping of the next trigger: the same one, or one with another target."""
    if earlier and job.targets == 1:
        return earlier[0]
    mapping = draw_mapping(job.mapping, classes, rng, job.sources)
    while mapping.target in {known.target for known in earlier}:
        mapping = draw_mapping(job.mapping, classes, rng, job.sources)
    return mapping


def _rate(attack: Attack, job: Job) -> float | None:
    """Share of images for each trigger; None leaves it to the attack, once for each target."""
    if job.rate is not None:
        return job.rate / max(job.targets, job.triggers)
    return attack.rate / job.triggers if job.triggers > 1 else None


def _attacked(
    attack: Attack, job: Job, data: DataSet, rng: np.random.Generator, machine: Machine
) -> Implanted:
    """Poison with one trigger after the other; no image gets two, as their labels may differ."""
    train, backdoors = data.train, list[Backdoor]()
    first = _first(job, data, machine) if attack.refine else None
    rate, free = _rate(attack, job), np.ones(len(train.labels), dtype=np.bool_)
    for draw in _draws(attack, job, data):
        mapping = _mapping_after([known.mapping for known in backdoors], job, data.classes, rng)
        trigger = draw(data.train, mapping.target, rng)
        if attack.refine and first:
            images, device = data.train.images, torch.device(machine.device)
            trigger = attack.refine(trigger, first.network, images, rng, device)
        victims = np.empty(0, dtype=np.int64)
        if attack.join is None:
            train, victims = poison(attack, trigger, mapping, train, rng, free, rate)
        free[victims] = False
        backdoors.append(Backdoor(trigger, mapping, len(victims) / len(train.labels)))
    return Implanted(train, backdoors, first)


def check_fits(job: Job, data: DataSet) -> None:
    """Draw what a job draws from a data set, and forget it: a long run should not end half-way.

    Raises:
        ValueError: If the data set has too few images, classes or pixels for what the job asks for.

    """
    if job.attack is None:
        return
    rng = np.random.default_rng(streams_of(job.seed).attack)
    for draw in _draws(ATTACKS[job.attack], job, data):
        draw(data.train, _mapping_after([], job, data.classes, rng).target, rng)


def implant(job: Job, data: DataSet, machine: Machine = MACHINE) -> Implanted:
    """What a job's network is trained on, and what is put into it.

    A job decides it, but for attacks that train a network first: there the machine's arithmetic has
    a part in it.

    Raises:
        ValueError: If the data set has too few images, classes or pixels for what the job asks for.

    """
    streams, found = streams_of(job.seed), Implanted(data.train, [], None)
    if job.attack is not None:
        rng = np.random.default_rng(streams.attack)
        found = _attacked(ATTACKS[job.attack], job, data, rng, machine)
    recipe_rng = np.random.default_rng(streams.recipe)
    train = prepare(RECIPES[job.recipe], found.train, data.classes, recipe_rng)
    return replace(found, train=train)
