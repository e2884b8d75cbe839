"""What honest people save and log is looked at and let through."""

import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from tests.backends import tiny_onnx, tiny_torch
from tests.static_checks.corpus.making import BENIGN, mlflow_model, torch_archive
from tests.static_checks.corpus.onnx_files import honest, outside
from xray_gate.scan.ports import FileRules
from xray_gate.static_checks.check import check_files

pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit.*is deprecated:DeprecationWarning"),
    # MLflow's own, at its import.
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]
DEMO = Path(__file__).parents[2] / "xray_gate" / "data" / "demo"
Maker = Callable[[Path], Path]


def layers() -> torch.nn.Module:
    """One of many kinds of layers."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1),
        torch.nn.BatchNorm2d(8),
        torch.nn.SiLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(32, 8),
        torch.nn.TransformerEncoderLayer(8, 2, dim_feedforward=8, activation="gelu"),
        torch.nn.ModuleList([torch.nn.Dropout(), torch.nn.LSTM(8, 8)]),
    )


def saved(name: str, thing: Callable[[], Any], **how: Any) -> Maker:
    def make(folder: Path) -> Path:
        torch.save(thing(), folder / name, **how)
        return folder / name

    return make


def dumped(thing: Callable[[], Any], protocol: int) -> Maker:
    def make(folder: Path) -> Path:
        return mlflow_model(folder, {"model.pkl": pickle.dumps(thing(), protocol)})

    return make


def arrays() -> Any:
    return OrderedDict(
        weight=np.arange(6.0).reshape(2, 3),
        bias=np.float32(1),
        kinds={np.dtype("f4"), frozenset({1})},
        rng=np.random.RandomState(0),
    )


def mlflow_pt2(folder: Path) -> Path:
    import mlflow.pytorch

    mlflow.pytorch.save_model(
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 3)),
        str(folder / "model"),
        input_example=np.zeros((1, 3, 4, 4), np.float32),
        pip_requirements=["torch"],
    )
    return folder / "model"


def with_data_outside(folder: Path) -> Path:
    model = honest()
    outside("weights.bin", offset="4", length="12")(model)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    # As any number may, these begin like a pickle.
    (folder / "weights.bin").write_bytes(b"\x80\x04" + bytes(range(14)))
    return folder


def loop(folder: Path) -> Path:
    body = onnx.helper.make_graph(
        [tiny_onnx.node("Identity", ["going"], "go on"), tiny_onnx.node("Relu", ["x"], "y")],
        "body",
        [
            onnx.helper.make_tensor_value_info("i", onnx.TensorProto.INT64, ()),
            onnx.helper.make_tensor_value_info("going", onnx.TensorProto.BOOL, ()),
            onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, None),
        ],
        [
            onnx.helper.make_tensor_value_info("go on", onnx.TensorProto.BOOL, ()),
            onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None),
        ],
    )
    node = tiny_onnx.node("Loop", ["times", "", "image"], "answer", body=body)
    return tiny_onnx.save(folder / "model.onnx", [node], weights={"times": np.int64(3)})


def npz(folder: Path) -> Path:
    path = mlflow_model(folder, {"data/model.pth": torch_archive()})
    rows = np.zeros(3, dtype=[("left", "<i8"), ("threshold", "<f8"), ("", "V7")])
    np.savez_compressed(path / "a.npz", x=np.zeros((2, 3)), y=np.array(["a", "bc"]), z=rows)
    np.save(path / "b.npy", np.float32(1))
    return path


HONEST: dict[str, Maker] = {
    "clean demo": lambda _: DEMO / "clean.onnx",
    "backdoored demo": lambda _: DEMO / "backdoored.onnx",
    "ONNX": lambda folder: tiny_onnx.brightest_channel(folder / "m.onnx"),
    "ONNX with a loop": loop,
    "ONNX with its data beside it": with_data_outside,
    "TorchScript": lambda folder: tiny_torch.save_torchscript(folder / "m.pt"),
    "pt2 for any batch": lambda folder: tiny_torch.save_pt2_for_any(folder / "m.pt2"),
    "pt2 for one image": lambda folder: tiny_torch.save_pt2_for_one(folder / "m.pt2"),
    "MLflow's pytorch, pickled": lambda folder: tiny_torch.save_mlflow(folder / "m"),
    "MLflow's pytorch, exported": mlflow_pt2,
    "module of PyTorch's layers": saved("m.pth", layers),
    "weights": saved("m.pth", lambda: layers().state_dict()),
    "weights, legacy": saved(
        "m.pth", lambda: layers().state_dict(), _use_new_zipfile_serialization=False
    ),
    "arrays, protocol 0": dumped(arrays, 0),
    "arrays, protocol 2": dumped(arrays, 2),
    "arrays, protocol 5": dumped(arrays, 5),
    "NumPy's files": npz,
}


@pytest.mark.parametrize("kind", HONEST)
def test_honest_models_are_let_through(kind: str, tmp_path: Path) -> None:
    check_files(HONEST[kind](tmp_path), FileRules())


def test_texts_that_begin_like_opcodes_are_texts(tmp_path: Path) -> None:
    texts = {
        "conda.yaml": b"channels:\n- conda-forge\ndependencies:\n- python=3.11\n",
        "requirements.txt": b"certifi\nnumpy\ntorch==2.13.0\n",
        "README.md": "# Résumé\n\n(a model)\nIt is good.\n".encode(),
        "input_example.json": b"[[0.1, 0.2]]",
        "notes.txt": b"import os\nos.system('ls')\n",
        "empty": b"",
        "zlib.txt": b"x^2 + y^2\n",
        "mz.txt": b"MZ is how programs for Windows begin\n",
        "pointer.onnx": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    }
    path = mlflow_model(tmp_path, {"data/model.pth": torch_archive(), **texts})
    check_files(path, FileRules())


@pytest.mark.parametrize(
    "start",
    [b"\x80\x04cos\nsys", b"MZ", b"\x5d\0\0\0", b"\x78\x9c", b"\x1f\x8b\x08", b"BZh9", b"N.N.N."],
)
def test_weights_may_begin_like_anything(start: bytes, tmp_path: Path) -> None:
    weights = (start + bytes(range(256)))[:256]
    archive = torch_archive(BENIGN, **{"m/data/0": weights})
    check_files(mlflow_model(tmp_path, {"data/model.pth": archive}), FileRules())
