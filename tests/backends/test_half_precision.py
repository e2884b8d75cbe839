"""On a CPU, where bfloat16 stands for what a GPU would use; the decision is the same."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.backends import tiny_torch
from tests.backends.asking import brightest, request, some_images, some_plane
from xray_gate.backends import isolation
from xray_gate.backends.classifier import Asking, Classifier
from xray_gate.backends.half_precision import sample_questions, settle_precision
from xray_gate.backends.interface import ModelSpec, Runner
from xray_gate.backends.torch_module import TorchRunner, open_pt2, open_torchscript
from xray_gate.probing.batches import Batch, FloatArray, Images, JoinedPlanes, LabelArray

pytestmark = [
    # PyTorch's own announcement about TorchScript, which users will have for years.
    pytest.mark.filterwarnings("ignore:.torch.jit.*is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.torch.jit.*is not supported in Python:DeprecationWarning"),
]

ALL = 512 + 12


def program(folder: Path) -> TorchRunner:
    return open_pt2(ModelSpec(tiny_torch.save_pt2_for_any(folder / "m.pt2"), "cpu", 1))


def script(folder: Path) -> TorchRunner:
    return open_torchscript(ModelSpec(tiny_torch.save_torchscript(folder / "m.pt"), "cpu", 1))


def classifier(runner: Runner, sample: FloatArray | None) -> Classifier:
    r = request(Path())
    asking = Asking(r.preprocessing, r.outputs, r.classes, r.input_shape, r.batch_size or 8)
    return Classifier(runner, asking, sample)


def clear_images() -> FloatArray:
    """One channel of each is far brighter than the others, and no two are on one line."""
    images = np.full((12, 3, 4, 4), 0.1, dtype=np.float32)
    images[np.arange(12), np.arange(12) % 3] = 0.9
    return images + 0.02 * some_images(12)


@pytest.mark.parametrize("opener", [program, script])
def test_it_is_used_for_labels_where_it_changes_none(
    opener: Callable[[Path], TorchRunner], tmp_path: Path
) -> None:
    runner = opener(tmp_path)
    full = classifier(runner, clear_images())
    assert "precision" not in full.facts
    runner.half = "bfloat16"
    half = classifier(runner, clear_images()[:3])
    assert half.facts["precision"] == "bfloat16"
    blurred = Images(some_images(200) * np.float32(1e-3) + np.float32(0.7))
    # Nobody looked at these: here, and here only, it shows which precision answers.
    assert half.labels(blurred).tolist() != full.labels(blurred).tolist()
    np.testing.assert_array_equal(half.probabilities(blurred), full.probabilities(blurred))


def test_one_label_that_changes_is_too_many(tmp_path: Path) -> None:
    runner = program(tmp_path)
    runner.half = "bfloat16"
    sample = np.full((1, 3, 4, 4), 0.7, dtype=np.float32)
    sample[0, 2] += 1e-4
    model = classifier(runner, sample)
    assert model.facts["precision"] == "float32 (half precision changed 1 of 1 labels)"
    blurred = some_images(50) * np.float32(1e-3) + np.float32(0.7)
    assert model.labels(Images(blurred)).tolist() == brightest(blurred).tolist()


@pytest.mark.parametrize("sample", [None, clear_images()[:0]])
def test_it_is_not_used_unseen(sample: FloatArray | None, tmp_path: Path) -> None:
    runner = program(tmp_path)
    runner.half = "bfloat16"
    facts = classifier(runner, sample).facts
    assert facts["precision"] == "float32 (no images to compare half precision on)"


def test_what_overflows_is_answered_in_full(tmp_path: Path) -> None:
    runner = program(tmp_path)
    runner.half = "float16"
    half = runner.in_half()
    assert half is not None
    far = 1e6 * some_images(3)
    np.testing.assert_array_equal(half.run(far), runner.run(far))
    near = some_images(3)
    assert (half.run(near) != runner.run(near)).any()
    np.testing.assert_allclose(half.run(near), runner.run(near), rtol=1e-3)


def settled(ask: Callable[[bool, Batch, int], LabelArray], folder: Path) -> str | None:
    """The fact, for answers of full (False) and half (True) precision."""
    runner = program(folder)
    runner.half = "bfloat16"
    _, fact = settle_precision(
        runner, lambda by, *asked: ask(by is not runner, *asked), 256, clear_images()
    )
    return fact


def test_small_batches_round_differently_and_are_compared_too(tmp_path: Path) -> None:
    def ask(half: bool, batch: Batch, size: int) -> LabelArray:
        labels = np.zeros(len(batch), dtype=np.int64)
        labels[:3] = int(half and size < 256 and isinstance(batch, JoinedPlanes))
        return labels

    assert settled(ask, tmp_path) == f"float32 (half precision changed 3 of {ALL} labels)"


def test_a_model_that_fails_in_it_is_asked_without(tmp_path: Path) -> None:
    def ask(half: bool, batch: Batch, size: int) -> LabelArray:
        if half:
            raise RuntimeError("no kernel for Half")
        return np.zeros(len(batch), dtype=np.int64)

    assert settled(ask, tmp_path) == "float32 (half precision failed: no kernel for Half)"


def test_the_sample_is_the_images_and_planes_through_them() -> None:
    images, planes = sample_questions(clear_images())
    assert len(images) + len(planes) == ALL
    assert isinstance(planes, JoinedPlanes)
    assert planes.clips.tolist() == [False, True] * 4
    # Three equal images span no plane.
    equal = np.concatenate([clear_images()[:3], np.zeros((3, 3, 4, 4), np.float32)])
    assert [len(batch) for batch in sample_questions(equal)] == [6, 128]
    assert [len(batch) for batch in sample_questions(equal[:2])] == [2]


def test_the_same_sample_gives_the_same_questions() -> None:
    first, again = (sample_questions(clear_images())[1] for _ in range(2))
    np.testing.assert_array_equal(first.images(0, 512), again.images(0, 512))


def test_a_plane_is_asked_in_half_precision_too(tmp_path: Path) -> None:
    runner = program(tmp_path)
    runner.half, runner.tensor_device = "bfloat16", torch.device("cpu")
    model = classifier(runner, clear_images()[:3])
    plane = some_plane(9, clip=True)
    agreement = model.labels(plane) == brightest(plane.images(0, 81))
    assert agreement.mean() > 0.9


def test_the_sample_reaches_a_process_that_may_use_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "_may_use_cuda", lambda device: True)
    path = tiny_torch.save_pt2_for_any(tmp_path / "m.pt2")
    images = some_images(5)
    with isolation.open_model(request(path, sample=clear_images())) as model:
        assert model.labels(Images(images)).tolist() == brightest(images).tolist()
        assert "precision" not in model.environment
