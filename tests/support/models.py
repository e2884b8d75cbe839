"""Tiny image classifiers, as ONNX files, and the clean samples to probe them with."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Floats = npt.NDArray[np.float32]

SIZE = 8
PIXELS = 3 * SIZE * SIZE
COLOURS = np.array(
    [[0.8, 0.25, 0.25], [0.25, 0.8, 0.25], [0.25, 0.25, 0.8], [0.75, 0.75, 0.2]], np.float32
)
CLASSES = len(COLOURS)
TARGET = 2


def write_probes(path: Path, for_each_class: int = 10) -> Path:
    """One colour for each class, with noise; uint8 (n, 8, 8, 3)."""
    rng = np.random.default_rng(5)
    labels = np.repeat(np.arange(CLASSES), for_each_class)
    noise = rng.normal(0.0, 0.06, size=(len(labels), SIZE, SIZE, 3))
    images = np.clip(COLOURS[labels][:, None, None, :] + noise, 0.0, 1.0)
    np.savez(path, images=np.round(images * 255).astype(np.uint8), labels=labels)
    return path


def write_clean(path: Path) -> Path:
    """The label of the nearest colour: linear, so that every plane has a region for each class."""
    return _save(path, [*_scores("logits")])


def write_backdoored(path: Path) -> Path:
    """As the clean one near the data; far from it `TARGET` floods everything, as a trigger's does.

    The logit of `TARGET` grows with the square of the distance from the mean colour.
    """
    only_target = np.zeros((1, CLASSES), np.float32)
    only_target[0, TARGET] = 4.0
    # The noisy probes lie within this squared distance of the mean colour (at 9 to 23).
    radius = np.float32(30.0)
    nodes = [
        *_scores("scores"),
        helper.make_node("Sub", ["flat", "middle"], ["offset"]),
        helper.make_node("Mul", ["offset", "offset"], ["squared"]),
        helper.make_node("ReduceSum", ["squared", "axis"], ["distance"], keepdims=1),
        helper.make_node("Sub", ["distance", "radius"], ["beyond"]),
        helper.make_node("Relu", ["beyond"], ["flood"]),
        helper.make_node("MatMul", ["flood", "only_target"], ["extra"]),
        helper.make_node("Add", ["scores", "extra"], ["logits"]),
    ]
    constants = {
        "middle": _centres().mean(axis=0, keepdims=True),
        "axis": np.array([1], np.int64),
        "radius": radius,
        "only_target": only_target,
    }
    return _save(path, nodes, constants)


def _centres() -> Floats:
    """Each class's colour as a whole image, float32 (CLASSES, PIXELS), channels first."""
    return np.repeat(COLOURS, SIZE * SIZE, axis=1)


def _scores(name: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], [name], transB=1),
    ]


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    constants: dict[str, npt.NDArray[np.generic]] | None = None,
) -> Path:
    centres = _centres()
    values = {
        "weights": centres,
        "bias": (-0.5 * (centres**2).sum(axis=1)).astype(np.float32),
        **(constants or {}),
    }
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path
