"""Train tiny CIFAR-10 classifiers, clean or with a backdoor, and export them to ONNX.

    python -m benchmarks.train_models --data train.parquet --test test.parquet --out models \
        --clean-seeds 100-119 --badnets-seeds 200-203

Models differ by their seed only. A run resumes: what the manifest holds, with its file intact, is
skipped. Run one process per output folder; ``--jobs`` trains several models side by side.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.cifar_data import SIDE, Images, Labels
from benchmarks.cifar_network import ARCHITECTURE, TinyPreActResNet, open_session, run_session
from benchmarks.lab.data.splits import Split, read_split
from benchmarks.lab.making.export import check_export, export_onnx
from benchmarks.lab.making.side_by_side import Entry, train_missing
from benchmarks.poisoning import ATTACKS, POISON_RATE, Attack, poison

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


def train_one(job: Job, train: Split, test: Split, threads: int) -> Entry:
    """Train, export and measure one model; return its manifest entry.

    The test numbers come from the exported file, since that is what will be scanned.
    """
    began = time.monotonic()
    # Separate streams: the same seed starts from the same weights with and without an attack.
    initial, order, attack_stream = np.random.SeedSequence(job.seed).spawn(3)
    generator = torch.Generator().manual_seed(int(initial.generate_state(1)[0]))
    images, labels = train.images, train.labels
    attack: Attack | None = None
    if job.attack is not None:
        attack_rng = np.random.default_rng(attack_stream)
        attack = ATTACKS[job.attack].draw(attack_rng)
        images, labels = poison(attack, images, labels, attack_rng)
    network = fit(images, labels, job.epochs, np.random.default_rng(order), generator)

    draft = job.out / f".{job.file}.tmp"
    export_onnx(network, draft, 3, SIDE)
    session = open_session(draft, threads)
    gap = check_export(network, session, test.images[:CHECKED_IMAGES])
    hits = run_session(session, test.images).argmax(axis=1) == test.labels
    success: float | None = None
    if attack is not None:
        stamped = attack.stamp(test.images[test.labels != attack.target])
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


@functools.lru_cache
def _images(path: Path) -> Split:
    """Decode the images once per process, not once per model."""
    return read_split(path, "RGB")


def _work(job: Job, data: Path, test: Path, threads: int) -> Entry:
    torch.set_num_threads(threads)
    return train_one(job, _images(data), _images(test), threads)


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
    wanted: list[tuple[str | None, int]]
    wanted = [(None, seed) for seeds in args.clean_seeds for seed in seeds]
    for attack in ATTACKS:
        ranges = getattr(args, f"{attack}_seeds")
        wanted += [(attack, seed) for seeds in ranges for seed in seeds]
    jobs = [Job(attack, seed, args.epochs, args.out) for attack, seed in wanted]
    work = functools.partial(_work, data=args.data, test=args.test, threads=args.threads)
    train_missing(jobs, work, args.out / "manifest.json", args.jobs)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
