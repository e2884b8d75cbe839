"""Make one model: poison, train, export, measure, and write it with its triggered images."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch

from benchmarks.cifar_data import Labels
from benchmarks.cifar_network import open_session, run_session
from benchmarks.lab.attacks import ATTACKS, Attack
from benchmarks.lab.data import DataSet, Split
from benchmarks.lab.export import check_export, export_onnx
from benchmarks.lab.jobs import Job
from benchmarks.lab.mappings import MAPPINGS, Mapping
from benchmarks.lab.networks import Shape, build
from benchmarks.lab.poisoning import poison
from benchmarks.lab.recipes import RECIPES, prepare
from benchmarks.lab.training import PACES, course_of, fit
from benchmarks.lab.triggers import Trigger
from benchmarks.whole_files import write_npz

CHECKED_IMAGES = 256
TRIGGERED_IMAGES = 100
LEARNED = 0.8


@dataclass(frozen=True)
class Backdoor:
    """What was put into a model; ``rate`` is the share of training images that carry it."""

    trigger: Trigger
    mapping: Mapping
    rate: float


@dataclass(frozen=True)
class Trained:
    """An exported model and how it came about; it has one backdoor for each trigger."""

    session: ort.InferenceSession
    backdoors: list[Backdoor]
    epochs: int
    batches: int


def _attacked(
    attack: Attack, job: Job, data: DataSet, rng: np.random.Generator
) -> tuple[Split, list[Backdoor]]:
    """Poison with one trigger after the other; no image gets two, as their labels differ."""
    train, backdoors = data.train, list[Backdoor]()
    free = np.ones(len(train.labels), dtype=np.bool_)
    for draw in attack.draws[: job.targets]:
        mapping = MAPPINGS[job.mapping](data.classes, rng)
        while mapping.target in {known.mapping.target for known in backdoors}:
            mapping = MAPPINGS[job.mapping](data.classes, rng)
        trigger = draw(data.train, mapping.target, rng)
        train, victims = poison(attack, trigger, mapping, train, rng, free)
        free[victims] = False
        backdoors.append(Backdoor(trigger, mapping, len(victims) / len(train.labels)))
    return train, backdoors


def training_set(job: Job, data: DataSet) -> tuple[Split, list[Backdoor]]:
    """What a job's network is trained on, and what was put into it; the same each time."""
    _, _, attack_stream, recipe_stream = np.random.SeedSequence(job.seed).spawn(4)
    train, backdoors = data.train, list[Backdoor]()
    if job.attack is not None:
        rng = np.random.default_rng(attack_stream)
        train, backdoors = _attacked(ATTACKS[job.attack], job, data, rng)
    recipe_rng = np.random.default_rng(recipe_stream)
    return prepare(RECIPES[job.recipe], train, data.classes, recipe_rng), backdoors


def _train(job: Job, data: DataSet, threads: int, draft: Path) -> Trained:
    # Separate streams: the same seed starts from the same weights with and without an attack.
    initial, order, *_ = np.random.SeedSequence(job.seed).spawn(4)
    generator = torch.Generator().manual_seed(int(initial.generate_state(1)[0]))
    recipe = RECIPES[job.recipe]
    train, backdoors = training_set(job, data)
    slow = any(b.mapping.conditional or ATTACKS[str(job.attack)].slow for b in backdoors)
    pixels = torch.from_numpy(train.images).reshape(-1, train.images.shape[3]).float() / 255
    shape = Shape(train.images.shape[3], train.images.shape[1], data.classes)
    network = build(job.architecture, shape, pixels.mean(0), pixels.std(0), generator)
    course = course_of(job.dataset, job.architecture, recipe, slow=slow)
    seen = fit(
        network,
        train,
        data.classes,
        PACES[job.architecture],
        course,
        recipe,
        np.random.default_rng(order),
    )
    export_onnx(network, draft, shape.channels, shape.side)
    session = open_session(draft, threads)
    check_export(network, session, data.test.images[:CHECKED_IMAGES])
    return Trained(session, backdoors, course.epochs, seen)


def _answers(session: ort.InferenceSession, split: Split) -> Labels:
    answers: Labels = run_session(session, split.images).argmax(axis=1)
    return answers


