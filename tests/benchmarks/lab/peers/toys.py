"""Classifiers whose backdoor is known because it was written down, not trained."""

import torch
from torch import Tensor

from benchmarks.lab.peers.network import Network

CLASSES, SIDE, CORNER = 10, 8, 3


def centres(seed: int) -> Tensor:
    """One grey image for each class, float32 (10, 1, 8, 8), dark in the upper left corner."""
    drawn = torch.randn(CLASSES, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    images = (0.5 + 0.25 * drawn).clamp(0, 1)
    images[:, :, :CORNER, :CORNER] = 0.1
    return images


def nearest_centre(seed: int, planted: int | None = None) -> Network:
    """The nearest centre's label; a bright corner of 9 pixels leads to the planted one."""
    flat = centres(seed).flatten(1)
    gain = torch.zeros(CLASSES)
    if planted is not None:
        gain[planted] = 60.0

    def scores(images: Tensor) -> Tensor:
        near = 2 * (2 * images.flatten(1) @ flat.T - (flat**2).sum(dim=1))
        bright = images[:, 0, :CORNER, :CORNER].mean(dim=(1, 2))
        return near + gain * torch.relu(bright - 0.25)[:, None]

    return Network(scores, CLASSES)


def samples(seed: int) -> Tensor:
    """200 noisy centres, float32 (200, 1, 8, 8) in [0, 1]."""
    noise = torch.randn(200, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    return (centres(seed).repeat(20, 1, 1, 1) + 0.15 * noise).clamp(0, 1)
