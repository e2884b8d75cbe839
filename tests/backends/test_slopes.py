"""Gradients of real models, through a real process."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.backends import tiny_onnx, tiny_torch
from tests.backends.asking import brightness, brightness_slopes, request, some_images, some_stamps
from tests.backends.test_hostile_answers import SOUND, TWO, lying
from tests.backends.tiny_pyfunc import BRIGHTEST, write_pyfunc
from xray_gate.backends.isolation import open_model
from xray_gate.core.errors import ModelAnswerError, ModelProcessError, NoGradients
from xray_gate.probing.answer_checks import CheckedOracle
from xray_gate.probing.batches import Images
from xray_gate.probing.preprocessing import Preprocessing
from xray_gate.probing.slope_checks import check_slopes

pytestmark = [
    # PyTorch's own announcement about TorchScript, which users will have for years.
    pytest.mark.filterwarnings("ignore:.torch.jit.*is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.torch.jit.*is not supported in Python:DeprecationWarning"),
    # MLflow's own, at its import.
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]

Save = Callable[[Path], Path]
PIXELS = 3 * 4 * 4


MODELS: dict[str, tuple[str, Save]] = {
    "onnx": ("m.onnx", tiny_onnx.brightest_channel),
    "onnx, four at a time": ("m.onnx", tiny_onnx.brightest_channel_by_four),
    "onnx, probabilities": ("m.onnx", tiny_onnx.brightest_channel_softmax),
    "onnx, nhwc": ("m.onnx", tiny_onnx.brightest_channel_nhwc),
    "onnx, half precision": ("m.onnx", tiny_onnx.brightest_channel_half),
    "torchscript": ("m.pt", tiny_torch.save_torchscript),
    "exported": ("m.pt2", tiny_torch.save_pt2_for_any),
    "exported for one image": ("m.pt2", tiny_torch.save_pt2_for_one),
    "mlflow pytorch": ("model", tiny_torch.save_mlflow),
}


@pytest.mark.parametrize("kind", MODELS)
def test_every_back_end_gives_slopes(kind: str, tmp_path: Path) -> None:
    name, save = MODELS[kind]
    images = some_images(11)
    settings = Preprocessing(layout="auto", dtype="auto")
    with open_model(request(save(tmp_path / name), preprocessing=settings)) as model:
        found = CheckedOracle(model, np.random.default_rng(0)).slopes(Images(images), 1)
        # Answers after gradients are what they were before.
        np.testing.assert_allclose(
            model.probabilities(Images(images)), brightness(images), atol=2e-3
        )
    np.testing.assert_allclose(found.probabilities, brightness(images), atol=2e-3)
    tolerance = 5e-3 if "half" in kind else 1e-5
    np.testing.assert_allclose(found.log_odds, brightness_slopes(images, 1), atol=tolerance)


def test_slopes_are_by_the_pixels_and_not_by_the_models_input(tmp_path: Path) -> None:
    settings = Preprocessing(scale=255.0, mean=(10.0, 20.0, 30.0), std=(50.0, 60.0, 70.0))
    images = some_images(5)
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    with open_model(request(path, preprocessing=settings)) as model:
        found = model.slopes(Images(images), 0).log_odds  # type: ignore[attr-defined]
    given = settings.apply(images)
    factor = 255.0 / np.array([50.0, 60.0, 70.0]).reshape(1, 3, 1, 1)
    np.testing.assert_allclose(found, factor * brightness_slopes(given, 0), rtol=1e-4, atol=1e-6)


def test_slopes_of_stamped_images_are_those_of_the_images_stamped(tmp_path: Path) -> None:
    stamps = some_stamps(3, 2)
    with open_model(request(tiny_onnx.brightest_channel(tmp_path / "m.onnx"))) as model:
        found = model.slopes(stamps, 2)  # type: ignore[attr-defined]
    np.testing.assert_allclose(found.log_odds, brightness_slopes(stamps.images(0, 6), 2), atol=1e-6)


def pyfunc(path: Path) -> Path:
    return write_pyfunc(path, BRIGHTEST)


REFUSED: dict[str, tuple[str, Save, str]] = {
    "pyfunc": ("model", pyfunc, "python_function shows no gradients"),
    "bytes": ("m.onnx", tiny_onnx.brightest_channel_uint8, "takes bytes"),
    "an operator of onnxruntime alone": ("m.onnx", tiny_onnx.nearest_mean, "cannot be converted"),
    "labels": ("m.onnx", tiny_onnx.brightest_channel_label, "labels, not probabilities"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_model_without_gradients_says_why_and_goes_on(kind: str, tmp_path: Path) -> None:
    name, save, reason = REFUSED[kind]
    settings = Preprocessing(layout="auto", dtype="auto")
    with open_model(request(save(tmp_path / name), preprocessing=settings)) as model:
        before = model.labels(TWO)
        with pytest.raises(NoGradients, match=reason):
            model.slopes(TWO, 0)  # type: ignore[attr-defined]
        np.testing.assert_array_equal(model.labels(TWO), before)


def test_gradients_that_are_not_those_of_the_answers_are_found_out(tmp_path: Path) -> None:
    images = some_images(200)
    with open_model(request(tiny_onnx.in_steps(tmp_path / "m.onnx"))) as model:
        oracle = CheckedOracle(model, np.random.default_rng(0))
        labels = oracle.labels(Images(images))
        inside, outside = (images[labels == label][:16] for label in (0, 1))
        with pytest.raises(NoGradients, match="for 16 of 16 images"):
            check_slopes(oracle, 0, inside, outside)


def test_gradients_that_are_those_of_the_answers_pass(tmp_path: Path) -> None:
    images = some_images(200)
    with open_model(request(tiny_onnx.linear(tmp_path / "m.onnx", 60 * np.eye(3)))) as model:
        oracle = CheckedOracle(model, np.random.default_rng(0))
        labels = oracle.labels(Images(images))
        inside, outside = (images[labels == label][:16] for label in (0, 1))
        check_slopes(oracle, 0, inside, outside)


def test_the_scripted_process_can_give_slopes(tmp_path: Path) -> None:
    script = f"send({{'slopes': question()}}, *{SOUND * 2}, *[0.5] * {2 * PIXELS}); time.sleep(60)"
    with lying(tmp_path, script) as model:
        found = model.slopes(TWO, 0)
    assert found.probabilities.tolist() == [SOUND, SOUND]
    assert found.log_odds.shape == (2, 3, 4, 4)
    assert (found.log_odds == 0.5).all()


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        (f"{{'slopes': 2}}, *{SOUND * 2}, *[nan] * {2 * PIXELS}", NoGradients, "NaN or infinite"),
        (f"{{'slopes': 2}}, *{[2.0] * 6}, *[0] * {2 * PIXELS}", ModelProcessError, "no probabilit"),
        (f"{{'slopes': 3}}, *{SOUND * 3}, *[0] * {3 * PIXELS}", ModelProcessError, "not answer 2"),
        (f"{{'labels': 2}}, *{SOUND * 2}", ModelProcessError, "not answer 2"),
    ],
)
def test_false_slopes_are_no_answer(
    answer: str, error: type[Exception], reason: str, tmp_path: Path
) -> None:
    script = f"question(); send({answer}); time.sleep(60)"
    with lying(tmp_path, script) as model, pytest.raises(error, match=reason):
        model.slopes(TWO, 0)


def test_a_claim_of_a_million_classes_takes_no_memory(tmp_path: Path) -> None:
    with (
        lying(tmp_path, "time.sleep(60)", classes=1_000_000) as model,
        pytest.raises(ModelAnswerError, match="1000000 classes for 400 questions"),
    ):
        model.slopes(Images(some_images(400)), 0)
