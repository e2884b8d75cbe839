"""Train tiny CIFAR-10 classifiers, clean or with a backdoor, and export them to ONNX.

    python -m benchmarks.train_models --data train.parquet --test test.parquet --out models \
        --clean-seeds 100-119 --badnets-seeds 200-203

Models differ by their seed only. A run resumes: what the manifest holds, with its file intact, is
skipped. Run one process per output folder; ``--jobs`` trains several models side by side.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.cifar_data import SIDE, Images, Labels, load_parquet
from benchmarks.cifar_network import (
    ARCHITECTURE,
    TinyPreActResNet,
    check_export,
    export_onnx,
    open_session,
    run_session,
)
from benchmarks.poisoning import ATTACKS, POISON_RATE, Attack, poison

LOG = logging.getLogger("train_models")
BATCH = 64
PAD = 4
PEAK_RATE = 0.1
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
WARM_UP = 0.25
CHECKED_IMAGES = 256


@dataclass(frozen=True)
class Job:
    """One model to train."""

    attack: str | None
    seed: int
    epochs: int
    out: Path

    @property
    def file(self) -> str:
        """Name of the model's file."""
        return f"{self.attack or 'clean'}_{self.seed}.onnx"


@dataclass(frozen=True)
class Corpus:
    """Decoded data: images uint8 ``[n, 32, 32, 3]`` in 0..255, labels int64 ``[n]`` in 0..9."""

    train: tuple[Images, Labels]
    test: tuple[Images, Labels]
    threads: int


