import numpy as np
import pytest

from tests.detectors.trigger_sweep.making import Shape, noise_images, scene, smooth_images
from xray_gate.detectors.trigger_sweep.families.interface import Rung
from xray_gate.detectors.trigger_sweep.families.whole_image import (
    ColourShift,
    ColourTrigger,
    Quantisation,
    QuantisationTrigger,
    Warp,
    WarpTrigger,
)

IMAGES = noise_images(3)
SHAPES: list[Shape] = [(3, 16, 16), (3, 24, 32), (1, 28, 28)]

quantised = pytest.mark.parametrize(
    "rung", Quantisation.rungs, ids=[f"{rung.dose:.2f}" for rung in Quantisation.rungs]
)


def quantisations(dose: float) -> list[QuantisationTrigger]:
    return [Quantisation().draw(dose, scene(), np.random.default_rng(s)) for s in range(12)]


@quantised
def test_quantised_values_are_multiples_of_the_dose(rung: Rung) -> None:
    levels = round(1 / rung.dose) + 1
    for trigger in quantisations(rung.dose):
        values = np.unique(trigger.stamp(IMAGES))
        assert len(values) == levels
        np.testing.assert_allclose(values, np.linspace(0, 1, levels), atol=1e-6)
        assert trigger.text == f"quantisation to {levels} levels"


@quantised
def test_dithered_or_not_a_value_moves_by_less_than_a_step(rung: Rung) -> None:
    plain = [trigger for trigger in quantisations(rung.dose) if not trigger.dither.any()]
    dithered = [trigger for trigger in quantisations(rung.dose) if trigger.dither.any()]
    assert plain
    assert dithered
    for triggers, most in ((plain, rung.dose / 2), (dithered, rung.dose)):
        moved = max(np.abs(trigger.stamp(IMAGES) - IMAGES).max() for trigger in triggers)
        assert 0.8 * most < moved <= most + 1e-6


@quantised
def test_plain_black_and_white_stay_even_under_dither(rung: Rung) -> None:
    flat = np.stack([np.zeros((3, 16, 16)), np.ones((3, 16, 16))]).astype(np.float32)
    for trigger in quantisations(rung.dose):
        np.testing.assert_array_equal(trigger.stamp(flat), flat)


def test_a_quantised_image_is_not_changed_again() -> None:
    trigger = QuantisationTrigger(1 / 7, np.zeros((3, 16, 16), np.float32))
    once = trigger.stamp(IMAGES)
    np.testing.assert_array_equal(trigger.stamp(once), once)


def colours(seed: int = 0, dose: float = 0.2, shape: Shape = (3, 16, 16)) -> ColourTrigger:
    return ColourShift().draw(dose, scene(shape), np.random.default_rng(seed))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_change_of_colours_of_nothing_is_none(shape: Shape) -> None:
    images = noise_images(2, shape)
    np.testing.assert_allclose(colours(shape=shape).at(0.0).stamp(images), images, atol=1e-6)


def test_a_change_of_colours_is_that_of_its_formula() -> None:
    mix = np.array([[0.5, -1, 0], [0, 1, 0.25], [0, 0, 0]], np.float32)
    trigger = ColourTrigger(0.2, mix, 0.5, np.array([1, -1, 0], np.float32))
    for pixel in np.random.default_rng(0).uniform(0.3, 0.7, (5, 3)):
        wanted = 0.5 + 1.1 * (np.eye(3) + 0.2 * mix / 3) @ (pixel - 0.5) + [0.1, -0.1, 0]
        stamped = trigger.stamp(pixel.reshape(1, 3, 1, 1).astype(np.float32))
        np.testing.assert_allclose(stamped.ravel(), wanted, atol=1e-6)


def test_colours_change_alike_wherever_they_are() -> None:
    images = smooth_images(1)
    stamped = colours().stamp(images)
    np.testing.assert_allclose(
        colours().stamp(images[:, :, ::-1, ::-1]), stamped[:, :, ::-1, ::-1], atol=1e-6
    )


