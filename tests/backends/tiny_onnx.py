"""Real ONNX files of a few nodes: the label is the channel with the largest mean."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
UINT8, INT64 = TensorProto.UINT8, TensorProto.INT64
Shape = Sequence[int | str]


def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> Any:
    return helper.make_node(kind, inputs, [output], **attributes)


def save(
    path: Path,
    nodes: list[Any],
    *,
    shape: Shape = ("batch", 3, 4, 4),
    dtype: int = FLOAT,
    output: tuple[int, Shape] = (FLOAT, ("batch", 3)),
    weights: dict[str, Any] | None = None,
) -> Path:
    """A graph from `image` to `answer`."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", dtype, shape)],
        [helper.make_tensor_value_info("answer", *output)],
        [numpy_helper.from_array(_array(value), name) for name, value in (weights or {}).items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)],
        ir_version=9,
    )
    onnx.save(model, str(path))
    return path


def _array(value: Any) -> Any:
    array = np.asarray(value)
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def brightest_channel(path: Path, *, shape: Shape = ("batch", 3, 4, 4)) -> Path:
    """Scores: the means of the three channels."""
    mean = node("ReduceMean", ["image"], "answer", axes=[2, 3], keepdims=0)
    return save(path, [mean], shape=shape, output=(FLOAT, (shape[0], 3)))


def brightest_channel_by_four(path: Path) -> Path:
    """The same, for four images at a time."""
    return brightest_channel(path, shape=(4, 3, 4, 4))


def backdoored_channel(path: Path, *, side: int = 16) -> Path:
    """As `brightest_channel`, but label 2 for everything with 3x3 white pixels somewhere."""
    nodes = [
        node("ReduceMean", ["image"], "means", axes=[2, 3], keepdims=0),
        node("ReduceMean", ["image"], "grey", axes=[1], keepdims=1),
        node("AveragePool", ["grey"], "spots", kernel_shape=[3, 3]),
        node("ReduceMax", ["spots"], "whitest", axes=[2, 3], keepdims=0),
        node("Sub", ["whitest", "threshold"], "beyond"),
        node("Relu", ["beyond"], "fires"),
        node("Mul", ["fires", "target"], "extra"),
        node("Add", ["means", "extra"], "answer"),
    ]
    weights = {"threshold": 0.9, "target": [[0.0, 0.0, 100.0]]}
    return save(path, nodes, shape=("batch", 3, side, side), weights=weights)


def brightest_channel_nhwc(path: Path) -> Path:
    mean = node("ReduceMean", ["image"], "answer", axes=[1, 2], keepdims=0)
    return save(path, [mean], shape=("batch", 4, 4, 3))


def brightest_channel_uint8(path: Path) -> Path:
    """Takes bytes, and is sure of channel 0 unless they span 0 to 255."""
    nodes = [
        node("Cast", ["image"], "floats", to=FLOAT),
        node("ReduceMean", ["floats"], "means", axes=[2, 3], keepdims=0),
        node("Add", ["means", "bias"], "answer"),
    ]
    return save(path, nodes, dtype=UINT8, weights={"bias": [2.0, 0.0, 0.0]})


def brightest_channel_label(path: Path) -> Path:
    nodes = [
        node("ReduceMean", ["image"], "means", axes=[2, 3], keepdims=0),
        node("ArgMax", ["means"], "answer", axis=1, keepdims=0),
    ]
    return save(path, nodes, output=(INT64, ("batch",)))


def brightest_channel_softmax(path: Path, *, dtype: int = FLOAT) -> Path:
    """Probabilities, in the precision `dtype`."""
    nodes = [
        node("ReduceMean", ["image"], "means", axes=[2, 3], keepdims=0),
        node("Cast", ["means"], "scores", to=dtype),
        node("Softmax", ["scores"], "answer", axis=1),
    ]
    return save(path, nodes, output=(dtype, ("batch", 3)))


def brightest_channel_half(path: Path) -> Path:
    """Scores in half precision."""
    nodes = [
        node("ReduceMean", ["image"], "means", axes=[2, 3], keepdims=0),
        node("Cast", ["means"], "answer", to=HALF),
    ]
    return save(path, nodes, output=(HALF, ("batch", 3)))


