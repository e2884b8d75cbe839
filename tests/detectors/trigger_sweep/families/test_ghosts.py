import itertools

import numpy as np
import pytest

from tests.detectors.trigger_sweep.making import noise_images, smooth_images
from xray_gate.detectors.trigger_sweep.families.ghosts import (
    Ghost,
    GhostTrigger,
    Reflection,
    ReflectionTrigger,
)
from xray_gate.detectors.trigger_sweep.families.interface import Scene

IMAGES = smooth_images(3)
SCENE = Scene((3, 16, 16), smooth_images(5, seed=9), np.array([0, 1, 1, 2, 3]))


def ghosts(dose: float = 0.2, count: int = 24) -> list[GhostTrigger]:
    return [Ghost().draw(dose, SCENE, np.random.default_rng(seed)) for seed in range(count)]


def reflections(dose: float = 0.4, count: int = 24) -> list[ReflectionTrigger]:
    return [Reflection().draw(dose, SCENE, np.random.default_rng(seed)) for seed in range(count)]


def test_a_ghost_is_one_of_the_samples() -> None:
    drawn = ghosts()
    for found in drawn:
        assert any((found.image == sample).all() for sample in SCENE.samples)
        np.testing.assert_allclose(found.stamp(IMAGES), 0.8 * IMAGES + 0.2 * found.image, atol=1e-6)
    assert len({found.image.tobytes() for found in drawn}) > 2


def test_variants_of_ghosts_stay_images_and_mostly_the_same() -> None:
    rng = np.random.default_rng(0)
    for found in ghosts(count=12):
        varied = found.vary(rng)
        assert varied.image.dtype == np.float32
        assert 0 <= varied.image.min() <= varied.image.max() <= 1
        assert any(
            np.allclose(varied.image, 0.7 * found.image + 0.3 * sample, atol=1e-6)
            for sample in SCENE.samples
        )


def test_a_reflection_dims_the_scene_by_half_to_all_of_the_light_that_it_adds() -> None:
    black, white = np.zeros((1, 3, 16, 16), np.float32), np.ones((1, 3, 16, 16), np.float32)
    kept = []
    for found in reflections():
        np.testing.assert_allclose(found.stamp(black)[0], 0.4 * found.image, atol=1e-6)
        dark = found.at(0.4).stamp(np.full_like(white, 0.5))[0] - found.stamp(black)[0]
        assert dark.std() < 1e-6
        kept.append(float(dark.mean()) / 0.5)
    assert min(kept) == pytest.approx(0.6, abs=0.05)
    assert max(kept) == pytest.approx(0.8, abs=0.05)


def test_what_is_mirrored_is_out_of_focus_and_seen_twice() -> None:
    dot = np.zeros((1, 1, 32, 32), np.float32)
    dot[0, 0, 16, 16] = 1
    scene = Scene((1, 32, 32), dot, np.array([0]))
    doubled = []
    for seed in range(24):
        image = Reflection().draw(0.3, scene, np.random.default_rng(seed)).image[0]
        assert image.sum() == pytest.approx(1, abs=1e-3)
        assert image.max() < 0.7
        doubled.append(image[17:, 16:].sum() > image[:16, 16:].sum() + 0.2)
    assert 0.5 < np.mean(doubled) < 1


def test_variants_of_reflections_mirror_something_more() -> None:
    rng = np.random.default_rng(0)
    for found in reflections(count=12):
        varied = found.vary(rng)
        assert varied.dimming == found.dimming
        assert varied.image.dtype == np.float32
        assert 0 <= varied.image.min() <= varied.image.max() <= 1
        added = (varied.image - 0.7 * found.image) / 0.3
        assert -1e-5 < added.min() <= added.max() < 1 + 1e-5
        assert (varied.image != found.image).any()


@pytest.mark.parametrize("family", [Ghost(), Reflection()])
def test_what_is_shown_are_the_labels_of_all_images_that_went_in(
    family: Ghost | Reflection,
) -> None:
    rng = np.random.default_rng(0)
    for _ in range(8):
        first, *_ = drawn = [family.draw(0.3, SCENE, rng)]
        assert len(first.shows) == 1
        for _ in range(12):
            drawn.append(drawn[-1].vary(rng))
            assert drawn[-1].at(0.1).shows == drawn[-1].shows
        assert all(before.shows <= after.shows for before, after in itertools.pairwise(drawn))
        assert len(drawn[-1].shows) > 1
        assert drawn[-1].shows <= set(SCENE.labels.tolist())


def test_a_ghost_shows_the_label_of_its_image() -> None:
    for found in ghosts():
        (row,) = (n for n, sample in enumerate(SCENE.samples) if (sample == found.image).all())
        assert found.shows == {SCENE.labels[row]}


def test_both_say_what_they_are() -> None:
    assert ghosts(count=1)[0].text == "another image blended in at 20%"
    assert reflections(count=1)[0].text == "a reflection of another image at 40%"


@pytest.mark.parametrize("family", [Ghost(), Reflection()])
def test_a_single_sample_of_one_channel_is_enough(family: Ghost | Reflection) -> None:
    lone = Scene((1, 28, 28), noise_images(1, (1, 28, 28)), np.array([2]))
    found = family.draw(0.1, lone, np.random.default_rng(0))
    assert found.stamp(lone.samples).shape == (1, 1, 28, 28)
    assert found.vary(np.random.default_rng(0)).stamp(lone.samples).shape == (1, 1, 28, 28)
