"""Batches from a device's own memory: the images lie there as bytes and are cut there, at once.

A network of a few million parameters sees 30,000 small images a second on a data-centre GPU, more
than one CPU core can cut and send. So all training images go to the device once (CIFAR-10: 154 MB),
and one gather cuts a whole batch (after A. Leclerc et al., FFCV, 2023, and K. Jordan, 94% on
CIFAR-10 in 3.29 seconds, 2024, who augment on the GPU, too). The same code runs on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.lab.data.splits import Split
from benchmarks.lab.training.batches import ERASED, Batch, Course, mix
from benchmarks.lab.training.recipes import Recipe


def _crop(padded: Tensor, rows: Tensor, course: Course, generator: torch.Generator) -> Tensor:
    """Windows of padded images uint8 ``[n, side + 2 pad, side + 2 pad, channels]``."""
    count, device = len(rows), generator.device
    line = torch.arange(padded.shape[1] - 2 * course.pad, device=device)
    corners = torch.randint(2 * course.pad + 1, (2, count, 1), generator=generator, device=device)
    down, across = corners[0] + line, corners[1] + line
    if course.flips:
        mirrored = torch.rand((count, 1), generator=generator, device=device) < 0.5
        across = torch.where(mirrored, across.flip(1), across)
    return padded[rows[:, None, None], down[:, :, None], across[:, None, :]]


def _vary(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Vary brightness and contrast, turn some grey and erase a square of each, in [0, 1]."""
    count, side, device = len(pixels), pixels.shape[2], generator.device
    contrast, brightness, grey = torch.rand((3, count, 1, 1, 1), generator=generator, device=device)
    pixels = (pixels - 0.5) * (0.6 + 0.8 * contrast) + 0.3 + 0.4 * brightness
    pixels = pixels.clamp_(0, 1)
    pixels = torch.where(grey < 0.2, pixels.mean(dim=1, keepdim=True), pixels)
    corners = torch.randint(side - ERASED + 1, (2, count, 1), generator=generator, device=device)
    line = torch.arange(side, device=device)
    down, across = (line >= corners) & (line < corners + ERASED)
    pixels = pixels.masked_fill((down[:, :, None] & across[:, None, :])[:, None], 0)
    # The grey images' one channel loses the order of the bytes.
    return pixels.contiguous(memory_format=torch.channels_last)


def device_batches(
    train: Split,
    classes: int,
    course: Course,
    recipe: Recipe,
    rng: np.random.Generator,
    device: torch.device,
) -> Iterator[Batch]:
    """Yield shuffled, augmented batches for all epochs.

    Nothing is copied from the device, so that the CPU can run ahead of it.

    Args:
        train: What to train on; the last, incomplete batch of each epoch is dropped.
        classes: Number of labels.
        course: Passes over it, the crops, and the size of a batch.
        recipe: Says which augmentations apply.
        rng: Seeds the device's generator, which decides the order and every augmentation.
        device: Where the images are to lie and the batches to be made.

    """
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**63)))
    known = torch.from_numpy(train.labels).to(device)
    pad = course.pad if recipe.crops else 0
    stored = functional.pad(torch.from_numpy(train.images).to(device), (0, 0, pad, pad, pad, pad))
    for _ in range(course.epochs):
        order = torch.randperm(len(known), generator=generator, device=device)
        for rows in order[: len(order) // course.batch * course.batch].view(-1, course.batch):
            cut = _crop(stored, rows, course, generator) if recipe.crops else stored[rows]
            pixels = cut.permute(0, 3, 1, 2).to(torch.float32).div_(255)
            if recipe.strong:
                pixels = _vary(pixels, generator)
            labels = wanted = known[rows]
            if recipe.mixup > 0:
                share = float(rng.beta(recipe.mixup, recipe.mixup))
                other = torch.randperm(len(pixels), generator=generator, device=generator.device)
                pixels, wanted = mix(pixels, labels, classes, share, other)
            yield Batch(pixels, labels, wanted)
