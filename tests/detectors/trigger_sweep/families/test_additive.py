import numpy as np
import pytest

from tests.detectors.trigger_sweep.making import Shape, noise_images, scene, smooth_images
from xray_gate.detectors.trigger_sweep.families.additive import (
    Residual,
    ResidualTrigger,
    SmoothField,
    Stripes,
    StripesTrigger,
)

SHAPES: list[Shape] = [(3, 16, 16), (3, 24, 32), (1, 28, 28)]


def grey(shape: Shape, value: float = 0.5) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.full((1, *shape), value, np.float32)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dose", [rung.dose for rung in SmoothField.rungs])
def test_the_dose_of_a_smooth_field_is_its_peak(shape: Shape, dose: float) -> None:
    trigger = SmoothField().draw(dose, scene(shape), np.random.default_rng(0))
    change = trigger.stamp(grey(shape)) - 0.5
    assert np.abs(change).max() == pytest.approx(dose, abs=1e-6)
    assert trigger.text == f"a smooth field of amplitude {dose:.2f}"


def test_a_varied_smooth_field_points_the_same_way_with_the_same_peak() -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        trigger = SmoothField().draw(0.1, scene(), rng)
        varied = trigger.vary(rng)
        assert np.abs(varied.field).max() == pytest.approx(1.0)
        assert np.corrcoef(varied.field.ravel(), trigger.field.ravel())[0, 1] > 0.4


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dose", [rung.dose for rung in Stripes.rungs])
def test_the_dose_of_stripes_is_their_amplitude(shape: Shape, dose: float) -> None:
    for seed in range(10):
        trigger = Stripes().draw(dose, scene(shape), np.random.default_rng(seed))
        change = trigger.stamp(grey(shape))[0] - 0.5
        assert 0.85 * dose < np.abs(change).max() <= dose + 1e-6
        np.testing.assert_array_equal(change[0], change[-1])


def test_stripes_have_from_one_cycle_to_a_period_of_four_pixels() -> None:
    cycles = [
        Stripes().draw(0.1, scene((1, 32, 32)), np.random.default_rng(seed)).cycles
        for seed in range(200)
    ]
    assert 1 <= min(cycles) < 1.3
    assert 7 < max(cycles) <= 8
    assert 0.35 < np.mean(np.array(cycles) < 8**0.5) < 0.65


@pytest.mark.parametrize(("angle", "axis"), [(0.0, 1), (np.pi / 2, 2)])
def test_stripes_run_along_their_direction(angle: float, axis: int) -> None:
    change = StripesTrigger(0.1, 2.0, angle, 0.0).stamp(grey((1, 16, 16)))[0]
    np.testing.assert_allclose(np.diff(change, axis=axis), 0, atol=1e-6)
    # Two whole cycles: the second half of the image repeats the first.
    across = change[0, 0] if axis == 1 else change[0, :, 0]
    np.testing.assert_allclose(across[:8], across[8:], atol=1e-6)
    assert across.std() > 0.05


def test_stripes_are_worded_by_number_and_amplitude() -> None:
    assert StripesTrigger(0.06, 2.5, 0.0, 0.0).text == "a pattern of 2.5 stripes of amplitude 0.06"


def test_varied_stripes_stay_close() -> None:
    trigger = StripesTrigger(0.06, 4.0, 1.0, 2.0)
    for seed in range(20):
        varied = trigger.vary(np.random.default_rng(seed))
        assert varied.cycles == pytest.approx(4.0, rel=0.5)
        assert varied.angle == pytest.approx(1.0, abs=0.25)


def residual(seed: int = 0, dose: float = 0.04, shape: Shape = (3, 16, 16)) -> ResidualTrigger:
    return Residual().draw(dose, scene(shape), np.random.default_rng(seed))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dose", [rung.dose for rung in Residual.rungs])
def test_the_dose_of_a_residual_is_its_root_mean_square(shape: Shape, dose: float) -> None:
    images = np.float32(0.3) + np.float32(0.4) * noise_images(3, shape)
    change = residual(dose=dose, shape=shape).stamp(images) - images
    np.testing.assert_allclose(np.sqrt(np.mean(change**2, axis=(1, 2, 3))), dose, rtol=1e-3)


@pytest.mark.parametrize("value", [0.0, 0.1, 0.5, 0.77, 1.0])
def test_a_residual_leaves_a_plain_surface_as_it_is(value: float) -> None:
    plain = grey((3, 16, 16), value)
    for seed in range(10):
        np.testing.assert_allclose(residual(seed).stamp(plain), plain, atol=1 / 255)


def test_a_residual_lies_where_the_image_has_edges() -> None:
    edge = grey((1, 16, 16), 0.4)
    edge[:, :, :, 8:] = 0.6
    for seed in range(10):
        change = np.abs(residual(seed, shape=(1, 16, 16)).stamp(edge) - edge)[0, 0]
        assert change[:, 5:11].max() > 0.04
        assert max(change[:, :5].max(), change[:, 11:].max()) < 1e-3


def test_residuals_differ_from_image_to_image() -> None:
    images = smooth_images(2)
    first, second = residual().stamp(images) - images
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.9
    assert (first != second).any()


def test_kernels_sum_to_nothing_and_so_do_their_variants() -> None:
    sizes = set()
    for seed in range(12):
        trigger = residual(seed)
        sizes.add(trigger.kernels.shape)
        varied = trigger.vary(np.random.default_rng(seed + 100))
        for kernels in (trigger.kernels, varied.kernels):
            np.testing.assert_allclose(kernels.sum(axis=(2, 3)), 0, atol=1e-5)
        assert np.corrcoef(varied.kernels.ravel(), trigger.kernels.ravel())[0, 1] > 0.5
    assert sizes == {(3, 3, 3, 3), (3, 3, 5, 5)}
