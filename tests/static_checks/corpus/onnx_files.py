"""ONNX files that reach outside, need others' code, or describe what cannot be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.static_checks.corpus.making import Row

_FLOAT = TensorProto.FLOAT
Change = Callable[[Any], None]


def honest(nodes: list[Any] | None = None) -> Any:
    """A model that adds a weight to its image."""
    add = helper.make_node("Add", ["image", "weight"], ["answer"])
    graph = helper.make_graph(
        nodes or [add],
        "tiny",
        [helper.make_tensor_value_info("image", _FLOAT, ("batch", 3))],
        [helper.make_tensor_value_info("answer", _FLOAT, ("batch", 3))],
        [numpy_helper.from_array(np.ones(3, np.float32), "weight")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _changed(change: Change, **files: bytes) -> Callable[[Path, str], Path]:
    """A folder with one ONNX file."""

    def build(folder: Path, _: str) -> Path:
        (folder / "secret").write_bytes(bytes(12))
        place = folder / "model"
        place.mkdir()
        for name, content in files.items():
            (place / name).write_bytes(content)
        model = honest()
        change(model)
        (place / "model.onnx").write_bytes(model.SerializeToString())
        return place

    return build


def outside(location: str, **entries: str) -> Change:
    def change(model: Any) -> None:
        (weight,) = model.graph.initializer
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **entries}.items():
            weight.external_data.add(key=key, value=value)

    return change


def _alone(folder: Path, _: str) -> Path:
    """One file whose data lie beside it, where no digest looks."""
    model = honest()
    outside("weights")(model)
    (folder / "weights").write_bytes(bytes(12))
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def _operator(name: str, domain: str) -> Change:
    def change(model: Any) -> None:
        node = helper.make_node(name, ["image"], ["extra"], domain=domain)
        model.graph.node.append(node)

    return change


def _shape(*dims: int) -> Change:
    def change(model: Any) -> None:
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(dims)

    return change


def _input_shape(model: Any) -> None:
    shape = (2**31, 2**31, 2**31)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", _FLOAT, shape))


def _nested(model: Any) -> None:
    graph = helper.make_graph([], "inner", [], [])
    for _ in range(14):
        branches = {"then_branch": graph, "else_branch": helper.make_graph([], "e", [], [])}
        node = helper.make_node("If", ["c"], ["o"], **branches)
        graph = helper.make_graph([node], "outer", [], [])
    model.graph.node.extend(graph.node)


def _functions(calls: dict[str, list[str]]) -> Change:
    """Functions of the model's own, each with the names that it calls."""

    def change(model: Any) -> None:
        for name, called in calls.items():
            nodes = [helper.make_node(other, ["x"], ["y"], domain="own") for other in called]
            opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
            made = helper.make_function("own", name, ["x"], ["y"], nodes, opsets)
            model.functions.append(made)
        _operator(next(iter(calls)), "own")(model)

    return change


def _doubling() -> dict[str, list[str]]:
    return {f"f{n}": [f"f{n + 1}"] * 2 for n in range(40)} | {"f40": []}


def _training(model: Any) -> None:
    model.training_info.add()


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Path, str], Path]:
    def build(folder: Path, _: str) -> Path:
        path = folder / "model.onnx"
        path.write_bytes(change(honest().SerializeToString()))
        return path

    return build


def _two_graphs(data: bytes) -> bytes:
    """Parsers put both together."""
    more: bytes = onnx.ModelProto(graph=onnx.GraphProto(name="more")).SerializeToString()
    return data + more


_NO_FILE = "which is no file of the model; give the folder that holds both"
_OUT = "which leads out of the model's folder"
ROWS = [
    Row("data above", _changed(outside("../secret")), f"in ../secret, {_OUT}"),
    Row("data at a root", _changed(outside("/etc/passwd")), f"in /etc/passwd, {_OUT}"),
    Row("data by backslash", _changed(outside("..\\secret")), _OUT),
    Row("data in memory", _changed(outside("*/_ORT_MEM_ADDR_/*", offset="4096")), _NO_FILE),
    Row("data that are missing", _changed(outside("gone")), _NO_FILE),
    Row("data in the model itself", _changed(outside("model.onnx")), _NO_FILE),
    Row("data nowhere", _changed(outside("")), _OUT),
    Row(
        "data beyond the end",
        _changed(outside("weights", offset="4"), weights=bytes(12)),
        "is not what its shape says, 12 bytes of weights",
    ),
    Row(
        "data at a negative place",
        _changed(outside("weights", offset="-4"), weights=bytes(12)),
        "-4 is no place in a file",
    ),
    Row("data beside a single file", _alone, f"in weights, {_NO_FILE}"),
    Row(
        "custom operator",
        _changed(_operator("Evil", "com.evil\x1b[31m")),
        r"operator Evil of the domain com\.evil \[31m, which is not onnxruntime's own",
    ),
    Row(
        "compiled program",
        _changed(_operator("EPContext", "com.microsoft")),
        "uses the operator EPContext, which runs code",
    ),
    Row(
        "Python operator",
        _changed(_operator("PythonOp", "com.microsoft")),
        "uses the operator PythonOp, which runs code",
    ),
    Row("shape of petabytes", _changed(_shape(2**30, 2**30)), "has an absurd shape"),
    Row("negative shape", _changed(_shape(-1)), "has an absurd shape"),
    Row("shape beyond the data", _changed(_shape(2**20)), "is not what its shape says, 4194304"),
    Row("input of exabytes", _changed(_input_shape), "a value has an absurd shape"),
    Row("graphs fourteen deep", _changed(_nested), "nested more than 12 deep"),
    Row(
        "functions that call each other",
        _changed(_functions({"f": ["g"], "g": ["f"]})),
        r"has a function that calls itself, or 64 others in turn \(f\)",
    ),
    Row("functions that double", _changed(_functions(_doubling())), "unfold to more than 1000000"),
    Row("training", _changed(_training), "holds a program for training"),
    Row("two graphs", _bytes(_two_graphs), "a field stands twice, which parsers read differently"),
    Row("cut off", _bytes(lambda data: data[:-3]), "is no ONNX file .a field is longer than"),
    Row("a length without end", _bytes(lambda data: b"\x3a" + b"\xff" * 12), "is no ONNX file"),
    Row("no graph", _bytes(lambda data: b"\x08\x09"), "is no ONNX file .there is no graph"),
]
