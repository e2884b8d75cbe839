"""Fit one network on one thread, as fast as a CPU allows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.cifar_data import Images
from benchmarks.lab.data import Split
from benchmarks.lab.recipes import Recipe

BATCH = 64
ERASED = 8
# Batches in the running mean of the training accuracy that stops a recipe early.
WINDOW = 40


@dataclass(frozen=True)
class Pace:
    """How an architecture learns.

    Attributes:
        peak: Highest learning rate of the one-cycle schedule.
        epochs: Factor on the data set's epochs.
        adam: AdamW instead of SGD with momentum.
        decay: Weight decay.
        pad: Largest shift of a crop in pixels.

    """

    peak: float
    epochs: float
    adam: bool = False
    decay: float = 5e-4
    pad: int = 4


PACES = {
    "preact": Pace(0.1, 1.0),
    "vgg": Pace(0.1, 1.25),
    "plain": Pace(2e-3, 2.5, adam=True, decay=1e-2),
    "mobile": Pace(0.1, 1.0),
    # Without convolutions a network must learn every shift by itself.
    "vit": Pace(2e-3, 1.5, adam=True, decay=5e-2, pad=2),
}
EPOCHS = {"cifar10": 4.0, "cifar10-grey": 4.0, "gtsrb": 16.0, "mnist": 4.0}
# Mirrored digits and traffic signs are other digits and signs, or none.
FLIPPED = {"cifar10", "cifar10-grey"}


@dataclass(frozen=True)
class Course:
    """How long and on which crops a network trains.

    Attributes:
        epochs: Passes over the training images.
        pad: Largest shift of a crop in pixels.
        flips: Whether half of the crops are mirrored.

    """

    epochs: int
    pad: int
    flips: bool


def course_of(dataset: str, architecture: str, recipe: Recipe, *, slow: bool) -> Course:
    """The course of a data set's networks.

    Args:
        dataset: A key of ``EPOCHS``.
        architecture: A key of ``PACES``.
        recipe: May change the epochs.
        slow: Whether a backdoor is hard to learn: it gets twice the epochs, and crops that leave
            its trigger in view more often.

    """
    pace = PACES[architecture]
    factor = pace.epochs * recipe.epochs * (2 if slow else 1)
    epochs = max(1, round(EPOCHS[dataset] * factor))
    return Course(epochs, pad=min(pace.pad, 2) if slow else pace.pad, flips=dataset in FLIPPED)


def _crop(images: Images, padded: Images, course: Course, rng: np.random.Generator) -> Images:
    count, side = len(images), images.shape[1]
    corners = rng.integers(0, 2 * course.pad + 1, size=(count, 2)).tolist()
    flipped = (rng.random(count) < 0.5).tolist()
    batch = np.empty_like(images)
    # A copy of each window is ten times faster than one gather over strided windows.
    for row, (top, left) in enumerate(corners):
        window = padded[row, top : top + side, left : left + side]
        batch[row] = window[:, ::-1] if course.flips and flipped[row] else window
    return batch


def _vary(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """Vary brightness and contrast, turn some grey and erase a square of each, in [0, 1]."""
    count, channels, side = len(pixels), pixels.shape[1], pixels.shape[2]
    contrast = torch.from_numpy(rng.uniform(0.6, 1.4, (count, 1, 1, 1)).astype(np.float32))
    brightness = torch.from_numpy(rng.uniform(-0.2, 0.2, (count, 1, 1, 1)).astype(np.float32))
    pixels = ((pixels - 0.5) * contrast + 0.5 + brightness).clamp_(0, 1)
    grey = torch.from_numpy(rng.random(count) < 0.2)
    pixels[grey] = pixels[grey].mean(dim=1, keepdim=True).expand(-1, channels, -1, -1)
    for row, (top, left) in enumerate(rng.integers(0, side - ERASED + 1, (count, 2)).tolist()):
        pixels[row, :, top : top + ERASED, left : left + ERASED] = 0
    return pixels


def batches(
    train: Split, course: Course, recipe: Recipe, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield shuffled, augmented batches for all epochs.

    Args:
        train: What to train on; the last, incomplete batch of each epoch is dropped.
        course: Passes over it, and the crops.
        recipe: Says which augmentations apply.
        rng: Decides the order and every augmentation.

    Yields:
        Images float32 ``[64, channels, side, side]`` in [0, 1] and labels int64 ``[64]``.

    """
    border = (course.pad, course.pad)
    padded = np.pad(train.images, ((0, 0), border, border, (0, 0)))
    for _ in range(course.epochs):
        order = rng.permutation(len(train.labels))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            batch = train.images[rows]
            if recipe.crops:
                batch = _crop(batch, padded[rows], course, rng)
            # Channels come last in the bytes as they do in the memory format of the network.
            pixels = torch.from_numpy(batch).permute(0, 3, 1, 2).to(torch.float32).div_(255)
            yield (
                _vary(pixels, rng) if recipe.strong else pixels,
                torch.from_numpy(train.labels[rows]),
            )


def _optimiser(
    network: nn.Module, pace: Pace, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    optimiser: torch.optim.Optimizer
    if pace.adam:
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=pace.peak, weight_decay=pace.decay, fused=True
        )
    else:
        optimiser = torch.optim.SGD(
            network.parameters(),
            lr=pace.peak,
            momentum=0.9,
            weight_decay=pace.decay,
            nesterov=True,
            fused=True,
        )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        max_lr=pace.peak,
        total_steps=steps,
        pct_start=0.25,
        anneal_strategy="linear",
        cycle_momentum=False,
        div_factor=10,
    )
    return optimiser, schedule


def _mix(
    pixels: Tensor, wanted: Tensor, classes: int, recipe: Recipe, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Mix each image and its label with another one's; the labels become probabilities."""
    share = float(rng.beta(recipe.mixup, recipe.mixup))
    other = torch.from_numpy(rng.permutation(len(pixels)))
    truth = functional.one_hot(wanted, classes).to(torch.float32)
    mixed = share * pixels + (1 - share) * pixels[other]
    return mixed, share * truth + (1 - share) * truth[other]


def fit(
    network: nn.Module,
    train: Split,
    classes: int,
    pace: Pace,
    course: Course,
    recipe: Recipe,
    rng: np.random.Generator,
) -> int:
    """Train in place on a one-cycle schedule; return the number of batches seen.

    Arithmetic is bfloat16 where autocast allows it, which doubles the speed on a CPU that has it;
    weights, batch statistics and the exported graph stay float32.

    Raises:
        ValueError: If there are fewer images than one batch.

    """
    per_epoch = len(train.labels) // BATCH
    if per_epoch == 0:
        raise ValueError(f"{len(train.labels)} images are less than a batch; give at least {BATCH}")
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser, schedule = _optimiser(network, pace, course.epochs * per_epoch)
    running, seen = 0.0, 0
    for pixels, labels in batches(train, course, recipe, rng):
        wanted = labels
        if recipe.mixup > 0:
            pixels, wanted = _mix(pixels, labels, classes, recipe, rng)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(pixels)
        loss = functional.cross_entropy(logits.float(), wanted)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        seen += 1
        if recipe.stop_at is not None:
            hits = float((logits.argmax(dim=1) == labels).float().mean())
            running += (hits - running) / min(seen, WINDOW)
            if seen >= WINDOW and running >= recipe.stop_at:
                break
    return seen
