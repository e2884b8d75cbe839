"""Probabilities of real models, most of them through a real process."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends import tiny_onnx, tiny_torch
from tests.backends.asking import (
    brightest,
    brightness,
    request,
    some_images,
    some_plane,
    some_stamps,
)
from tests.backends.tiny_pyfunc import BRIGHTEST, BRIGHTEST_LABEL, write_pyfunc
from tests.fakes.soft_oracles import softmax
from xray_gate.backends import isolation, questions
from xray_gate.backends.classifier import Asking, Classifier
from xray_gate.backends.interface import ModelSpec
from xray_gate.backends.isolation import child_environment, open_model
from xray_gate.backends.onnx import open_onnx
from xray_gate.backends.process import ModelProcess
from xray_gate.backends.sandbox.launch import Launch
from xray_gate.core.errors import ModelAnswerError, ShapeMismatch
from xray_gate.probing.answer_checks import CheckedOracle
from xray_gate.probing.batches import Batch, Images, Stamps
from xray_gate.probing.preprocessing import Preprocessing
from xray_gate.scan.ports import ModelLimits

pytestmark = [
    # PyTorch's own announcement about TorchScript, which users will have for years.
    pytest.mark.filterwarnings("ignore:.torch.jit.*is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.torch.jit.*is not supported in Python:DeprecationWarning"),
    # MLflow's own, at its import.
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]

Save = Callable[[Path], Path]


def half_softmax(path: Path) -> Path:
    return tiny_onnx.brightest_channel_softmax(path, dtype=tiny_onnx.HALF)


def pyfunc(path: Path) -> Path:
    return write_pyfunc(path, BRIGHTEST)


SOFT: dict[str, tuple[str, Save, float]] = {
    "onnx, logits": ("m.onnx", tiny_onnx.brightest_channel, 1e-6),
    "onnx, softmax": ("m.onnx", tiny_onnx.brightest_channel_softmax, 1e-6),
    "onnx, logits in half precision": ("m.onnx", tiny_onnx.brightest_channel_half, 1e-3),
    "onnx, softmax in half precision": ("m.onnx", half_softmax, 1e-3),
    "onnx, fixed batch": ("m.onnx", tiny_onnx.brightest_channel_by_four, 1e-6),
    "onnx, one image baked in": ("m.onnx", tiny_onnx.one_image_baked_in, 1e-6),
    "torchscript": ("m.pt", tiny_torch.save_torchscript, 1e-6),
    "pt2": ("m.pt2", tiny_torch.save_pt2_for_any, 1e-6),
    "pt2, fixed batch": ("m.pt2", tiny_torch.save_pt2_for_one, 1e-6),
    "mlflow-pytorch": ("model", tiny_torch.save_mlflow, 1e-6),
    "mlflow-pyfunc": ("model", pyfunc, 1e-6),
}


@pytest.mark.parametrize("kind", SOFT)
def test_every_back_end_gives_probabilities(kind: str, tmp_path: Path) -> None:
    name, save, tolerance = SOFT[kind]
    images = some_images(21)
    stamps = some_stamps(5, 4)
    with open_model(request(save(tmp_path / name))) as model:
        assert model.soft
        assert model.format == kind.partition(",")[0]
        found = model.probabilities(Images(images))
        stamped = model.probabilities(stamps)
        checked = CheckedOracle(model, np.random.default_rng(0)).probabilities(Images(images))
        assert model.probabilities(Images(images[:0])).shape == (0, 3)
        labels = model.labels(Images(images))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, brightness(images), atol=tolerance)
    np.testing.assert_allclose(stamped, brightness(stamps.images(0, 20)), atol=tolerance)
    np.testing.assert_allclose(checked, found, atol=1e-6)
    assert labels.tolist() == brightest(images).tolist()


def only_labels(path: Path) -> Path:
    return write_pyfunc(path, BRIGHTEST_LABEL)


@pytest.mark.parametrize(
    ("name", "save"), [("m.onnx", tiny_onnx.brightest_channel_label), ("model", only_labels)]
)
def test_a_model_of_labels_says_so_and_refuses(name: str, save: Save, tmp_path: Path) -> None:
    images = some_images(4)
    with open_model(request(save(tmp_path / name))) as model:
        assert not model.soft
        for count in (0, 4):
            with pytest.raises(ModelAnswerError, match="gives labels, not probabilities; export"):
                model.probabilities(Images(images[:count]))
        assert model.labels(Images(images)).tolist() == brightest(images).tolist()


def test_the_process_itself_refuses_too(tmp_path: Path) -> None:
    path = tiny_onnx.brightest_channel_label(tmp_path / "m.onnx")
    r = request(path)
    asking = Asking(r.preprocessing, r.outputs, r.classes, r.input_shape, r.batch_size or 8)
    model = Classifier(open_onnx(ModelSpec(path, "cpu", 1)), asking)
    assert not model.soft
    with pytest.raises(ModelAnswerError, match="gives labels, not probabilities"):
        model.probabilities(Images(some_images(2)))


def test_large_logits_give_certain_probabilities(tmp_path: Path) -> None:
    path = tiny_onnx.linear(tmp_path / "m.onnx", 2e4 * np.eye(3))
    images = some_images(20)
    with open_model(request(path)) as model:
        found = model.probabilities(Images(images))
    np.testing.assert_allclose(found, softmax(2e4 * images.mean(axis=(2, 3))), atol=1e-2)
    assert found.argmax(axis=1).tolist() == brightest(images).tolist()


def test_rows_that_are_probabilities_no_more_are_refused_and_asking_goes_on(
    tmp_path: Path,
) -> None:
    path = tiny_onnx.probabilities_when_dark(tmp_path / "m.onnx")
    images = some_images(20)
    bright = images.copy()
    bright[17] = 2.0
    with open_model(request(path)) as model:
        for _ in range(2):
            with pytest.raises(ModelAnswerError, match=r"sums from 1 to 2.*set `outputs: logits`"):
                model.probabilities(Images(bright))
            np.testing.assert_allclose(
                model.probabilities(Images(images)), brightness(images), atol=1e-6
            )
        assert model.labels(Images(bright)).tolist() == brightest(bright).tolist()


def test_nan_on_one_question_is_no_answer(tmp_path: Path) -> None:
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    images = some_images(20)
    images[17, 1, 2, 3] = np.nan
    with (
        open_model(request(path)) as model,
        pytest.raises(ModelAnswerError, match="NaN; check its weights"),
    ):
        model.probabilities(Images(images))


@pytest.mark.parametrize(
    "batch",
    [
        Images(some_images(37)[::-1]),
        some_plane(9, clip=True),
        some_stamps(7, 6),
        some_stamps(7, 6).take(np.arange(42)[::-1].repeat(2)),
    ],
    ids=["images", "plane", "stamps", "taken stamps"],
)
def test_any_batch_goes_over_in_pieces(
    batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    expected = brightness(batch.images(0, len(batch)))
    with open_model(request(path, batch_size=4)) as model:
        whole = model.probabilities(batch)
        monkeypatch.setattr(questions, "_ANSWER_BYTES", 10 * 12)
        monkeypatch.setattr(questions, "_DESCRIBED_BYTES", 3 * 4 * (3 + 1) * 4 * 4)
        pieces = model.probabilities(batch)
        labels = model.labels(batch)
    np.testing.assert_allclose(whole, expected, atol=1e-6)
    np.testing.assert_allclose(pieces, expected, atol=1e-6)
    assert labels.tolist() == expected.argmax(axis=1).tolist()


def test_a_great_batch_is_held_by_neither_side(tmp_path: Path) -> None:
    """Three times the memory that the model's process may use, and 30 times what is used here."""
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx", shape=("batch", 3, 64, 64))
    rng = np.random.default_rng(0)
    pixels, patterns = rng.random((2, 250, 3, 64, 64), dtype=np.float32)
    stamps = Stamps(pixels, rng.random((250, 64, 64), dtype=np.float32), patterns)
    described = len(stamps) * pixels[0].nbytes
    limits = ModelLimits(seconds=300.0, memory_bytes=2**30)
    assert described > 2.8 * limits.memory_bytes
    changes: dict[str, Any] = {"input_shape": (3, 64, 64), "limits": limits, "batch_size": 64}
    with open_model(request(path, **changes)) as model:
        tracemalloc.start()
        try:
            found = CheckedOracle(model, np.random.default_rng(0)).probabilities(stamps)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < described / 30
    sample = np.arange(0, len(stamps), 997)
    taken = stamps.take(sample)
    np.testing.assert_allclose(found[sample], brightness(taken.images(0, len(taken))), atol=1e-5)


