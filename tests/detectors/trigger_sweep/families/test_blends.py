import numpy as np
import pytest

from tests.detectors.trigger_sweep.making import noise_images, scene, smooth_images
from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES
from xray_gate.detectors.trigger_sweep.families.blends import (
    BlendTrigger,
    Ghost,
    GhostTrigger,
    NoiseBlend,
    SmoothBlend,
)
from xray_gate.detectors.trigger_sweep.families.interface import Scene

IMAGES = smooth_images(3)
SCENE = Scene((3, 16, 16), smooth_images(5, seed=9))


def ghosts(dose: float = 0.2, count: int = 24) -> list[GhostTrigger]:
    return [Ghost().draw(dose, SCENE, np.random.default_rng(seed)) for seed in range(count)]


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


def test_ghosts_are_blended_or_reflected_and_say_which() -> None:
    drawn = ghosts()
    assert {found.reflected for found in drawn} == {True, False}
    for found in drawn:
        assert found.text == (
            "a reflection of another image at 20%"
            if found.reflected
            else "another image blended in at 20%"
        )


def test_a_blended_ghost_is_one_of_the_samples() -> None:
    blended = [found for found in ghosts() if not found.reflected]
    for found in blended:
        assert any((found.image == sample).all() for sample in SCENE.samples)
        np.testing.assert_allclose(found.stamp(IMAGES), 0.8 * IMAGES + 0.2 * found.image, atol=1e-6)
    assert len({found.image.tobytes() for found in blended}) > 2


def test_a_reflection_only_adds_light() -> None:
    reflected = [found for found in ghosts() if found.reflected]
    for found in reflected:
        change = found.stamp(IMAGES) - IMAGES
        assert change.min() >= 0
        assert change.max() <= 0.2 + 1e-6
        assert change.mean() > 0.02


def test_variants_of_ghosts_stay_images_and_mostly_the_same() -> None:
    rng = np.random.default_rng(0)
    for found in ghosts(count=12):
        varied = found.vary(rng)
        assert varied.reflected is found.reflected
        assert varied.image.dtype == np.float32
        assert 0 <= varied.image.min() <= varied.image.max() <= 1
        assert any(
            np.allclose(varied.image, 0.7 * found.image + 0.3 * sample, atol=1e-6)
            for sample in SCENE.samples
        )


def test_a_ghost_of_a_single_sample_is_drawn() -> None:
    lone = Scene((1, 28, 28), noise_images(1, (1, 28, 28)))
    found = Ghost().draw(0.1, lone, np.random.default_rng(0))
    assert found.stamp(lone.samples).shape == (1, 1, 28, 28)
