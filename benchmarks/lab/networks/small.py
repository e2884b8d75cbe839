"""Five small architectures, which learn on one CPU core in minutes."""

from __future__ import annotations

from torch import nn

from benchmarks.cifar_network import PreActBlock
from benchmarks.lab.networks.blocks import Inverted, Pooled, Shape, conv_norm
from benchmarks.lab.networks.transformer import VisionTransformer


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


def vgg(shape: Shape) -> nn.Module:
    """Convolution, batch norm, ReLU and max-pooling (after VGG), about 150,000 parameters."""
    return nn.Sequential(
        *conv_norm(shape.channels, 24, pool=True),
        *conv_norm(24, 48),
        *conv_norm(48, 64, pool=True),
        *conv_norm(64, 64),
        *conv_norm(64, 128, pool=True),
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
    """A small vision transformer, see ``benchmarks.lab.networks.transformer``."""
    return VisionTransformer(shape.channels, shape.side, shape.classes)