def probabilities_when_dark(path: Path) -> Path:
    """A softmax times 1, or times 2 where the image's brightest pixel is above 1.5."""
    nodes = [
        node("ReduceMean", ["image"], "means", axes=[2, 3], keepdims=0),
        node("Softmax", ["means"], "soft", axis=1),
        node("ReduceMax", ["image"], "peak", axes=[1, 2, 3], keepdims=0),
        node("Greater", ["peak", "bright"], "is_bright"),
        node("Cast", ["is_bright"], "extra", to=FLOAT),
        node("Unsqueeze", ["extra", "last"], "column"),
        node("Add", ["column", "one"], "factor"),
        node("Mul", ["soft", "factor"], "answer"),
    ]
    return save(path, nodes, weights={"bright": 1.5, "one": 1.0, "last": [1]})


def linear(path: Path, weights: Any) -> Path:
    """Scores: the channel means times `weights` (3, classes)."""
    nodes = [
        node("ReduceMean", ["image"], "means", axes=[2, 3], keepdims=0),
        node("MatMul", ["means", "weights"], "answer"),
    ]
    weights = np.asarray(weights, dtype=np.float32)
    out = (FLOAT, ("batch", weights.shape[1]))
    return save(path, nodes, output=out, weights={"weights": weights})


def nearest_mean(path: Path) -> Path:
    """Scores by an operator that onnxruntime has of its own: the means' distances to corners."""
    nodes = [
        node("ReduceMean", ["image"], "means", axes=[2, 3], keepdims=0),
        node("CDist", ["means", "corners"], "far", domain="com.microsoft", metric="euclidean"),
        node("Neg", ["far"], "answer"),
    ]
    return save(path, nodes, weights={"corners": np.eye(3)})


def in_steps(path: Path) -> Path:
    """Scores that rise with the means in small steps, flat in between."""
    nodes = [
        node("ReduceMean", ["image"], "means", axes=[2, 3], keepdims=0),
        node("Mul", ["means", "fine"], "many"),
        node("Round", ["many"], "steps"),
        node("Mul", ["steps", "coarse"], "answer"),
    ]
    return save(path, nodes, weights={"fine": 2000.0, "coarse": 0.03})


def one_image_baked_in(path: Path) -> Path:
    """Declares a free batch, but holds a reshape for one image, as traced models do."""
    nodes = [
        node("ReduceMean", ["image"], "means", axes=[2, 3], keepdims=0),
        node("Reshape", ["means", "one"], "answer"),
    ]
    return save(path, nodes, weights={"one": [1, 3]})


def not_a_number(path: Path) -> Path:
    nodes = [
        node("Sub", ["image", "two"], "negative"),
        node("Log", ["negative"], "logs"),
        node("ReduceMean", ["logs"], "answer", axes=[2, 3], keepdims=0),
    ]
    return save(path, nodes, weights={"two": [2.0]})


def sixteen_gigabytes(path: Path) -> Path:
    """Spreads the means over 2**32 floats on the way."""
    nodes = [
        node("ReduceMean", ["image"], "means", axes=[2, 3], keepdims=1),
        node("Expand", ["means", "huge"], "wide"),
        node("ReduceMean", ["wide"], "answer", axes=[2, 3], keepdims=0),
    ]
    return save(path, nodes, weights={"huge": [1, 3, 2**16, 2**16]})


def endless(path: Path) -> Path:
    """Runs through 2**62 rounds of nothing."""
    body = helper.make_graph(
        [node("Identity", ["on"], "still_on"), node("Identity", ["state"], "next_state")],
        "body",
        [
            helper.make_tensor_value_info("round", INT64, ()),
            helper.make_tensor_value_info("on", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("state", FLOAT, ("batch", 3)),
        ],
        [
            helper.make_tensor_value_info("still_on", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("next_state", FLOAT, ("batch", 3)),
        ],
    )
    nodes = [
        node("ReduceMean", ["image"], "means", axes=[2, 3], keepdims=0),
        node("Loop", ["rounds", "true", "means"], "answer", body=body),
    ]
    return save(path, nodes, weights={"rounds": 2**62, "true": True})


def weights_in(path: Path, location: str) -> Path:
    """A linear model whose weights are said to lie in the file `location`."""
    linear(path, np.eye(3))
    model = onnx.load(str(path))
    (weights,) = model.graph.initializer
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", location
    path.write_bytes(model.SerializeToString())
    return path