def test_more_probabilities_than_can_be_held_are_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "_MOST_BYTES", 2**20)
    path = tiny_onnx.linear(tmp_path / "m.onnx", np.ones((3, 40_000)))
    with open_model(request(path)) as model:
        with pytest.raises(ModelAnswerError, match=r"40000 classes for 7 questions take 1 MiB"):
            model.probabilities(Images(some_images(7)))
        assert model.probabilities(Images(some_images(6))).shape == (6, 40_000)


def test_stamps_of_another_shape_are_refused(tmp_path: Path) -> None:
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    small = np.zeros((2, 3, 2, 2), dtype=np.float32)
    stamps = Stamps(small, small[:, 0], small)
    with open_model(request(path)) as model:
        for ask in (model.labels, model.probabilities):
            with pytest.raises(ShapeMismatch, match=r"\(3, 2, 2\)"):
                ask(stamps)


@contextmanager
def bare_process(folder: Path) -> Iterator[ModelProcess]:
    """As `open_model` starts it, before anything was asked."""
    launch = Launch("process", folder, 60.0, environment=child_environment(folder, 1, "onnx"))
    command = launch.command("xray_gate.backends.child")
    with ModelProcess(command, launch.variables(), folder, ModelLimits(60.0)) as process:
        yield process


@pytest.mark.parametrize(
    "header",
    [
        {"ask": "stamps", "count": 1, "images": "1", "triggers": 1, "answer": "labels"},
        {"ask": "stamps", "images": 1, "triggers": 1, "answer": "labels"},
        {"ask": "images", "count": None, "answer": "labels"},
        {"ask": "verdict", "count": 1, "answer": "labels"},
    ],
)
def test_a_question_that_is_not_as_agreed_is_told_as_a_failure(
    header: dict[str, object], tmp_path: Path
) -> None:
    with bare_process(tmp_path) as process:
        told = process.tell(header)
    assert told["error"] == "failed"
    assert "ValueError" in told["message"]


def test_an_answer_of_an_unknown_kind_is_told_as_a_failure(tmp_path: Path) -> None:
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    question = {
        "path": str(path),
        "format": "onnx",
        "preprocessing": Preprocessing().to_json(),
        "outputs": "auto",
        "classes": 3,
        "input_shape": (3, 4, 4),
        "device": "cpu",
        "batch_size": 8,
        "threads": 1,
    }
    with bare_process(tmp_path) as process:
        asked = {"ask": "open", "model": question, "sample": 3}
        assert process.tell(asked, some_images(3).data)["opened"]["soft"] is True
        header = {"ask": "images", "count": 2, "answer": "verdicts"}
        told = process.tell(header, some_images(2).data)
    assert told == {
        "error": "failed",
        "message": "ValueError: there is no answer of the kind 'verdicts'",
    }
