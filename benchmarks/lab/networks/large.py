"""Five architectures of the backdoor literature, in the sizes that it reports.

Their first layers are those that the field gives them for images of 32x32 pixels: what halves a
photograph's height and width would leave nothing of these. There is no dropout, whose randomness no
generator can be passed to.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from benchmarks.cifar_network import PreActBlock
from benchmarks.lab.networks.blocks import Depthwise, Pooled, Shape, SqueezeExcite, conv_norm
from benchmarks.lab.networks.transformer import VisionTransformer

Activation = type[nn.ReLU] | type[nn.Hardswish]


def _preactresnet(shape: Shape, depths: Sequence[int]) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(shape.channels, 64, 3, padding=1, bias=False)]
    inputs = 64
    for outputs, depth in zip((64, 128, 256, 512), depths, strict=True):
        for number in range(depth):
            stride = 2 if number == 0 and outputs > 64 else 1
            layers.append(PreActBlock(inputs, outputs, stride))
            inputs = outputs
    head = [nn.BatchNorm2d(512), nn.ReLU(inplace=True), Pooled(), nn.Linear(512, shape.classes)]
    return nn.Sequential(*layers, *head)


def preactresnet18(shape: Shape) -> nn.Module:
    """PreActResNet-18 (He et al., Identity Mappings in Deep Residual Networks, 2016).

    The usual CIFAR variant: a 3x3 stem without pooling, widths 64 to 512, two blocks a stage;
    11.17 million parameters.
    """
    return _preactresnet(shape, (2, 2, 2, 2))


def preactresnet34(shape: Shape) -> nn.Module:
    """PreActResNet-34, the same with 3, 4, 6 and 3 blocks; 21.28 million parameters."""
    return _preactresnet(shape, (3, 4, 6, 3))


def vgg16(shape: Shape) -> nn.Module:
    """VGG-16 with batch norm (Simonyan & Zisserman 2015, configuration D); 14.72 million.

    For CIFAR one dense layer takes the place of three, as five poolings leave one pixel. Sides that
    are no multiple of 32 are rounded up at each pooling.
    """
    layers: list[nn.Module] = []
    inputs = shape.channels
    for outputs, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers += conv_norm(inputs, outputs)
            inputs = outputs
        layers.append(nn.MaxPool2d(2, ceil_mode=True))
    return nn.Sequential(*layers, Pooled(), nn.Linear(512, shape.classes))


class Bottleneck(nn.Module):
    """MobileNetV3's inverted residual.

    Args:
        inputs: Channels that come in.
        kernel: Side of the depthwise convolution, 3 or 5.
        wide: Channels that it works on; where they are ``inputs``, nothing expands them.
        outputs: Channels that go out.
        squeezed: Channels in its squeeze-and-excite; 0 leaves that out.
        act: Its activation.
        stride: 1 or 2.

    """

    def __init__(
        self,
        inputs: int,
        kernel: int,
        wide: int,
        outputs: int,
        squeezed: int,
        act: Activation,
        stride: int,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if wide != inputs:
            layers += [nn.Conv2d(inputs, wide, 1, bias=False), nn.BatchNorm2d(wide), act(True)]
        layers += [Depthwise(wide, stride, kernel), nn.BatchNorm2d(wide), act(True)]
        if squeezed:
            layers.append(SqueezeExcite(wide, squeezed))
        layers += [nn.Conv2d(wide, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[batch, inputs, h, w]`` to ``[batch, outputs, h / stride, w / stride]``."""
        hidden: Tensor = self.layers(x)
        return x + hidden if self.adds else hidden


# Table 1 of the paper, with the widths of squeeze-and-excite that the authors' code has: channels
# in, kernel, expanded, out, squeezed, activation, stride.
_MOBILENETV3_LARGE: list[tuple[int, int, int, int, int, Activation, int]] = [
    (16, 3, 16, 16, 0, nn.ReLU, 1),
    (16, 3, 64, 24, 0, nn.ReLU, 1),
    (24, 3, 72, 24, 0, nn.ReLU, 1),
    (24, 5, 72, 40, 24, nn.ReLU, 2),
    (40, 5, 120, 40, 32, nn.ReLU, 1),
    (40, 5, 120, 40, 32, nn.ReLU, 1),
    (40, 3, 240, 80, 0, nn.Hardswish, 2),
    (80, 3, 200, 80, 0, nn.Hardswish, 1),
    (80, 3, 184, 80, 0, nn.Hardswish, 1),
    (80, 3, 184, 80, 0, nn.Hardswish, 1),
    (80, 3, 480, 112, 120, nn.Hardswish, 1),
    (112, 3, 672, 112, 168, nn.Hardswish, 1),
    (112, 5, 672, 160, 168, nn.Hardswish, 2),
    (160, 5, 960, 160, 240, nn.Hardswish, 1),
    (160, 5, 960, 160, 240, nn.Hardswish, 1),
]


def mobilenetv3_large(shape: Shape) -> nn.Module:
    """MobileNetV3-Large (Howard et al., Searching for MobileNetV3, 2019); 4.21 million parameters.

    For CIFAR the first two of its five strides are 1 (the stem's and that of the second
    bottleneck), so that 4x4 pixels reach the pooling.
    """
    return nn.Sequential(
        nn.Conv2d(shape.channels, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.Hardswish(inplace=True),
        *(Bottleneck(*row) for row in _MOBILENETV3_LARGE),
        nn.Conv2d(160, 960, 1, bias=False),
        nn.BatchNorm2d(960),
        nn.Hardswish(inplace=True),
        Pooled(),
        nn.Linear(960, 1280),
        nn.Hardswish(inplace=True),
        nn.Linear(1280, shape.classes),
    )


def vit_tiny(shape: Shape) -> nn.Module:
    """ViT-Ti (Touvron et al., DeiT, 2021: width 192, 12 layers, 3 heads) on patches of 4x4 pixels.

    The patches of 16x16 that it has on photographs would be four of a 32x32 image. The head reads
    the mean of the tokens, as in Zhai et al., Scaling Vision Transformers, 2022; 5.36 million
    parameters.
    """
    return VisionTransformer(
        shape.channels, shape.side, shape.classes, width=192, depth=12, heads=3, expansion=4
    )
