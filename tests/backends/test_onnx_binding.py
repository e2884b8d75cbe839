from pathlib import Path

import numpy as np
import onnxruntime
import torch

from tests.backends import tiny_onnx
from tests.backends.asking import some_images
from xray_gate.backends.onnx_binding import BoundSession


def bound(path: Path) -> BoundSession:
    """On a CPU; the device is all that is another where there is a GPU."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return BoundSession(session, "image", "answer", "cpu")


def test_batches_of_any_size_get_their_own_answers(tmp_path: Path) -> None:
    session = bound(tiny_onnx.brightest_channel(tmp_path / "m.onnx"))
    images = some_images(9)
    for rows in (2, 9, 1, 5, 9):
        expected = images[:rows].mean(axis=(2, 3))
        np.testing.assert_allclose(session.run(images[:rows]), expected, rtol=1e-6)


def test_the_buffer_is_used_again(tmp_path: Path) -> None:
    session = bound(tiny_onnx.brightest_channel(tmp_path / "m.onnx"))
    first = session.run(some_images(4))
    second = session.run(some_images(3, seed=1))
    assert np.shares_memory(first, second)
    np.testing.assert_array_equal(first[:3], second)


def test_a_tensor_is_read_where_it_lies(tmp_path: Path) -> None:
    session = bound(tiny_onnx.brightest_channel(tmp_path / "m.onnx"))
    images = some_images(5)
    for _ in range(2):
        answers = session.run(torch.tensor(images))
        np.testing.assert_allclose(answers, images.mean(axis=(2, 3)), rtol=1e-6)


def test_labels_and_bytes_are_bound_as_what_they_are(tmp_path: Path) -> None:
    labels = bound(tiny_onnx.brightest_channel_label(tmp_path / "label.onnx"))
    in_bytes = bound(tiny_onnx.brightest_channel_uint8(tmp_path / "bytes.onnx"))
    images = some_images(6)
    for _ in range(2):
        assert labels.run(images).dtype == np.int64
        assert labels.run(images).tolist() == images.mean(axis=(2, 3)).argmax(axis=1).tolist()
        levels = (255 * images).astype(np.uint8)
        expected = in_bytes.run(levels).copy()
        np.testing.assert_array_equal(in_bytes.run(torch.tensor(levels)), expected)


def test_one_row_for_all_images_is_not_spread_over_them(tmp_path: Path) -> None:
    """What is wrong with the answer must reach the one who reads it."""
    mean = tiny_onnx.node("ReduceMean", ["image"], "answer", axes=[0, 2, 3], keepdims=0)
    path = tiny_onnx.save(tmp_path / "m.onnx", [mean], output=(tiny_onnx.FLOAT, (3,)))
    session = bound(path)
    for _ in range(2):
        assert session.run(some_images(4)).shape == (3,)
