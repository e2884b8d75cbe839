import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends import tiny_onnx
from tests.backends.asking import brightest, request, some_images, some_plane
from xray_gate.backends import questions
from xray_gate.backends.classifier import Asking, Classifier
from xray_gate.backends.formats import find_source
from xray_gate.backends.interface import ModelSpec
from xray_gate.backends.isolation import open_model
from xray_gate.backends.onnx import open_onnx
from xray_gate.core.errors import InputError, ModelAnswerError, ShapeMismatch
from xray_gate.probing.batches import Images, PlanePoints
from xray_gate.probing.preprocessing import Preprocessing
from xray_gate.scan.ports import ModelOpener

# Most of what a model may be is tried without a process around it, which is faster.


def opened(path: Path, **changes: Any) -> Classifier:
    """As the model's process opens it."""
    r = request(path, **changes)
    asking = Asking(r.preprocessing, r.outputs, r.classes, r.input_shape, r.batch_size or 8)
    return Classifier(open_onnx(ModelSpec(find_source(path).path, "cpu", 1)), asking)


BYTES = Preprocessing(scale=255.0, dtype="uint8")


def test_answers_for_images_in_order_and_says_what_answered(tmp_path: Path) -> None:
    opener: ModelOpener = open_model
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    images = some_images(21)
    with opener(request(path)) as model:
        labels = model.labels(Images(images))
        assert model.classes == 3
        assert model.format == "onnx"
        assert model.environment["provider"] == "CPUExecutionProvider"
        assert "onnxruntime" in model.environment
    assert labels.dtype == np.int64
    assert labels.tolist() == brightest(images).tolist()
    assert len(set(labels.tolist())) == 3


@pytest.mark.parametrize("clip", [False, True])
def test_a_plane_is_answered_as_its_points_would_be(tmp_path: Path, clip: bool) -> None:
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    plane = some_plane(11, clip=clip)
    with open_model(request(path)) as model:
        labels = model.labels(plane)
    assert labels.tolist() == brightest(plane.images(0, len(plane))).tolist()


def test_many_images_go_over_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "_PIECE_BYTES", 10 * 3 * 4 * 4 * 4)
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    images = some_images(37)[::-1]
    with open_model(request(path, batch_size=4)) as model:
        labels = model.labels(Images(images))
        assert model.labels(Images(images[:0])).shape == (0,)
    assert labels.tolist() == brightest(images).tolist()


def test_the_declared_layout_and_bytes_reach_the_model(tmp_path: Path) -> None:
    images = some_images(9)
    nhwc = tiny_onnx.brightest_channel_nhwc(tmp_path / "nhwc.onnx")
    model = opened(nhwc, preprocessing=Preprocessing(layout="nhwc"))
    assert model.labels(Images(images)).tolist() == brightest(images).tolist()
    in_bytes = tiny_onnx.brightest_channel_uint8(tmp_path / "uint8.onnx")
    dark = np.zeros((1, 3, 4, 4), dtype=np.float32)
    dark[:, 2] = 0.1
    model = opened(in_bytes, preprocessing=BYTES)
    assert model.labels(Images(dark)).tolist() == [2]


def test_labels_are_taken_as_labels(tmp_path: Path) -> None:
    path = tiny_onnx.brightest_channel_label(tmp_path / "m.onnx")
    images = some_images(9)
    model = opened(path)
    assert model.classes == 3
    assert model.labels(Images(images)).tolist() == brightest(images).tolist()
    with pytest.raises(ModelAnswerError, match="labels from 2 to 2, but the probes know 0 to 1"):
        opened(path, classes=2)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_fixed_batch_is_filled_up(tmp_path: Path, batch: int) -> None:
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx", shape=(batch, 3, 4, 4))
    images = some_images(6)
    model = opened(path)
    assert model.labels(Images(images)).tolist() == brightest(images).tolist()


def test_one_image_baked_in_is_found_out_by_asking(tmp_path: Path) -> None:
    path = tiny_onnx.one_image_baked_in(tmp_path / "m.onnx")
    images = some_images(5)
    model = opened(path)
    assert model.labels(Images(images)).tolist() == brightest(images).tolist()


def test_the_architecture_is_that_of_the_layers_not_of_the_weights(tmp_path: Path) -> None:
    hashes = []
    for number, weights in enumerate([np.eye(3), 2 * np.eye(3), np.ones((3, 5))]):
        path = tiny_onnx.linear(tmp_path / f"{number}.onnx", weights)
        hashes.append(open_onnx(ModelSpec(path, "cpu", 1)).architecture)
    assert hashes[0] is not None
    assert hashes[0] == hashes[1]
    assert hashes[0] != hashes[2]


