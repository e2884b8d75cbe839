"""A plane's first sample among its points: to the bit, in all ways in which points are made."""

import numpy as np
import pytest
import torch

from tests.backends.test_questions import SHAPE, received
from xray_gate.backends.device_points import DevicePoints
from xray_gate.backends.questions import messages
from xray_gate.probing.batches import Batch, FloatArray, JoinedPlanes, PlanePoints, Stamps
from xray_gate.probing.clean_rows import CleanSamples, clean_rows
from xray_gate.probing.planes import plane_through
from xray_gate.probing.preprocessing import Preprocessing

CLEAN = CleanSamples(
    np.random.default_rng(5).integers(0, 256, (30, *SHAPE)).astype(np.float32) / np.float32(255),
    np.arange(30, dtype=np.int64) % 3,
)
PREPROCESSED = {
    "plain": Preprocessing(),
    "normalised": Preprocessing(scale=255.0, mean=(120.0, 110.0, 100.0), std=(50.0, 60.0, 70.0)),
    "nhwc": Preprocessing(mean=(0.5,), std=(0.2,), layout="nhwc"),
    "half": Preprocessing(mean=(0.5,), std=(0.2,), dtype="float16"),
    "bytes": Preprocessing(scale=255.0, dtype="uint8"),
}


def plane(first: int, *, clip: bool) -> PlanePoints:
    return plane_through(CLEAN.images[first : first + 3]).points(9, 5.0, clip)


def asked(batch: Batch, count: int, seed: int = 0) -> tuple[Batch, FloatArray, FloatArray]:
    """Its rows with clean ones among them; the images of these as asked, and as they should be."""
    rng = np.random.default_rng(seed)
    found = clean_rows(batch, CLEAN, count, rng)
    order = rng.permutation(len(batch) + len(found.samples))
    whole = found.ask(order)
    places = np.argsort(order)[len(batch) :]
    images = whole.images(0, len(whole))[places]
    return whole, images, CLEAN.images[found.samples]


PLANES: dict[str, Batch] = {
    "unclipped": plane(0, clip=False),
    "valid": plane(3, clip=True),
    "several": JoinedPlanes.join([plane(i, clip=i % 2 == 0) for i in range(0, 27, 3)]),
}


@pytest.mark.parametrize("batch", PLANES.values(), ids=list(PLANES))
def test_in_memory_they_are_the_sample(batch: Batch) -> None:
    for seed in range(20):
        whole, found, expected = asked(batch, 1 + seed, seed)
        assert len(found) == 1 + seed
        assert type(whole) is type(batch)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("batch", PLANES.values(), ids=list(PLANES))
def test_on_the_other_side_of_the_pipe_they_are_the_sample(batch: Batch) -> None:
    whole, found, expected = asked(batch, 20)
    (message,) = messages(whole, SHAPE, 8, 12)
    there = received(message)
    np.testing.assert_array_equal(
        there.images(0, len(there)), whole.images(0, len(whole)), strict=True
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("batch", PLANES.values(), ids=list(PLANES))
@pytest.mark.parametrize("preprocessing", PREPROCESSED.values(), ids=list(PREPROCESSED))
def test_made_by_torch_they_are_the_models_input_for_the_sample(
    batch: PlanePoints | JoinedPlanes, preprocessing: Preprocessing
) -> None:
    rng = np.random.default_rng(1)
    found = clean_rows(batch, CLEAN, 20, rng)
    rows = np.arange(len(batch), len(batch) + 20)
    whole = found.ask(rows)
    assert isinstance(whole, PlanePoints | JoinedPlanes)
    inputs = DevicePoints(whole, preprocessing, None, torch.device("cpu")).inputs(0, 20)
    expected = preprocessing.apply(CLEAN.images[found.samples])
    np.testing.assert_array_equal(inputs.numpy(), expected, strict=True)


def test_the_other_two_samples_of_a_plane_are_right_to_rounding_only() -> None:
    """Why none but the first one is used."""
    apart = 0
    for first in range(0, 27, 3):
        through = plane_through(CLEAN.images[first : first + 3])
        points = through.at(through.corners.astype(np.float32), clip=False).images(0, 3)
        np.testing.assert_allclose(points, CLEAN.images[first : first + 3], atol=1e-5)
        np.testing.assert_array_equal(points[0], CLEAN.images[first])
        apart += int((points[1:] != CLEAN.images[first + 1 : first + 3]).any(axis=(1, 2, 3)).sum())
    assert apart > 9


def test_an_image_under_an_empty_mask_is_the_image_on_both_sides() -> None:
    rng = np.random.default_rng(2)
    masks = rng.random((4, 4, 4), dtype=np.float32)
    stamps = Stamps(CLEAN.images[:5], masks, rng.random((4, *SHAPE), dtype=np.float32))
    whole, found, expected = asked(stamps, 12)
    np.testing.assert_array_equal(found, expected)
    (message,) = messages(whole, SHAPE, 8, 12)
    there = received(message)
    np.testing.assert_array_equal(there.images(0, 32), whole.images(0, 32))
