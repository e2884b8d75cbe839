import pytest
import torch

from benchmarks.lab.networks import ARCHITECTURES, Normalised, Shape, build

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
