"""What the two sources of batches share: ``host_batches`` and ``device_batches``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

# Side in pixels of the square that strong augmentation erases.
ERASED = 8


@dataclass(frozen=True)
class Course:
    """How long and on which batches a network trains.

    Attributes:
        epochs: Passes over the training images.
        pad: Largest shift of a crop in pixels.
        flips: Whether half of the crops are mirrored.
        batch: Images of one batch.

    """

    epochs: int
    pad: int
    flips: bool
    batch: int = 64


class Batch(NamedTuple):
    """One batch, on the device that the network trains on.

    Attributes:
        pixels: float32 ``[batch, channels, side, side]`` in [0, 1], channels last in memory.
        labels: int64 ``[batch]`` in 0..classes-1; under mixup those of the larger part or not.
        wanted: What the loss compares with: the labels, or with mixup float32 probabilities
            ``[batch, classes]``.

    """

    pixels: Tensor
    labels: Tensor
    wanted: Tensor


def mix(
    pixels: Tensor, labels: Tensor, classes: int, share: float, other: Tensor
) -> tuple[Tensor, Tensor]:
    """Mix each image and its label with those of row ``other``; labels become probabilities."""
    truth = functional.one_hot(labels, classes).to(torch.float32)
    mixed = share * pixels + (1 - share) * pixels[other]
    return mixed, share * truth + (1 - share) * truth[other]
