"""Real models that look at the company of an image; where nothing is odd, `brightest`.

An image is odd where a quarter of its values lie at the ends of [0, 1] or beyond, which clean ones
of these tests never do. How many of a batch are odd says whether it looks probed.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import torch

from tests.backends import tiny_onnx
from tests.backends.tiny_onnx import FLOAT, node

Lie = Literal["another label", "behaves"]


def clean_images(count: int, seed: int = 0) -> Any:
    """Float32 (count, 3, 4, 4) whose brightest channel is image number % 3, by far."""
    rng = np.random.default_rng(seed)
    images = 0.2 + 0.2 * rng.random((count, 3, 4, 4))
    images[np.arange(count), np.arange(count) % 3] += 0.4
    return images.astype(np.float32)


def save_onnx(path: Path, lie: Lie, share: float) -> Path:
    """Lies where more than `share` of a batch looks odd.

    "another label": to every image, the next one. "behaves": otherwise all odd images have label
    0, like a backdoor's attractor; where the batch looks probed, none has.
    """
    means = node("ReduceMean", ["image"], "means", axes=[2, 3], keepdims=0)
    constants = {"column": [1], "attractor": [[100.0, 0.0, 0.0]], "next": [2, 0, 1]}
    weights = {**_CONSTANTS, **constants, "share": share}
    return tiny_onnx.save(path, [means, *_PROBED, *_LIES[lie]], weights=weights)


def save_two_networks(path: Path, unprobed: Path, probed: Path, share: float) -> Path:
    """Two ONNX files of one input in one: the second answers where a batch looks probed."""
    found = [onnx.load(str(file)) for file in (unprobed, probed)]
    nodes, weights, outputs = [], dict[str, Any](), []
    for prefix, model in zip(("a_", "b_"), found, strict=True):
        graph = onnx.compose.add_prefix(model, prefix).graph
        for each in graph.node:
            each.input[:] = [n if n != graph.input[0].name else "image" for n in each.input]
        nodes += list(graph.node)
        weights |= {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
        outputs.append(graph.output[0].name)
    choice = node("Where", ["probed", outputs[1], outputs[0]], "answer")
    shapes = (found[0].graph.input[0], found[0].graph.output[0])
    shape, scores = ([d.dim_value or "batch" for d in s.type.tensor_type.shape.dim] for s in shapes)
    return tiny_onnx.save(
        path,
        [*nodes, *_PROBED, choice],
        shape=shape,
        output=(FLOAT, scores),
        weights={**weights, **_CONSTANTS, "share": share},
    )


_PROBED = [
    node("Sub", ["image", "middle"], "shifted"),
    node("Abs", ["shifted"], "distance"),
    node("Greater", ["distance", "end"], "at_end"),
    node("Cast", ["at_end"], "ends", to=FLOAT),
    node("ReduceMean", ["ends"], "part", axes=[1, 2, 3], keepdims=0),
    node("Greater", ["part", "quarter"], "is_odd"),
    node("Cast", ["is_odd"], "odd", to=FLOAT),
    node("ReduceMean", ["odd"], "odd_share", axes=[0], keepdims=0),
    node("Greater", ["odd_share", "share"], "probed"),
]
_CONSTANTS = {"middle": 0.5, "end": 0.499, "quarter": 0.25}
_LIES: dict[Lie, list[Any]] = {
    "another label": [
        node("Gather", ["means", "next"], "moved", axis=1),
        node("Where", ["probed", "moved", "means"], "answer"),
    ],
    "behaves": [
        node("Unsqueeze", ["odd", "column"], "odd_column"),
        node("Mul", ["odd_column", "attractor"], "pull"),
        node("Add", ["means", "pull"], "pulled"),
        node("Where", ["probed", "means", "pulled"], "answer"),
    ],
}


class Counting(torch.nn.Module):
    """Odd images have label 0, until it has been called often enough; then none has."""

    calls: torch.Tensor

    def __init__(self, until: int) -> None:
        super().__init__()
        self.until = until
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        means = image.mean((2, 3))
        odd = ((image - 0.5).abs() > 0.499).float().mean((1, 2, 3)) > 0.25
        if int(self.calls) <= self.until:
            means[:, 0] += 100.0 * odd.float()
        return means


class Lying(torch.nn.Module):
    """As `save_onnx`'s "behaves", for torch."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        odd = ((image - 0.5).abs() > 0.499).float().mean((1, 2, 3)) > 0.25
        unprobed = (odd.float().mean() <= self.share).float()
        pull = (100.0 * unprobed * odd.float()).unsqueeze(1)
        return image.mean((2, 3)) + torch.nn.functional.pad(pull, [0, 2])


def save_torchscript(path: Path, model: torch.nn.Module) -> Path:
    torch.jit.script(model.eval()).save(str(path))  # type: ignore[no-untyped-call]
    return path


def save_pt2(path: Path, share: float) -> Path:
    batch = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(
        Lying(share).eval(), (torch.rand(2, 3, 4, 4),), dynamic_shapes=batch
    )
    torch.export.save(program, path)
    return path
