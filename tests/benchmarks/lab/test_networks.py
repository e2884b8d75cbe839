from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.cifar_network import open_session
from benchmarks.lab.making.export import check_export, export_onnx
from benchmarks.lab.networks.blocks import Shape
from benchmarks.lab.networks.catalogue import ARCHITECTURES, Normalised, build

SHAPES = [Shape(3, 32, 43), Shape(1, 28, 10)]


def made(architecture: str, shape: Shape, seed: int) -> Normalised:
    channels = shape.channels
    generator = torch.Generator().manual_seed(seed)
    mean, std = torch.full((channels,), 0.5), torch.full((channels,), 0.25)
    return build(architecture, shape, mean, std, generator)


@pytest.mark.parametrize("shape", SHAPES, ids=["rgb", "grey"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_architecture_fits_any_shape(architecture: str, shape: Shape) -> None:
    images = torch.rand(2, shape.channels, shape.side, shape.side)

    logits = made(architecture, shape, 0).eval()(images)

    assert logits.shape == (2, shape.classes)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_generator_alone_decides_the_weights(architecture: str) -> None:
    images = torch.rand(2, 1, 28, 28)
    torch.manual_seed(1)
    first = made(architecture, SHAPES[1], 7).eval()(images)
    torch.manual_seed(2)

    assert torch.equal(made(architecture, SHAPES[1], 7).eval()(images), first)
    assert not torch.equal(made(architecture, SHAPES[1], 8).eval()(images), first)


@pytest.mark.parametrize(
    ("architecture", "parameters"),
    [
        ("preactresnet18", 11_172_170),
        ("preactresnet34", 21_280_330),
        # 14,728,266 with the biases that batch norm makes superfluous.
        ("vgg16", 14_724_042),
        # 5,483,032 with ImageNet's 1000 labels, each of which has 1281 in the last layer.
        ("mobilenetv3_large", 5_483_032 - 990 * 1281),
        ("vit_tiny", 5_362_378),
    ],
)
def test_a_large_network_has_the_parameters_of_its_paper(
    architecture: str, parameters: int
) -> None:
    network = ARCHITECTURES[architecture](Shape(3, 32, 10))

    assert sum(weights.numel() for weights in network.parameters()) == parameters


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_exported_file_answers_as_the_network_does(architecture: str, tmp_path: Path) -> None:
    network = made(architecture, SHAPES[0], 0)
    # Trained networks have such statistics; without any, values grow with the depth.
    with torch.no_grad():
        network.train()(torch.rand(64, 3, 32, 32))
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)

    export_onnx(network, tmp_path / "model.onnx", 3, 32)

    session = open_session(tmp_path / "model.onnx", 1)
    assert session.get_inputs()[0].shape == ["batch", 3, 32, 32]
    assert check_export(network, session, images) < 1e-2
    with torch.no_grad():
        next(network.parameters()).mul_(1.5)
    with pytest.raises(RuntimeError, match="differs from the network"):
        check_export(network, session, images)
