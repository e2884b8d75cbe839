import numpy as np
import pytest

from tests.detectors.trigger_sweep.making import scene, smooth_images
from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES
from xray_gate.detectors.trigger_sweep.families.blends import (
    BlendTrigger,
    NoiseBlend,
    SmoothBlend,
)

IMAGES = smooth_images(3)


@pytest.mark.parametrize("name", ["noise_blend", "smooth_blend"])
@pytest.mark.parametrize("dose", [0.0, 0.05, 0.3, 1.0])
def test_a_blend_lies_between_the_image_and_its_own(name: str, dose: float) -> None:
    trigger = ALL_FAMILIES[name].draw(0.1, scene(), np.random.default_rng(0)).at(dose)
    assert isinstance(trigger, BlendTrigger)
    assert trigger.image.min() >= 0
    assert trigger.image.max() <= 1
    np.testing.assert_allclose(
        trigger.stamp(IMAGES), (1 - dose) * IMAGES + dose * trigger.image, atol=1e-6
    )


def test_noise_is_noise_and_smooth_colours_are_smooth() -> None:
    noise = NoiseBlend().draw(0.1, scene(), np.random.default_rng(0)).image
    smooth = SmoothBlend().draw(0.1, scene(), np.random.default_rng(0)).image
    assert noise.std() == pytest.approx(12**-0.5, abs=0.02)
    assert np.abs(np.diff(noise, axis=2)).mean() > 3 * np.abs(np.diff(smooth, axis=2)).mean()


def test_a_variant_of_noise_redraws_less_than_half_of_it() -> None:
    trigger = NoiseBlend().draw(0.1, scene(), np.random.default_rng(0))
    varied = trigger.vary(np.random.default_rng(1))
    assert 0.2 < (varied.image != trigger.image).mean() < 0.4


def test_variants_of_smooth_colours_stay_colours_and_close() -> None:
    trigger = SmoothBlend().draw(0.1, scene(), np.random.default_rng(0))
    for seed in range(10):
        varied = trigger.vary(np.random.default_rng(seed))
        assert varied.image.min() >= 0
        assert varied.image.max() <= 1
        other = SmoothBlend().draw(0.1, scene(), np.random.default_rng(50 + seed))
        assert ((varied.image - trigger.image) ** 2).sum() < (
            (other.image - trigger.image) ** 2
        ).sum()


def test_blends_are_worded_by_kind_and_weight() -> None:
    texts = [
        ALL_FAMILIES[name].draw(0.15, scene(), np.random.default_rng(0)).text
        for name in ("noise_blend", "smooth_blend")
    ]
    assert texts == [
        "a noise image blended in at 15%",
        "an image of smooth colours blended in at 15%",
    ]
