"""From pixel space to the model's input."""

import numpy as np
import pytest

from xray_gate.probing.preprocessing import Preprocessing


def _images() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).random((2, 3, 4, 5), dtype=np.float32)


def test_mean_and_std_are_in_units_of_the_scaled_pixels() -> None:
    images = _images()
    got = Preprocessing(scale=255.0, mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 5.0)).apply(images)
    for channel, (mean, std) in enumerate([(10, 2), (20, 4), (30, 5)]):
        np.testing.assert_allclose(
            got[:, channel], (images[:, channel] * 255 - mean) / std, rtol=1e-5
        )


def test_nhwc_moves_the_channels_to_the_end() -> None:
    got = Preprocessing(layout="nhwc").apply(_images())
    assert got.shape == (2, 4, 5, 3)
    np.testing.assert_array_equal(got[1, 2, 3], _images()[1, :, 2, 3])


def test_points_outside_the_range_do_not_wrap_around_as_bytes() -> None:
    outside = np.array([-3.0, 0.5, 7.0], dtype=np.float32).reshape(1, 3, 1, 1)
    got = Preprocessing(scale=255.0, dtype="uint8").apply(outside)
    assert got.ravel().tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [
        ((None, 3, 8, 8), "float32", ("nchw", "float32", 1.0)),
        ((None, 8, 8, 3), "float32", ("nhwc", "float32", 1.0)),
        ((None, 8, 8, 3), "uint8", ("nhwc", "uint8", 255.0)),
        ((None, 3, 8, 8), "float16", ("nchw", "float16", 1.0)),
        # Both readings fit: the more usual one, and the accuracy on the probes will tell.
        ((None, 3, 8, 3), "float32", ("nchw", "float32", 1.0)),
        ((None, None, None, None), None, ("nchw", "float32", 1.0)),
        (None, None, ("nchw", "float32", 1.0)),
    ],
)
def test_auto_follows_what_the_model_declares(
    shape: tuple[int | None, ...] | None, dtype: str | None, expected: tuple[str, str, float]
) -> None:
    settled = Preprocessing(layout="auto", dtype="auto").settled(shape, dtype, channels=3)
    assert (settled.layout, settled.dtype, settled.scale) == expected


def test_what_is_declared_in_the_policy_is_not_changed() -> None:
    declared = Preprocessing(layout="nchw", dtype="float32")
    assert declared.settled((None, 8, 8, 3), "uint8", channels=3) == declared


def test_json_is_read_back_as_it_was() -> None:
    whole = Preprocessing(2.0, (0.1, 0.2, 0.3), (1.0, 2.0, 3.0), "nhwc", "float16", (4, 5))
    assert Preprocessing.from_json(whole.to_json()) == whole
