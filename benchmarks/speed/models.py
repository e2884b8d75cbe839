"""Models to measure speed with: random weights, and probes that they tell apart.

    python -m benchmarks.speed models --out FOLDER [--only NAME ...]

Each comes as ONNX and as a program of torch.export (for a GPU), with ``NAME-probes.npz``: random
images in the shape that it takes, labelled by the model itself, so that a scan finds regions of
several labels. They are no classifiers of anything.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.cifar_data import Images
from benchmarks.lab.making.export import export_onnx
from benchmarks.lab.networks.blocks import Shape
from benchmarks.lab.networks.large import preactresnet18
from benchmarks.lab.networks.small import mobile
from benchmarks.lab.networks.transformer import VisionTransformer
from benchmarks.whole_files import write_npz

PROBES = 60
# So many of the labels that the model gives must occur, for planes need three.
_LEAST_LABELS = 3


def vit_b16(shape: Shape) -> nn.Module:
    """ViT-B/16 (Dosovitskiy et al., 2021: width 768, 12 layers, 12 heads, patches of 16x16).

    The head reads the mean of the 196 tokens instead of a 197th.
    """
    return VisionTransformer(
        shape.channels,
        shape.side,
        shape.classes,
        width=768,
        depth=12,
        heads=12,
        expansion=4,
        patch=16,
    )


@dataclass(frozen=True)
class Kind:
    """One of the models: how it is built, and what it takes and gives."""

    build: Callable[[Shape], nn.Module]
    shape: Shape


KINDS = {
    "preactresnet18": Kind(preactresnet18, Shape(3, 32, 10)),
    "vit_b16": Kind(vit_b16, Shape(3, 224, 10)),
    # Large images and little to compute: memory does not show the model.
    "mobile_224": Kind(mobile, Shape(3, 224, 10)),
}


def write(name: str, kind: Kind, folder: Path, seed: int = 0) -> None:
    """Write one model with its probes; the same ones each time.

    Raises:
        RuntimeError: If the model gives its probes fewer than three labels.

    """
    shape = kind.shape
    images = random_images(PROBES, shape, np.random.default_rng(seed))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = kind.build(shape).eval()
    labels = _labelled(network, torch.from_numpy(images).permute(0, 3, 1, 2).contiguous())
    if len(np.unique(labels)) < _LEAST_LABELS:
        raise RuntimeError(f"{name}: gives its probes one or two labels; take another seed")
    folder.mkdir(parents=True, exist_ok=True)
    write_npz(folder / f"{name}-probes.npz", images=images, labels=labels)
    export_onnx(network, folder / f"{name}.onnx", shape.channels, shape.side)
    _export_program(network, folder / f"{name}.pt2", shape)


def random_images(count: int, shape: Shape, rng: np.random.Generator) -> Images:
    """Smooth random images, uint8 ``[count, side, side, channels]``, of many scales."""
    images = np.empty((count, shape.channels, shape.side, shape.side), np.float32)
    for number in range(count):
        cells = int(2 ** rng.integers(1, 5))
        coarse = torch.from_numpy(rng.random((1, shape.channels, cells, cells), np.float32))
        smooth = functional.interpolate(coarse, (shape.side, shape.side), mode="bilinear")
        images[number] = smooth[0].numpy()
    return np.round(images.transpose(0, 2, 3, 1) * 255).astype(np.uint8)


def _labelled(network: nn.Module, images: Tensor) -> np.ndarray:
    """The network's own labels, after its last layer was centred on these images.

    Without that one label leads everywhere.
    """
    head = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        pixels = images.float() / 255
        logits = torch.cat([network(pixels[at : at + 8]) for at in range(0, len(pixels), 8)])
        centre = logits.mean(dim=0)
        head.bias.sub_(centre)
    labels: np.ndarray = (logits - centre).argmax(dim=1).numpy()
    return labels


def _export_program(network: nn.Module, path: Path, shape: Shape) -> None:
    example = torch.zeros(2, shape.channels, shape.side, shape.side)
    batch = ({0: torch.export.Dim("batch")},)
    torch.export.save(torch.export.export(network, (example,), dynamic_shapes=batch), path)


def main(argv: list[str]) -> int:
    """Write the models."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed models", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=[*KINDS])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    for name in options.only:
        write(name, KINDS[name], options.out, options.seed)
        print(options.out / f"{name}.onnx", flush=True)
    return 0