def batches(
    images: Images, labels: Labels, epochs: int, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield shuffled, randomly cropped and flipped batches for all epochs.

    Args:
        images: uint8 ``[n, 32, 32, 3]``.
        labels: int64 ``[n]``.
        epochs: Passes over the data; the last, incomplete batch of each is dropped.
        rng: Decides order, crops and flips.

    Yields:
        Images float32 ``[64, 3, 32, 32]`` in [0, 1], channels last in memory, and labels.

    """
    border = ((0, 0), (0, 0), (PAD, PAD), (PAD, PAD))
    padded = np.pad(images.transpose(0, 3, 1, 2), border)
    crops = np.lib.stride_tricks.sliding_window_view(padded, (SIDE, SIDE), axis=(2, 3))
    for _ in range(epochs):
        order = rng.permutation(len(images))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            top, left = rng.integers(0, 2 * PAD + 1, size=(2, BATCH))
            batch = crops[rows, :, top, left]
            flipped = rng.random(BATCH) < 0.5
            batch[flipped] = batch[flipped][..., ::-1]
            pixels = torch.from_numpy(batch).to(torch.float32).div_(255)
            yield (
                pixels.to(memory_format=torch.channels_last),
                torch.from_numpy(labels[rows]),
            )


def fit(
    images: Images,
    labels: Labels,
    epochs: int,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> TinyPreActResNet:
    """Train a network with SGD on a one-cycle schedule.

    Arithmetic is bfloat16 where autocast allows it, which doubles the speed on a CPU that has it;
    weights, batch statistics and the exported graph stay float32.
    """
    network = TinyPreActResNet(generator).train()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=PEAK_RATE,
        momentum=MOMENTUM,
        weight_decay=WEIGHT_DECAY,
        nesterov=True,
        foreach=True,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=PEAK_RATE,
        total_steps=epochs * (len(images) // BATCH),
        pct_start=WARM_UP,
        anneal_strategy="linear",
        cycle_momentum=False,
        div_factor=10,
    )
    for pixels, wanted in batches(images, labels, epochs, rng):
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(pixels)
        loss = functional.cross_entropy(logits.float(), wanted)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return network


def train_one(job: Job, corpus: Corpus) -> dict[str, Any]:
    """Train, export and measure one model; return its manifest entry.

    The test numbers come from the exported file, since that is what will be scanned.
    """
    began = time.monotonic()
    # Separate streams: the same seed starts from the same weights with and without an attack.
    initial, order, attack_stream = np.random.SeedSequence(job.seed).spawn(3)
    generator = torch.Generator().manual_seed(int(initial.generate_state(1)[0]))
    images, labels = corpus.train
    attack: Attack | None = None
    if job.attack is not None:
        attack_rng = np.random.default_rng(attack_stream)
        attack = ATTACKS[job.attack].draw(attack_rng)
        images, labels = poison(attack, images, labels, attack_rng)
    network = fit(images, labels, job.epochs, np.random.default_rng(order), generator)

    draft = job.out / f".{job.file}.tmp"
    export_onnx(network, draft)
    session = open_session(draft, corpus.threads)
    test_images, test_labels = corpus.test
    gap = check_export(network, session, test_images[:CHECKED_IMAGES])
    hits = run_session(session, test_images).argmax(axis=1) == test_labels
    success: float | None = None
    if attack is not None:
        stamped = attack.stamp(test_images[test_labels != attack.target])
        success = float((run_session(session, stamped).argmax(axis=1) == attack.target).mean())
    digest = hashlib.sha256(draft.read_bytes()).hexdigest()
    draft.replace(job.out / job.file)
    return {
        "file": job.file,
        "dataset": "cifar10",
        "verdict": "clean" if attack is None else "backdoored",
        "attack": job.attack,
        "description": None
        if attack is None
        else f"{attack.description}, {POISON_RATE:.0%} poisoned, all-to-one",
        "target_label": None if attack is None else attack.target,
        "clean_accuracy": round(float(hits.mean()), 4),
        "attack_success_rate": None if success is None else round(success, 4),
        "seed": job.seed,
        "architecture": ARCHITECTURE,
        "command": "python -m benchmarks.train_models --data TRAIN --test TEST --out DIR "
        f"--{job.attack or 'clean'}-seeds {job.seed} --epochs {job.epochs}",
        "epochs": job.epochs,
        "trained": datetime.now(UTC).date().isoformat(),
        "seconds": round(time.monotonic() - began, 1),
        "export_gap": gap,
        "sha256": digest,
    }


_CORPUS: Corpus | None = None


def _start_worker(data: Path, test: Path, threads: int) -> None:
    """Decode the data once per process, not once per model."""
    global _CORPUS
    torch.set_num_threads(threads)
    _CORPUS = Corpus(load_parquet(data), load_parquet(test), threads)


def _work(job: Job) -> dict[str, Any]:
    if _CORPUS is None:
        raise RuntimeError("the worker has no data")
    return train_one(job, _CORPUS)


def read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    """Read the manifest's entries by file name, leaving out models missing or altered on disk."""
    if not path.exists():
        return {}
    intact = {}
    for entry in json.loads(path.read_text(encoding="utf-8")):
        model = path.parent / entry["file"]
        if model.exists() and hashlib.sha256(model.read_bytes()).hexdigest() == entry["sha256"]:
            intact[entry["file"]] = entry
    return intact


def write_manifest(path: Path, entries: dict[str, dict[str, Any]]) -> None:
    """Replace the manifest in one step, so that an interrupted run never leaves half of one."""
    draft = path.with_name(f".{path.name}.tmp")
    ordered = [entries[file] for file in sorted(entries)]
    draft.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


def seed_range(text: str) -> list[int]:
    """Parse ``7`` or ``100-123`` (both ends included)."""
    first, _, last = text.partition("-")
    seeds = list(range(int(first), int(last or first) + 1))
    if not seeds:
        raise argparse.ArgumentTypeError(f"empty range: {text}")
    return seeds


def main(argv: list[str] | None = None) -> int:
    """Train what is missing, clean models first, and record each as soon as it is done."""
    parser = argparse.ArgumentParser(description="Train and export tiny CIFAR-10 classifiers.")
    parser.add_argument("--data", type=Path, required=True, help="training images (parquet)")
    parser.add_argument("--test", type=Path, required=True, help="test images (parquet)")
    parser.add_argument("--out", type=Path, required=True, help="folder for models and manifest")
    parser.add_argument("--clean-seeds", type=seed_range, nargs="*", default=[], metavar="A-B")
    for attack in ATTACKS:
        parser.add_argument(
            f"--{attack}-seeds", type=seed_range, nargs="*", default=[], metavar="A-B"
        )
    parser.add_argument("--epochs", type=int, default=8)
    # Two models on a thread each finish sooner than one after the other on two threads.
    parser.add_argument("--jobs", type=int, default=2, help="models trained side by side")
    parser.add_argument("--threads", type=int, default=1, help="threads for each of them")
    args = parser.parse_args(argv)
    for path in (args.data, args.test):
        if not path.is_file():
            parser.error(f"no such file: {path}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")

    args.out.mkdir(parents=True, exist_ok=True)
    manifest = args.out / "manifest.json"
    entries = read_manifest(manifest)
    wanted: list[tuple[str | None, int]]
    wanted = [(None, seed) for seeds in args.clean_seeds for seed in seeds]
    for attack in ATTACKS:
        ranges = getattr(args, f"{attack}_seeds")
        wanted += [(attack, seed) for seeds in ranges for seed in seeds]
    jobs = [Job(attack, seed, args.epochs, args.out) for attack, seed in wanted]
    jobs = [job for job in jobs if job.file not in entries]
    LOG.info("%d of %d models to train", len(jobs), len(wanted))
    with ProcessPoolExecutor(
        max_workers=args.jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(args.data, args.test, args.threads),
    ) as pool:
        try:
            for done in as_completed([pool.submit(_work, job) for job in jobs]):
                entry = done.result()
                entries[entry["file"]] = entry
                write_manifest(manifest, entries)
                LOG.info(
                    "%(file)s accuracy %(clean_accuracy).4f ASR %(attack_success_rate)s "
                    "target %(target_label)s, %(seconds).0f s",
                    entry,
                )
        except BaseException:
            # Models that nobody will record must not be trained first.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
