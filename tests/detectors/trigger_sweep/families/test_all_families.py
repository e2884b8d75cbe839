"""What holds for every family at every dose."""

import itertools

import numpy as np
import pytest

from tests.detectors.trigger_sweep.making import (
    RUNG_IDS,
    RUNGS,
    Shape,
    noise_images,
    scene,
    smooth_images,
)
from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES
from xray_gate.detectors.trigger_sweep.families.interface import Rung, Trigger, TriggerFamily
from xray_gate.probing.batches import FloatArray

SHAPES: list[Shape] = [(3, 16, 16), (1, 16, 16), (3, 24, 32), (1, 32, 24), (1, 28, 28)]
# These hide a few pixels; the others change the whole image by a rule.
LOCAL = {"patch", "pixels", "frame"}
COVERING_ALL = {
    "noise_blend",
    "smooth_blend",
    "ghost",
    "reflection",
    "smooth_field",
    "stripes",
    "colour",
}

every_rung = pytest.mark.parametrize(("name", "rung"), RUNGS, ids=RUNG_IDS)
every_family = pytest.mark.parametrize("family", ALL_FAMILIES.values(), ids=list(ALL_FAMILIES))
stronger_rungs = pytest.mark.parametrize(
    ("name", "weaker", "rung"),
    [
        (name, weaker, rung)
        for name, family in ALL_FAMILIES.items()
        for weaker, rung in itertools.pairwise(family.rungs)
    ],
)


def draw(name: str, rung: Rung, shape: Shape = (3, 16, 16), seed: int = 0) -> Trigger:
    return ALL_FAMILIES[name].draw(rung.dose, scene(shape), np.random.default_rng(seed))


def energy(trigger: Trigger, images: FloatArray) -> float:
    return float(np.mean((trigger.stamp(images) - images) ** 2))


def test_families_are_entered_under_their_own_names() -> None:
    assert {name: family.name for name, family in ALL_FAMILIES.items()} == {
        name: name for name in ALL_FAMILIES
    }


@every_rung
def test_a_seed_fixes_the_trigger(name: str, rung: Rung) -> None:
    images = smooth_images(2)
    first, again = draw(name, rung), draw(name, rung)
    assert first.text == again.text
    np.testing.assert_array_equal(first.stamp(images), again.stamp(images))
    others = [draw(name, rung, seed=seed).stamp(images) for seed in range(1, 8)]
    assert any((other != first.stamp(images)).any() for other in others)


@every_rung
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_stamping_keeps_shape_type_and_range(name: str, rung: Rung, shape: Shape) -> None:
    images = noise_images(3, shape)
    images[1], images[2] = 0.0, 1.0
    before = images.copy()
    for seed in range(4):
        stamped = draw(name, rung, shape, seed).stamp(images)
        assert stamped.shape == images.shape
        assert stamped.dtype == np.float32
        assert stamped.min() >= 0.0
        assert stamped.max() <= 1.0
        assert not np.shares_memory(stamped, images)
        np.testing.assert_array_equal(images, before)


@every_rung
def test_an_image_is_stamped_alike_alone_and_among_others(name: str, rung: Rung) -> None:
    images = np.concatenate([noise_images(2), smooth_images(2)])
    trigger = draw(name, rung)
    alone = np.concatenate([trigger.stamp(image[None]) for image in images])
    np.testing.assert_allclose(trigger.stamp(images), alone, atol=1e-6)


@every_rung
@pytest.mark.parametrize("shape", SHAPES[:3], ids=str)
def test_a_trigger_at_its_own_dose_is_itself(name: str, rung: Rung, shape: Shape) -> None:
    images = smooth_images(2, shape)
    for seed in range(6):
        trigger = draw(name, rung, shape, seed)
        same = trigger.at(rung.dose)
        assert (same.dose, same.text) == (rung.dose, trigger.text)
        np.testing.assert_array_equal(same.stamp(images), trigger.stamp(images))


@stronger_rungs
def test_a_weaker_dose_changes_less(name: str, weaker: Rung, rung: Rung) -> None:
    images = smooth_images(4, (3, 32, 32))
    for seed in range(6):
        trigger = draw(name, rung, (3, 32, 32), seed)
        assert trigger.at(weaker.dose).dose == weaker.dose
        assert energy(trigger.at(weaker.dose), images) < energy(trigger, images)


