import os
from pathlib import Path

import numpy as np
import pytest

from tests.backends import tiny_onnx
from tests.backends.asking import brightest, request, some_images
from xray_gate.backends.batch_size import chosen_batch_size, fitting_batch_size
from xray_gate.backends.isolation import open_model
from xray_gate.probing.batches import Images, PlanePoints

MIB = 2**20


@pytest.mark.parametrize(
    ("shape", "device", "expected"),
    [
        ((3, 32, 32), "cpu", 32),
        ((1, 28, 28), "cpu", 64),
        ((3, 224, 224), "cpu", 8),
        ((3, 32, 32), "cuda", 1024),
        ((3, 224, 224), "cuda", 64),
        ((3, 2048, 2048), "cuda", 16),
    ],
)
def test_it_follows_from_the_images_and_the_device(
    shape: tuple[int, int, int], device: str, expected: int
) -> None:
    assert chosen_batch_size(shape, device) == expected


def test_it_is_halved_until_it_fits() -> None:
    asked = []

    def ask(images: int) -> None:
        asked.append(images)
        if images > 300:
            raise MemoryError

    assert fitting_batch_size(1024, ask) == 256
    assert asked == [1024, 512, 256]


def test_not_even_one_image_fits() -> None:
    def ask(images: int) -> None:
        raise MemoryError(f"no room for {images}")

    with pytest.raises(MemoryError, match="no room for 1"):
        fitting_batch_size(4, ask)


def test_the_process_chooses_it_and_says_so(tmp_path: Path) -> None:
    images = some_images(70)
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    for wanted, batch in ((None, "64"), (5, "5")):
        with open_model(request(path, batch_size=wanted)) as model:
            assert model.environment["batch"] == batch
            assert model.labels(Images(images)).tolist() == brightest(images).tolist()
    fixed = tiny_onnx.brightest_channel_by_four(tmp_path / "fixed.onnx")
    with open_model(request(fixed, batch_size=None)) as model:
        assert model.environment["batch"] == "4"


def photograph_model(path: Path) -> Path:
    """A convolution with 32 channels for images of 224 x 224 pixels."""
    weights = np.random.default_rng(0).normal(size=(32, 3, 3, 3)) / 9
    nodes = [
        tiny_onnx.node("Conv", ["image", "weights"], "layer", strides=[2, 2]),
        tiny_onnx.node("ReduceMean", ["layer"], "answer", axes=[2, 3], keepdims=0),
    ]
    shape = ("batch", 3, 224, 224)
    answer = (tiny_onnx.FLOAT, ("batch", 32))
    return tiny_onnx.save(path, nodes, shape=shape, output=answer, weights={"weights": weights})


def photograph_plane(side: int) -> PlanePoints:
    origin, a, b = np.random.default_rng(0).random((3, 3, 224, 224), dtype=np.float32)
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    coordinates = np.stack([grid.ravel() for grid in np.meshgrid(axis, axis)], axis=1)
    return PlanePoints(origin, a, b, coordinates, clip=True)


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def peak_memory(process: str) -> int:
    """The most that was ever resident, in bytes."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(peak) * 1024


def test_memory_is_bounded_by_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plane of 200 x 200 points takes 23 GiB as images; a part of it shows what grows."""
    path = photograph_model(tmp_path / "m.onnx")
    # Each thread has a batch of its own.
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    asked = request(path, input_shape=(3, 224, 224), batch_size=None)
    plane = photograph_plane(200)
    others = children()
    with open_model(asked) as model:
        (process,) = children() - others
        opened = peak_memory(process)
        model.labels(plane.take(np.arange(40)))
        few = peak_memory(process)
        model.labels(plane.take(np.arange(0, len(plane), 100)))
        many = peak_memory(process)
    assert many - opened < 128 * MIB
    # The 400 images would take 230 MiB. On a busy machine one thread may have answered the few, so
    # that the other one's batch comes on top.
    assert many - few < 64 * MIB
