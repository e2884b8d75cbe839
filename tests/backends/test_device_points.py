from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from tests.backends import tiny_onnx, tiny_torch
from tests.backends.asking import request, some_images, some_plane, some_planes, some_stamps
from xray_gate.backends.classifier import Asking, Classifier
from xray_gate.backends.device_points import DevicePoints
from xray_gate.backends.interface import ModelSpec, Runner
from xray_gate.backends.onnx import OnnxRunner, open_onnx
from xray_gate.backends.torch_module import open_pt2
from xray_gate.probing.batches import Batch, Images, JoinedPlanes, PlanePoints
from xray_gate.probing.preprocessing import Preprocessing

# Everything but the device is as it is with a GPU.
CPU = torch.device("cpu")

POINTS: dict[str, PlanePoints | JoinedPlanes] = {
    "as published": some_plane(7, clip=False),
    "clipped": some_plane(7, clip=True),
    "several": some_planes(5),
}
NORMALISED = Preprocessing(scale=255.0, mean=(120.0, 110.0, 100.0), std=(50.0, 60.0, 70.0))


@pytest.mark.parametrize("points", POINTS.values(), ids=list(POINTS))
@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocessing(),
        NORMALISED,
        Preprocessing(mean=(0.5,), layout="nhwc"),
        replace(NORMALISED, dtype="float16"),
    ],
    ids=["plain", "normalised", "nhwc", "half"],
)
def test_they_are_those_of_the_description(
    points: PlanePoints | JoinedPlanes, preprocessing: Preprocessing
) -> None:
    expected = preprocessing.apply(points.images(3, 30))
    found = DevicePoints(points, preprocessing, None, CPU).inputs(3, 30)
    assert found.is_contiguous()
    assert found.numpy().dtype == expected.dtype
    least = 1e-3 if preprocessing.dtype == "float16" else 1e-6
    np.testing.assert_allclose(found.numpy(), expected, rtol=least, atol=1e-6)


def test_bytes_are_rounded_and_brought_back() -> None:
    points, in_bytes = POINTS["as published"], Preprocessing(scale=255.0, dtype="uint8")
    expected = in_bytes.apply(points.images(0, 49)).astype(int)
    found = DevicePoints(points, in_bytes, "uint8", CPU).inputs(0, 49)
    assert found.dtype == torch.uint8
    # Half a level may round either way.
    apart = np.abs(found.numpy().astype(int) - expected)
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.01
    assert {0, 255} <= set(np.unique(expected))


def test_floats_are_widened_to_what_the_model_declares() -> None:
    half = Preprocessing(dtype="float16")
    plane = POINTS["clipped"]
    assert DevicePoints(plane, half, "float32", CPU).inputs(0, 2).dtype == torch.float32
    assert DevicePoints(plane, Preprocessing(), "float64", CPU).inputs(0, 2).dtype == torch.float64


def test_the_last_point_fills_a_batch_up() -> None:
    found = DevicePoints(POINTS["clipped"], Preprocessing(), None, CPU).inputs(47, 52)
    assert len(found) == 5
    assert bool((found[1:] == found[1]).all())


def onnx_on_tensors(folder: Path, shape: tiny_onnx.Shape = ("batch", 3, 4, 4)) -> Runner:
    path = tiny_onnx.brightest_channel(folder / "m.onnx", shape=shape)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    facts = {"device": "cpu"}
    return OnnxRunner(session, facts, None, path, bound_on="cpu", tensor_device=CPU)


def four_at_a_time(folder: Path) -> Runner:
    return onnx_on_tensors(folder, (4, 3, 4, 4))


def program_on_tensors(folder: Path) -> Runner:
    runner = open_pt2(ModelSpec(tiny_torch.save_pt2_for_any(folder / "m.pt2"), "cpu", 1))
    assert runner.tensor_device is None
    runner.tensor_device = CPU
    return runner


@pytest.mark.parametrize("opener", [onnx_on_tensors, four_at_a_time, program_on_tensors])
def test_a_model_answers_as_it_does_for_arrays(
    opener: Callable[[Path], Runner], tmp_path: Path
) -> None:
    r = request(tmp_path)
    asking = Asking(r.preprocessing, r.outputs, r.classes, r.input_shape, r.batch_size or 8)
    plain = tiny_onnx.brightest_channel(tmp_path / "plain.onnx")
    arrays = Classifier(open_onnx(ModelSpec(plain, "cpu", 1)), asking)
    tensors = Classifier(opener(tmp_path), asking)
    batches: tuple[Batch, ...] = (*POINTS.values(), Images(some_images(11)), some_stamps(3, 4))
    for batch in batches:
        assert tensors.labels(batch).tolist() == arrays.labels(batch).tolist()
        np.testing.assert_allclose(
            tensors.probabilities(batch), arrays.probabilities(batch), atol=1e-6
        )
    nothing = POINTS["several"].take(np.zeros(0, dtype=np.int64))
    assert tensors.labels(nothing).shape == (0,)