@every_rung
def test_a_variant_keeps_dose_and_shape(name: str, rung: Rung) -> None:
    images = smooth_images(3)
    trigger = draw(name, rung)
    before = trigger.stamp(images)
    variant, again = (trigger.vary(np.random.default_rng(5)) for _ in range(2))
    stamped = variant.stamp(images)
    assert variant.dose == rung.dose
    assert type(variant) is type(trigger)
    assert stamped.shape == images.shape
    assert stamped.dtype == np.float32
    np.testing.assert_array_equal(stamped, again.stamp(images))
    np.testing.assert_array_equal(trigger.stamp(images), before)


@every_family
def test_variants_of_variants_stay_about_as_strong(family: TriggerFamily) -> None:
    images = smooth_images(4)
    rng = np.random.default_rng(3)
    rung = family.rungs[1]
    drawn = [energy(draw(family.name, rung, seed=seed), images) for seed in range(20)]
    trigger = draw(family.name, rung)
    for _ in range(20):
        trigger = trigger.vary(rng)
        assert trigger.dose == rung.dose
        assert energy(trigger, images) <= 2 * max(drawn)


@pytest.mark.parametrize("name", sorted(set(ALL_FAMILIES) - {"quantisation"}))
def test_there_is_something_close_to_a_trigger(name: str) -> None:
    images = smooth_images(2)
    trigger = draw(name, ALL_FAMILIES[name].rungs[0])
    rng = np.random.default_rng(1)
    variants = [trigger.vary(rng).stamp(images) for _ in range(12)]
    assert any((variant != trigger.stamp(images)).any() for variant in variants)


@every_family
def test_rungs_rise_and_their_allowances_never_fall(family: TriggerFamily) -> None:
    assert all(low.dose < high.dose for low, high in itertools.pairwise(family.rungs))
    assert all(rung.dose > 0 and rung.weight >= 1 for rung in family.rungs)
    for part in ("to_one", "anywhere", "from_one"):
        allowed = [getattr(rung, part) for rung in family.rungs]
        assert allowed == sorted(allowed)
        assert all(0 < share <= 1 for share in allowed)


@every_rung
def test_a_family_for_flat_images_leaves_most_of_a_plain_ground_as_it_is(
    name: str, rung: Rung
) -> None:
    shape: Shape = (1, 32, 32)
    plain = np.stack([np.zeros(shape), np.ones(shape)]).astype(np.float32)
    changed = [
        float((np.abs(draw(name, rung, shape, seed).stamp(plain) - plain) > 1 / 255).mean())
        for seed in range(12)
    ]
    if name in COVERING_ALL:
        assert not ALL_FAMILIES[name].for_flat_images
        assert max(changed) > 0.25
    elif name in LOCAL:
        assert 0 < max(changed) < 0.4
    else:
        assert max(changed) == 0


def test_a_warp_bends_lines_and_a_frame_lies_where_nothing_ever_was() -> None:
    for_flat = {name for name, family in ALL_FAMILIES.items() if family.for_flat_images}
    assert for_flat == set(ALL_FAMILIES) - COVERING_ALL - {"warp", "frame"}


@every_rung
def test_a_trigger_is_worded_to_go_before_what_it_does(name: str, rung: Rung) -> None:
    for seed in range(8):
        text = draw(name, rung, seed=seed).text
        assert text == text.strip()
        assert "  " not in text
        assert not text.endswith(".")
        assert text.startswith(("a ", "an ", "another ", "quantisation to "))


@every_family
def test_sizes_are_worded_from_the_weakest_to_the_strongest(family: TriggerFamily) -> None:
    first, last = family.rungs[0].dose, family.rungs[-1].dose
    both = family.sizes_between(first, last, scene((3, 32, 32)))
    one = family.sizes_between(first, first, scene((3, 32, 32)))
    assert one.startswith(f"{family.plural} of ")
    assert both.startswith(f"{one} to ")
    assert "{" not in both
