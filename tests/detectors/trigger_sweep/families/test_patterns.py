import numpy as np
import pytest

from xray_gate.detectors.trigger_sweep.families.patterns import (
    PATTERNS,
    near,
    noise_image,
    pattern,
    smooth_field,
    unit_peak,
)

RNG = np.random.default_rng


@pytest.mark.parametrize("kind", PATTERNS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 5), (1, 4, 6)], ids=str)
def test_patterns_are_of_zeros_and_ones(kind: str, shape: tuple[int, int, int]) -> None:
    made = pattern(kind, shape, RNG(0))
    assert made.shape == shape
    assert made.dtype == np.float32
    assert set(np.unique(made)) <= {0.0, 1.0}
    assert made.flags.writeable
    np.testing.assert_array_equal(made, pattern(kind, shape, RNG(0)))


def test_white_and_black_are_what_they_say() -> None:
    assert (pattern("white", (3, 4, 4), RNG(0)) == 1).all()
    assert (pattern("black", (3, 4, 4), RNG(0)) == 0).all()


def test_a_plain_pattern_has_one_colour_any_of_eight() -> None:
    made = [pattern("plain", (3, 4, 4), RNG(seed)) for seed in range(60)]
    assert all((field == field[:, :1, :1]).all() for field in made)
    assert len({tuple(field[:, 0, 0]) for field in made}) == 8


def test_a_checkerboard_has_either_colour_first_and_no_equal_neighbours() -> None:
    boards = [pattern("checkerboard", (3, 4, 6), RNG(seed)) for seed in range(12)]
    for board in boards:
        assert (board == board[:1]).all()
        assert (np.abs(np.diff(board, axis=1)) == 1).all()
        assert (np.abs(np.diff(board, axis=2)) == 1).all()
    assert {float(board[0, 0, 0]) for board in boards} == {0.0, 1.0}


def test_a_random_pattern_draws_every_value() -> None:
    made = pattern("random", (3, 20, 20), RNG(0))
    assert 0.45 < made.mean() < 0.55
    assert (made[0] != made[1]).any()


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 24, 32), (2, 7, 5)])
@pytest.mark.parametrize("cells", [2, 3, 8])
def test_a_smooth_field_has_its_shape_and_a_peak_of_one(
    shape: tuple[int, int, int], cells: int
) -> None:
    field = smooth_field(shape, cells, RNG(1))
    assert field.shape == shape
    assert field.dtype == np.float32
    assert np.abs(field).max() == pytest.approx(1.0)
    np.testing.assert_array_equal(field, smooth_field(shape, cells, RNG(1)))


def test_a_field_of_fewer_cells_is_smoother() -> None:
    steps = [
        np.mean([np.abs(np.diff(smooth_field((1, 32, 32), n, RNG(s)))).mean() for s in range(10)])
        for n in (2, 4, 8)
    ]
    assert steps == sorted(steps)
    assert steps[0] < 0.1


def test_a_unit_peak_keeps_the_form() -> None:
    field = np.array([[[0.5, -4.0], [2.0, 0.0]]], np.float32)
    np.testing.assert_allclose(unit_peak(field), field / 4)


def test_a_field_near_another_is_closer_to_the_first() -> None:
    for seed in range(20):
        first, other = (smooth_field((3, 16, 16), 4, RNG(2 * seed + i)) for i in range(2))
        between = near(first, other)
        assert np.abs(between).max() == pytest.approx(1.0)
        assert ((between - first) ** 2).sum() < ((between - other) ** 2).sum()


def test_noise_is_as_bright_on_grey_images_as_on_coloured_ones() -> None:
    rng = np.random.default_rng(0)
    weights = np.array([0.299, 0.587, 0.114])[:, None, None]
    coloured = (weights * noise_image((3, 64, 64), rng)).sum(axis=0)
    grey = noise_image((1, 64, 64), rng)
    assert grey.std() == pytest.approx(coloured.std(), rel=0.05)
    assert 0 < grey.min() < grey.max() < 1
