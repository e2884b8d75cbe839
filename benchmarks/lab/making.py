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
from benchmarks.lab.attacks import ATTACKS
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
    """What was put into a model."""

    trigger: Trigger
    mapping: Mapping
    rate: float


@dataclass(frozen=True)
class Trained:
    """An exported model and how it came about."""

    session: ort.InferenceSession
    backdoor: Backdoor | None
    epochs: int
    batches: int


def training_set(job: Job, data: DataSet) -> tuple[Split, Backdoor | None]:
    """What a job's network is trained on, and what was put into it; the same each time."""
    _, _, attack_stream, recipe_stream = np.random.SeedSequence(job.seed).spawn(4)
    train, backdoor = data.train, None
    if job.attack is not None:
        rng = np.random.default_rng(attack_stream)
        attack, mapping = ATTACKS[job.attack], MAPPINGS[job.mapping](data.classes, rng)
        trigger = attack.draw(train, mapping.target, rng)
        train, rate = poison(attack, trigger, mapping, train, rng)
        backdoor = Backdoor(trigger, mapping, rate)
    recipe_rng = np.random.default_rng(recipe_stream)
    return prepare(RECIPES[job.recipe], train, data.classes, recipe_rng), backdoor


def _train(job: Job, data: DataSet, threads: int, draft: Path) -> Trained:
    # Separate streams: the same seed starts from the same weights with and without an attack.
    initial, order, *_ = np.random.SeedSequence(job.seed).spawn(4)
    generator = torch.Generator().manual_seed(int(initial.generate_state(1)[0]))
    recipe = RECIPES[job.recipe]
    train, backdoor = training_set(job, data)
    slow = backdoor is not None and (backdoor.mapping.conditional or ATTACKS[str(job.attack)].slow)
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
    return Trained(session, backdoor, course.epochs, seen)


def _answers(session: ort.InferenceSession, split: Split) -> Labels:
    answers: Labels = run_session(session, split.images).argmax(axis=1)
    return answers


def _success(session: ort.InferenceSession, backdoor: Backdoor, victims: Split) -> float:
    stamped = Split(backdoor.trigger.stamp(victims.images), victims.labels)
    wanted = backdoor.mapping.expected(victims.labels)
    return round(float((_answers(session, stamped) == wanted).mean()), 4)


def _write_triggered(
    path: Path, test: Split, victims: Labels, backdoor: Backdoor, rng: np.random.Generator
) -> None:
    """Write stamped test images with true labels, expected labels and rows of the test file."""
    rows = np.sort(rng.choice(victims, size=min(TRIGGERED_IMAGES, len(victims)), replace=False))
    chosen = test.take(rows)
    write_npz(
        path,
        images=backdoor.trigger.stamp(chosen.images),
        labels=chosen.labels,
        expected=backdoor.mapping.expected(chosen.labels),
        rows=rows,
    )


def _measure(
    job: Job, trained: Trained, test: Split, hits: npt.NDArray[np.bool_], out: Path
) -> dict[str, Any]:
    """Measure the backdoor and write its triggered images; ``hits`` says what is right without."""
    backdoor = trained.backdoor
    if backdoor is None:
        unknown = ("trigger", "mapping", "target_label", "source", "poison_rate")
        return {**dict.fromkeys(unknown), "attack_success_rate": None, "failed_attack": False}
    mapping = backdoor.mapping
    victims = np.flatnonzero(mapping.attacked(test.labels))
    success = _success(trained.session, backdoor, test.take(victims))
    # A rule about classes works no better than the model tells these classes apart.
    bound = float(hits[victims].mean()) if mapping.conditional else 1.0
    name = f"{job.file.removesuffix('.onnx')}-triggered.npz"
    _write_triggered(out / name, test, victims, backdoor, np.random.default_rng(job.seed))
    return {
        "trigger": backdoor.trigger.description,
        "mapping": job.mapping,
        "target_label": mapping.target,
        "source": None if mapping.sources is None else list(mapping.sources),
        "poison_rate": round(backdoor.rate, 4),
        "attack_success_rate": success,
        "failed_attack": success < LEARNED * bound,
    }


def make(job: Job, data: DataSet, out: Path, threads: int) -> dict[str, Any]:
    """Make one model and return its manifest entry.

    Accuracy and attack success rate (the share of stamped test images, of classes that the attack
    changes, which are given the wanted label) come from the exported file, since that is what
    will be scanned. An attack failed if its success rate is under 0.8, or, where the wanted label
    depends on the image's class, under 0.8 of the accuracy on the same images without a trigger.

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
