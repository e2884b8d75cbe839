import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xray_gate.probing.horizon import agreeing_shares, horizon_points
from xray_gate.probing.planes import plane_through

reproducible = settings(derandomize=True, max_examples=25, deadline=None)


@reproducible
@given(st.integers(0, 10_000), st.sampled_from([2, 6, 32]))
def test_the_horizon_is_black_and_white_and_its_opposite_the_negative(
    seed: int, directions: int
) -> None:
    samples = np.random.default_rng(seed).random((3, 3, 8, 8)).astype(np.float32)
    points = horizon_points(plane_through(samples), directions)

    images = points.images(0, directions)

    assert images.shape == (directions, 3, 8, 8)
    assert np.isin(images, [0.0, 1.0]).mean() > 0.999
    negative = images[: directions // 2] == 1 - images[directions // 2 :]
    assert negative.mean() > 0.999


def test_directions_follow_the_plane_s_axes() -> None:
    plane = plane_through(np.random.default_rng(0).random((3, 1, 6, 6)).astype(np.float32))

    images = horizon_points(plane, 4).images(0, 4)

    np.testing.assert_array_equal(images[0], plane.a > 0)
    np.testing.assert_array_equal(images[1], plane.b > 0)
    np.testing.assert_array_equal(images[2], plane.a < 0)
    np.testing.assert_array_equal(images[3], plane.b < 0)


def test_a_pixel_that_is_equal_in_all_samples_keeps_its_value() -> None:
    samples = np.random.default_rng(1).random((3, 1, 5, 5)).astype(np.float32)
    samples[:, 0, 2, 3] = 0.25

    images = horizon_points(plane_through(samples), 8).images(0, 8)

    assert (images[:, 0, 2, 3] == 0.25).all()
    assert np.isin(np.delete(images.reshape(8, -1), 13, axis=1), [0, 1]).all()


@pytest.mark.parametrize("directions", [0, -2, 3])
def test_directions_come_in_pairs(directions: int) -> None:
    plane = plane_through(np.random.default_rng(0).random((3, 1, 4, 4)).astype(np.float32))
    with pytest.raises(ValueError, match="even number"):
        horizon_points(plane, directions)


def test_agreement_is_counted_by_label() -> None:
    # Opposite points: (0, 0), (1, 2), (2, 2) on the first horizon; (0, 0), (3, 3), (1, 0) next.
    horizons = [np.array([0, 1, 2, 0, 2, 2], np.int32), np.array([0, 3, 1, 0, 3, 0], np.int32)]

    shares = agreeing_shares(horizons, 5)

    assert shares.tolist() == pytest.approx([2 / 6, 0, 1 / 6, 1 / 6, 0])
