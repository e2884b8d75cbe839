"""Five small architectures for images of any size and depth, normalisation inside the graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.cifar_network import PreActBlock
from benchmarks.lab.transformer import VisionTransformer


@dataclass(frozen=True)
class Shape:
    """What a network takes and gives.

    Attributes:
        channels: 1 (greyscale) or 3 (RGB).
        side: Height and width in pixels, a multiple of 4.
        classes: Number of labels.

    """

    channels: int
    side: int
    classes: int


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


class Pooled(nn.Module):
    """The mean over height and width."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[batch, channels, h, w]`` to ``[batch, channels]``."""
        return x.mean(dim=(2, 3))


def preact(shape: Shape) -> nn.Module:
    """The pre-activation ResNet of ``benchmarks.cifar_network``, about 78,000 parameters."""
    return nn.Sequential(
        nn.Conv2d(shape.channels, 16, 3, padding=1, bias=False),
        PreActBlock(16, 16, 1),
        PreActBlock(16, 32, 2),
        PreActBlock(32, 64, 2),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        Pooled(),
        nn.Linear(64, shape.classes),
    )


def _conv(inputs: int, outputs: int, *, pool: bool = False) -> list[nn.Module]:
    layers = [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)]
    # ReLU and the maximum commute; the smaller map goes through ReLU faster.
    return [*layers, *([nn.MaxPool2d(2)] if pool else []), nn.ReLU(inplace=True)]


def vgg(shape: Shape) -> nn.Module:
    """Convolution, batch norm, ReLU and max-pooling (after VGG), about 150,000 parameters."""
    return nn.Sequential(
        *_conv(shape.channels, 24, pool=True),
        *_conv(24, 48),
        *_conv(48, 64, pool=True),
        *_conv(64, 64),
        *_conv(64, 128, pool=True),
        Pooled(),
        nn.Linear(128, shape.classes),
    )


def plain(shape: Shape) -> nn.Module:
    """Convolutions without batch norm and two dense layers (after LeNet-5)."""
    small = shape.side // 4 // 2
    return nn.Sequential(
        nn.Conv2d(shape.channels, 32, 5, padding=2),
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),
        nn.Conv2d(32, 48, 3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),
        nn.Conv2d(48, 64, 3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(64 * small * small, 128),
        nn.ReLU(inplace=True),
        nn.Linear(128, shape.classes),
    )


class SqueezeExcite(nn.Module):
    """Weights of the channels from their means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // 4, 1)
        self.excite = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape ``[batch, channels, h, w]``."""
        hidden = functional.relu(self.squeeze(x.mean(dim=(2, 3), keepdim=True)))
        return x * functional.hardsigmoid(self.excite(hidden))


class Depthwise(nn.Module):
    """A 3x3 convolution of each channel on its own, always in float32.

    The backward pass of a strided one is ten times slower in bfloat16 on a CPU.
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[batch, channels, h, w]`` to ``[batch, channels, h / stride, w / stride]``."""
        with torch.autocast("cpu", enabled=False):
            filtered: Tensor = self.conv(x.float())
        return filtered.to(x.dtype)


class Inverted(nn.Module):
    """Inverted residual with a depthwise convolution (after MobileNetV3)."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int = 3) -> None:
        super().__init__()
        wide = inputs * expansion
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.Hardswish(inplace=True),
            Depthwise(wide, stride),
            nn.BatchNorm2d(wide),
            nn.Hardswish(inplace=True),
            SqueezeExcite(wide),
            nn.Conv2d(wide, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[batch, inputs, h, w]`` to ``[batch, outputs, h / stride, w / stride]``."""
        hidden: Tensor = self.layers(x)
        return x + hidden if self.adds else hidden


def mobile(shape: Shape) -> nn.Module:
    """Inverted residuals with squeeze-and-excite and hard-swish (after MobileNetV3)."""
    return nn.Sequential(
        nn.Conv2d(shape.channels, 24, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(24),
        nn.Hardswish(inplace=True),
        Inverted(24, 32, 2, expansion=2),
        Inverted(32, 32, 1),
        Inverted(32, 32, 1),
        Inverted(32, 64, 2, expansion=4),
        Inverted(64, 64, 1),
        nn.Conv2d(64, 128, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.Hardswish(inplace=True),
        Pooled(),
        nn.Linear(128, shape.classes),
    )


def vit(shape: Shape) -> nn.Module:
    """A small vision transformer, see ``benchmarks.lab.transformer``."""
    return VisionTransformer(shape.channels, shape.side, shape.classes)


ARCHITECTURES: dict[str, Callable[[Shape], nn.Module]] = {
    "preact": preact,
    "vgg": vgg,
    "plain": plain,
    "mobile": mobile,
    "vit": vit,
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
            if architecture == "vit":
                nn.init.xavier_uniform_(module.weight, generator=generator)
            else:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, VisionTransformer):
            nn.init.normal_(module.positions, std=0.02, generator=generator)
    return network