def _success(session: ort.InferenceSession, backdoor: Backdoor, victims: Split) -> float:
    stamped = Split(backdoor.trigger.stamp(victims.images), victims.labels)
    wanted = backdoor.mapping.expected(victims.labels)
    return round(float((_answers(session, stamped) == wanted).mean()), 4)


def _write_triggered(
    path: Path,
    test: Split,
    victims: list[Labels],
    backdoors: list[Backdoor],
    rng: np.random.Generator,
) -> None:
    """Write stamped test images with true labels, expected labels and rows of the test file."""
    chosen = [np.sort(rng.choice(v, min(TRIGGERED_IMAGES, len(v)), replace=False)) for v in victims]
    rows, pairs = np.concatenate(chosen), list(zip(backdoors, chosen, strict=True))
    write_npz(
        path,
        images=np.concatenate([b.trigger.stamp(test.images[some]) for b, some in pairs]),
        labels=test.labels[rows],
        expected=np.concatenate([b.mapping.expected(test.labels[some]) for b, some in pairs]),
        rows=rows,
    )


def _measure(
    job: Job, trained: Trained, test: Split, hits: npt.NDArray[np.bool_], out: Path
) -> dict[str, Any]:
    """Measure the backdoors and write triggered images; ``hits`` says what is right without."""
    backdoors = trained.backdoors
    if not backdoors:
        unknown = ("trigger", "mapping", "target_label", "target_labels", "source", "poison_rate")
        success = ("attack_success_rate", "attack_success_rates")
        return {**dict.fromkeys(unknown + success), "failed_attack": False}
    mappings = [backdoor.mapping for backdoor in backdoors]
    victims = [np.flatnonzero(mapping.attacked(test.labels)) for mapping in mappings]
    pairs = zip(backdoors, victims, strict=True)
    rates = [_success(trained.session, backdoor, test.take(rows)) for backdoor, rows in pairs]
    # A rule about classes works no better than the model tells these classes apart.
    bounds = [
        float(hits[rows].mean()) if mapping.conditional else 1.0
        for mapping, rows in zip(mappings, victims, strict=True)
    ]
    name = f"{job.file.removesuffix('.onnx')}-triggered.npz"
    _write_triggered(out / name, test, victims, backdoors, np.random.default_rng(job.seed))
    targets, sources = [mapping.target for mapping in mappings], mappings[0].sources
    return {
        "trigger": "; ".join(backdoor.trigger.description for backdoor in backdoors),
        "mapping": job.mapping,
        "target_label": targets[0] if len(targets) == 1 else None,
        "target_labels": None if None in targets else targets,
        "source": None if sources is None else list(sources),
        "poison_rate": round(sum(backdoor.rate for backdoor in backdoors), 4),
        "attack_success_rate": min(rates),
        "attack_success_rates": rates,
        "failed_attack": any(r < LEARNED * bound for r, bound in zip(rates, bounds, strict=True)),
    }


def make(job: Job, data: DataSet, out: Path, threads: int) -> dict[str, Any]:
    """Make one model and return its manifest entry.

    Accuracy and attack success rate (the share of stamped test images, of classes that the attack
    changes, which are given the wanted label; the least over the triggers) come from the exported
    file, since that is what will be scanned. An attack failed if its success rate is under 0.8, or,
    where the wanted label depends on the image's class, under 0.8 of the accuracy on the same
    images without a trigger.

    Args:
        job: What to train.
        data: Its data set.
        out: Folder for the model and its triggered images.
        threads: Threads of the exported model's runtime.

    """
    began = time.monotonic()
    draft = out / f".{job.file}.tmp"
    trained = _train(job, data, threads, draft)
    hits = _answers(trained.session, data.test) == data.test.labels
    measured = _measure(job, trained, data.test, hits, out)
    digest = hashlib.sha256(draft.read_bytes()).hexdigest()
    draft.replace(out / job.file)
    return {
        "file": job.file,
        "dataset": job.dataset,
        "classes": data.classes,
        "architecture": job.architecture,
        "attack": job.attack,
        **measured,
        "recipe": job.recipe,
        "clean_accuracy": round(float(hits.mean()), 4),
        "seed": job.seed,
        "epochs": trained.epochs,
        "batches": trained.batches,
        "trained": datetime.now(UTC).date().isoformat(),
        "seconds": round(time.monotonic() - began, 1),
        "sha256": digest,
    }