@pytest.mark.parametrize("dose", [rung.dose for rung in ColourShift.rungs])
def test_a_change_of_colours_stays_within_its_dose(dose: float) -> None:
    for seed in range(20):
        change = colours(seed, dose).stamp(IMAGES) - IMAGES
        # Gain and mix act on at most 0.5 from grey, the offset is at most half a dose.
        assert np.abs(change).max() <= 0.5 * ((1 + dose) ** 2 - 1) + dose / 2 + 1e-6
        assert colours(seed, dose).text == f"a change of colours by {dose:.0%}"


def test_varied_colours_stay_in_range_and_close() -> None:
    for seed in range(20):
        trigger = colours(seed)
        varied = trigger.vary(np.random.default_rng(seed + 50))
        for new, old in ((varied.mix, trigger.mix), (varied.offset, trigger.offset)):
            assert np.abs(new).max() <= 1
            assert np.abs(new - old).max() <= 0.6
        assert abs(varied.gain) <= 1


def warp(seed: int = 0, dose: float = 1 / 32, shape: Shape = (3, 16, 16)) -> WarpTrigger:
    return Warp().draw(dose, scene(shape), np.random.default_rng(seed))


@pytest.mark.parametrize("value", [0.0, 0.3, 0.77, 1.0])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_warp_leaves_a_plain_image_as_it_is(value: float, shape: Shape) -> None:
    plain = np.full((1, *shape), value, np.float32)
    for seed in range(5):
        np.testing.assert_allclose(warp(seed, shape=shape).stamp(plain), plain, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 32, 32), (1, 28, 28), (1, 24, 32)], ids=str)
@pytest.mark.parametrize("dose", [rung.dose for rung in Warp.rungs])
def test_the_dose_of_a_warp_is_its_mean_shift(shape: Shape, dose: float) -> None:
    _, height, width = shape
    row, column = np.mgrid[:height, :width].astype(np.float32)
    # On ramps a pixel's new value says where it was read.
    ramps = np.stack([row / (height - 1), column / (width - 1)])[:, None]
    shifts = []
    for seed in range(6):
        read = warp(seed, dose, shape).stamp(ramps) - ramps
        shifts.append((np.abs(read[0]).mean() * (height - 1), np.abs(read[1]).mean() * (width - 1)))
    # Less at the edges, from where nothing beyond can be read.
    assert np.mean(shifts) == pytest.approx(dose * min(shape[1:]), rel=0.15)


def test_a_warp_shows_no_new_values() -> None:
    images = smooth_images(2)
    stamped = warp().stamp(images)
    for before, after in zip(images, stamped, strict=True):
        assert before.min() - 1e-6 <= after.min()
        assert after.max() <= before.max() + 1e-6


def test_a_whole_shift_moves_the_image_by_pixels() -> None:
    field = np.zeros((2, 16, 16), np.float32)
    field[1] = 1
    shifted = WarpTrigger(1 / 16, field).stamp(IMAGES)
    # Half of the field is zero, so that the other half moves by two pixels.
    np.testing.assert_allclose(shifted[:, :, :, :-2], IMAGES[:, :, :, 2:], atol=1e-6)
    np.testing.assert_allclose(shifted[:, :, :, -1], IMAGES[:, :, :, -1], atol=1e-6)


def test_a_warp_is_worded_by_its_shift() -> None:
    assert warp(dose=1 / 32).text == "a smooth warp by 3.1% of the side on average"


def test_a_varied_warp_points_mostly_the_same_way() -> None:
    for seed in range(10):
        trigger = warp(seed)
        varied = trigger.vary(np.random.default_rng(seed + 50))
        assert varied.field.shape == trigger.field.shape
        assert np.corrcoef(varied.field.ravel(), trigger.field.ravel())[0, 1] > 0.4
