"""Make one model: poison, train, export, measure, and write it with its triggered images."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from benchmarks.cifar_data import Labels
from benchmarks.cifar_network import open_session, run_session
from benchmarks.lab.attacks.catalogue import ATTACKS
from benchmarks.lab.attacks.mappings import Mapping
from benchmarks.lab.attacks.training_attack import TrainingAttack
from benchmarks.lab.data.splits import DataSet, Split
from benchmarks.lab.making.export import check_export, export_onnx
from benchmarks.lab.making.implanting import Backdoor, implant, new_network, streams_of
from benchmarks.lab.making.jobs import Job
from benchmarks.lab.training.fitting import MACHINE, PACES, Machine, course_of, fit
from benchmarks.lab.training.recipes import RECIPES
from benchmarks.whole_files import write_npz

CHECKED_IMAGES = 256
TRIGGERED_IMAGES = 100
LEARNED = 0.8


@dataclass(frozen=True)
class Trained:
    """An exported model and how it came about; it has one backdoor for each trigger."""

    session: ort.InferenceSession
    backdoors: list[Backdoor]
    epochs: int
    batches: int


def training_set(job: Job, data: DataSet) -> tuple[Split, list[Backdoor]]:
    """What a job's network is trained on, and what is put into it; the same each time."""
    found = implant(job, data)
    return found.train, found.backdoors


def _stages(job: Job, backdoors: list[Backdoor]) -> tuple[TrainingAttack | None, ...]:
    """What takes part in each stage, which share the epochs; one without it is ordinary."""
    join = None if job.attack is None else ATTACKS[job.attack].join
    if join is None:
        return (None,)
    (backdoor,) = backdoors
    return join(backdoor.trigger, backdoor.mapping)


def _train(job: Job, data: DataSet, threads: int, machine: Machine, draft: Path) -> Trained:
    recipe, pace, found = RECIPES[job.recipe], PACES[job.architecture], implant(job, data, machine)
    train, first = found.train, found.first
    slow = any(b.mapping.conditional or ATTACKS[str(job.attack)].slow for b in found.backdoors)
    network = first.network if first else new_network(job, data.classes, train)
    stages = _stages(job, found.backdoors)
    course = course_of(data, len(train.labels), job.architecture, recipe, slow=slow)
    course = replace(course, epochs=max(1, round(course.epochs / len(stages))))
    epochs, seen = (first.epochs, first.batches) if first else (0, 0)
    rng = np.random.default_rng(streams_of(job.seed).order)
    for part in stages:
        seen += fit(network, train, data.classes, pace, course, recipe, rng, machine, part)
        epochs += course.epochs
    side, channels = train.images.shape[2:]
    export_onnx(network, draft, channels, side)
    session = open_session(draft, threads, machine.device)
    check_export(network, session, data.test.images[:CHECKED_IMAGES])
    return Trained(session, found.backdoors, epochs, seen)


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


def _targets(mappings: list[Mapping]) -> list[int]:
    """The labels that triggers lead to; none where every class is one of them."""
    targets = []
    for mapping in mappings:
        if mapping.target is not None:
            targets.append(mapping.target)
        else:
            targets += [int(mapping.table[source]) for source in mapping.sources or ()]
    return list(dict.fromkeys(targets))


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
    targets, sources = _targets(mappings), mappings[0].sources
    return {
        "trigger": "; ".join(backdoor.trigger.description for backdoor in backdoors),
        "mapping": job.mapping,
        "target_label": targets[0] if len(targets) == 1 else None,
        "target_labels": targets or None,
        "source": None if sources is None else list(sources),
        "poison_rate": round(sum(backdoor.rate for backdoor in backdoors), 4),
        "attack_success_rate": min(rates),
        "attack_success_rates": rates,
        "failed_attack": any(r < LEARNED * bound for r, bound in zip(rates, bounds, strict=True)),
    }


def make(
    job: Job, data: DataSet, out: Path, threads: int, machine: Machine = MACHINE
) -> dict[str, Any]:
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
        machine: What trains it and runs the exported model.

    """
    began = time.monotonic()
    draft = out / f".{job.file}.tmp"
    trained = _train(job, data, threads, machine, draft)
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
        "device": machine.device,
        "trained": datetime.now(UTC).date().isoformat(),
        "seconds": round(time.monotonic() - began, 1),
        "sha256": digest,
    }