def test_a_model_with_more_classes_than_the_probes_is_asked_for_all(tmp_path: Path) -> None:
    path = tiny_onnx.linear(tmp_path / "m.onnx", [[0, 0, 0, 0, 1]] * 3)
    model = opened(path)
    assert model.classes == 5
    assert model.labels(Images(some_images(2))).tolist() == [4, 4]


def test_too_few_classes_name_both_numbers(tmp_path: Path) -> None:
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    with (
        pytest.raises(ModelAnswerError, match="has 3 classes, but the probes' labels need 5"),
        open_model(request(path, classes=5)),
    ):
        pass


def test_nan_is_no_answer(tmp_path: Path) -> None:
    path = tiny_onnx.not_a_number(tmp_path / "m.onnx")
    with pytest.raises(ModelAnswerError, match="NaN"):
        opened(path)


def test_nan_on_one_question_only_is_no_answer(tmp_path: Path) -> None:
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    images = some_images(20)
    images[17, 1, 2, 3] = np.nan
    with open_model(request(path)) as model:
        with pytest.raises(ModelAnswerError, match="NaN"):
            model.labels(Images(images))
        assert model.labels(Images(images[:3])).tolist() == brightest(images[:3]).tolist()


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"preprocessing": Preprocessing(layout="nhwc")}, r"\(n, 4, 4, 3\).*layout: nchw"),
        ({"preprocessing": BYTES}, "takes float32.*uint8.*dtype: float32"),
        ({"preprocessing": Preprocessing(mean=(0.5, 0.5))}, "mean has 2 values.*3 channels"),
    ],
)
def test_a_misfit_names_both_sides_and_the_remedy(
    tmp_path: Path, changes: dict[str, object], remedy: str
) -> None:
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    with pytest.raises(ShapeMismatch, match=remedy), open_model(request(path, **changes)):
        pass


def test_a_model_of_bytes_says_how_to_give_it_bytes(tmp_path: Path) -> None:
    path = tiny_onnx.brightest_channel_uint8(tmp_path / "m.onnx")
    with pytest.raises(ShapeMismatch, match=r"dtype: uint8` with `preprocessing.scale: 255"):
        opened(path)


def test_questions_of_another_shape_are_refused(tmp_path: Path) -> None:
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    small = np.zeros((2, 3, 2, 2), dtype=np.float32)
    plane = PlanePoints(small[0], small[1], small[1], np.zeros((1, 2), np.float32), clip=True)
    with open_model(request(path)) as model:
        for batch in (Images(small), plane):
            with pytest.raises(ShapeMismatch, match=r"\(3, 2, 2\)"):
                model.labels(batch)


def test_a_garbage_file_is_unreadable_input(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\x00garbage\xff" * 50)
    with (
        pytest.raises(InputError, match=r"m\.onnx: the model cannot be loaded.*check that"),
        open_model(request(path)),
    ):
        pass


@pytest.mark.parametrize("location", ["../outside.bin", "/etc/hostname", "link.bin"])
def test_weights_outside_the_folder_are_not_read(tmp_path: Path, location: str) -> None:
    (tmp_path / "outside.bin").write_bytes(np.eye(3, dtype=np.float32).tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link.bin").symlink_to(tmp_path / "outside.bin")
    path = tiny_onnx.weights_in(folder / "m.onnx", location)
    with pytest.raises(InputError, match="cannot be loaded"):
        opened(path)


def test_weights_beside_the_file_are_read(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(np.eye(3, dtype=np.float32).tobytes())
    path = tiny_onnx.weights_in(tmp_path / "m.onnx", "weights.bin")
    images = some_images(4)
    model = opened(path)
    assert model.labels(Images(images)).tolist() == brightest(images).tolist()


def test_cuda_is_not_silently_replaced_by_the_cpu(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this build has a CUDA provider")
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    with pytest.raises(InputError, match=r"CUDA.*xray-gate\[gpu\]"):
        open_onnx(ModelSpec(path, "cuda", 1))


def test_a_missing_runtime_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    with pytest.raises(InputError, match=r"install `xray-gate\[cpu\]` or `xray-gate\[gpu\]`"):
        open_onnx(ModelSpec(path, "cpu", 1))
