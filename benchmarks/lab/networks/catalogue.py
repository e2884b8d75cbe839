"""Architectures for images of any size and depth, normalisation inside the graph."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.lab.networks.blocks import Shape
from benchmarks.lab.networks.large import (
    mobilenetv3_large,
    preactresnet18,
    preactresnet34,
    vgg16,
    vit_tiny,
)
from benchmarks.lab.networks.small import mobile, plain, preact, vgg, vit
from benchmarks.lab.networks.transformer import VisionTransformer


class Normalised(nn.Module):
    """A body behind the normalisation that it was trained with.

    Args:
        body: Takes normalised images float32 ``[batch, channels, side, side]``, gives logits.
        mean: Mean of each channel in [0, 1], ``[channels]``.
        std: Standard deviation of each channel in [0, 1], ``[channels]``.

    """

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.body = body
        self.register_buffer("mean", mean.view(1, -1, 1, 1))
        self.register_buffer("std", std.view(1, -1, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Map float32 ``[batch, channels, side, side]`` in [0, 1] to ``[batch, classes]``."""
        logits: Tensor = self.body((image - self.mean) / self.std)
        return logits


ARCHITECTURES: dict[str, Callable[[Shape], nn.Module]] = {
    "preact": preact,
    "vgg": vgg,
    "plain": plain,
    "mobile": mobile,
    "vit": vit,
    "preactresnet18": preactresnet18,
    "preactresnet34": preactresnet34,
    "vgg16": vgg16,
    "mobilenetv3_large": mobilenetv3_large,
    "vit_tiny": vit_tiny,
}


def build(
    architecture: str, shape: Shape, mean: Tensor, std: Tensor, generator: torch.Generator
) -> Normalised:
    """Build a network whose initial weights come from ``generator`` alone.

    Args:
        architecture: A key of ``ARCHITECTURES``.
        shape: What it takes and gives.
        mean: Mean of each channel of the training images in [0, 1], ``[channels]``.
        std: Standard deviation of the same, ``[channels]``.
        generator: Source of the weights, so that no global state decides them.

    """
    network = Normalised(ARCHITECTURES[architecture](shape), mean, std)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            if architecture.startswith("vit"):
                nn.init.xavier_uniform_(module.weight, generator=generator)
            else:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, VisionTransformer):
            nn.init.normal_(module.positions, std=0.02, generator=generator)
    return network
