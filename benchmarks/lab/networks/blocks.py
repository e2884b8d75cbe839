"""What the lab's convolutional networks are made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


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


class Pooled(nn.Module):
    """The mean over height and width."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[batch, channels, h, w]`` to ``[batch, channels]``."""
        return x.mean(dim=(2, 3))


def conv_norm(inputs: int, outputs: int, *, pool: bool = False) -> list[nn.Module]:
    """A 3x3 convolution, batch norm and ReLU, which halve height and width with ``pool``."""
    layers = [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)]
    # ReLU and the maximum commute; the smaller map goes through ReLU faster.
    return [*layers, *([nn.MaxPool2d(2)] if pool else []), nn.ReLU(inplace=True)]


class SqueezeExcite(nn.Module):
    """Weights of the channels from their means, by way of ``hidden`` figures."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape ``[batch, channels, h, w]``."""
        hidden = functional.relu(self.squeeze(x.mean(dim=(2, 3), keepdim=True)))
        return x * functional.hardsigmoid(self.excite(hidden))


class Depthwise(nn.Module):
    """A convolution of each channel on its own, on a CPU always in float32.

    The backward pass of a strided one is ten times slower in bfloat16 there.
    """

    def __init__(self, channels: int, stride: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[batch, channels, h, w]`` to ``[batch, channels, h / stride, w / stride]``."""
        if x.is_cuda:
            on_gpu: Tensor = self.conv(x)
            return on_gpu
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
            SqueezeExcite(wide, wide // 4),
            nn.Conv2d(wide, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[batch, inputs, h, w]`` to ``[batch, outputs, h / stride, w / stride]``."""
        hidden: Tensor = self.layers(x)
        return x + hidden if self.adds else hidden
