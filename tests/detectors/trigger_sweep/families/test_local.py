import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detectors.trigger_sweep.making import Shape, scene, smooth_images, white_square
from xray_gate.detectors.trigger_sweep.families.interface import Rung
from xray_gate.detectors.trigger_sweep.families.local import (
    Frame,
    FrameTrigger,
    Patch,
    PatchTrigger,
    Pixels,
)

BIG: Shape = (3, 32, 32)
GREY = np.full((1, *BIG), 0.5, np.float32)
SHAPES: list[Shape] = [(1, 28, 28), (3, 16, 16), (3, 24, 32)]

reproducible = settings(derandomize=True, deadline=None, max_examples=60)
parts = st.floats(0, 1)


def patch(dose: float, shape: Shape = BIG, seed: int = 0) -> PatchTrigger:
    return Patch().draw(dose, scene(shape), np.random.default_rng(seed))


def inside(trigger: PatchTrigger) -> bool:
    _, height, width = trigger.shape
    side = trigger.patch.shape[1]
    return trigger.top in range(height - side + 1) and trigger.left in range(width - side + 1)


def test_a_patch_changes_its_square_and_nothing_else() -> None:
    images = smooth_images(3, BIG)
    stamped = white_square(10, 20, 4, BIG).stamp(images)
    assert (stamped[:, :, 10:14, 20:24] == 1).all()
    stamped[:, :, 10:14, 20:24] = images[:, :, 10:14, 20:24]
    np.testing.assert_array_equal(stamped, images)


@pytest.mark.parametrize("rung", Patch.rungs, ids=lambda rung: f"{rung.dose:.3g}")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_patches_are_squares_of_the_doses_side_anywhere_inside(rung: Rung, shape: Shape) -> None:
    drawn = [patch(rung.dose, shape, seed) for seed in range(40)]
    side = scene(shape).pixels(drawn[0].dose)
    assert {found.patch.shape for found in drawn} == {(shape[0], side, side)}
    assert all(inside(found) for found in drawn)
    assert len({(found.top, found.left) for found in drawn}) > 10
    assert len({found.kind for found in drawn}) == 5


@reproducible
@given(st.sampled_from(SHAPES), st.sampled_from(Patch.rungs), parts, parts)
def test_a_moved_patch_lies_inside_and_as_near_as_can_be(
    shape: Shape, rung: Rung, row: float, column: float
) -> None:
    trigger = patch(rung.dose, shape)
    moved = trigger.moved_to((row, column))
    side = trigger.patch.shape[1]
    assert inside(moved)
    np.testing.assert_array_equal(moved.patch, trigger.patch)
    for size, wanted, found in zip(shape[1:], (row, column), moved.center, strict=True):
        least, most = side / 2 / size, 1 - side / 2 / size
        assert abs(found - np.clip(wanted, least, most)) <= 0.5 / size + 1e-9


@reproducible
@given(st.sampled_from(SHAPES), st.sampled_from(Patch.rungs), st.integers(0, 2**32 - 1))
def test_a_patch_moved_to_where_it_is_stays_there(shape: Shape, rung: Rung, seed: int) -> None:
    trigger = patch(rung.dose, shape, seed)
    moved = trigger.moved_to(trigger.center)
    assert (moved.top, moved.left) == (trigger.top, trigger.left)


@pytest.mark.parametrize(
    ("corner", "place"),
    [
        ((0, 0), "at the top left"),
        ((0, 14), "at the top centre"),
        ((0, 28), "at the top right"),
        ((14, 0), "at the middle left"),
        ((14, 14), "in the centre"),
        ((14, 28), "at the middle right"),
        ((28, 0), "at the bottom left"),
        ((28, 14), "at the bottom centre"),
        ((28, 28), "at the bottom right"),
    ],
)
def test_a_patch_is_worded_by_size_kind_and_place(corner: tuple[int, int], place: str) -> None:
    assert white_square(*corner, 4, BIG).text == f"a 4x4 white patch {place}"


def test_a_plain_patch_is_called_coloured() -> None:
    plain = PatchTrigger(1 / 8, BIG, "plain", np.ones((3, 4, 4), np.float32), 28, 28)
    assert plain.text == "a 4x4 coloured patch at the bottom right"


@pytest.mark.parametrize("dose", [1 / 32, 1 / 8, 1 / 4, 1 / 2])
def test_a_resized_patch_keeps_its_colours_and_its_centre(dose: float) -> None:
    trigger = PatchTrigger(
        1 / 4, BIG, "random", np.random.default_rng(0).random((3, 8, 8), dtype=np.float32), 12, 12
    )
    resized = trigger.at(dose)
    side = round(dose * 32)
    assert resized.patch.shape == (3, side, side)
    assert set(resized.patch.ravel()) <= set(trigger.patch.ravel())
    assert inside(resized)
    assert max(np.abs(np.subtract(resized.center, trigger.center))) <= 0.5 / 32


def test_a_patch_twice_as_large_repeats_every_pixel() -> None:
    trigger = PatchTrigger(
        1 / 8, BIG, "random", np.random.default_rng(0).random((3, 4, 4), dtype=np.float32), 8, 8
    )
    np.testing.assert_array_equal(
        trigger.at(1 / 4).patch, trigger.patch.repeat(2, axis=1).repeat(2, axis=2)
    )


def test_a_patch_grown_at_the_edge_stays_inside() -> None:
    grown = white_square(30, 30, 2, BIG).at(1 / 2)
    assert (grown.top, grown.left) == (16, 16)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_variants_of_a_patch_wander_but_stay_inside(shape: Shape) -> None:
    rng = np.random.default_rng(0)
    trigger = first = patch(1 / 8, shape)
    places = set()
    for _ in range(60):
        varied = trigger.vary(rng)
        reach = max(1, min(shape[1:]) // 16)
        assert inside(varied)
        assert abs(varied.top - trigger.top) <= reach
        assert abs(varied.left - trigger.left) <= reach
        assert varied.patch.shape == first.patch.shape
        assert set(np.unique(varied.patch)) <= {0.0, 1.0}
        trigger = varied
        places.add((trigger.top, trigger.left))
    assert len(places) > 3
    assert (trigger.patch != first.patch).any()


@pytest.mark.parametrize("rung", Pixels.rungs, ids=lambda rung: f"{rung.dose:.3g}")
def test_pixels_are_as_many_as_the_dose_says(rung: Rung) -> None:
    dose = rung.dose
    for seed in range(6):
        trigger = Pixels().draw(dose, scene(BIG), np.random.default_rng(seed))
        changed = (trigger.stamp(GREY) != GREY)[0]
        assert changed.any(axis=0).sum() == round(dose * 1024) == trigger.count
        assert (changed == changed[:1]).all()
        assert trigger.text == f"a set of {trigger.count} scattered pixels"


def test_pixels_have_extreme_colours_shared_or_each_its_own() -> None:
    colours = []
    for seed in range(20):
        trigger = Pixels().draw(16 / 1024, scene(BIG), np.random.default_rng(seed))
        used = trigger.colours[:, : trigger.count]
        assert set(np.unique(used)) <= {0.0, 1.0}
        colours.append(len(np.unique(used, axis=1).T))
    assert min(colours) == 1
    assert max(colours) > 1


def test_pixels_at_a_weaker_dose_are_a_part_of_the_stronger() -> None:
    for seed in range(6):
        strong = Pixels().draw(32 / 1024, scene(BIG), np.random.default_rng(seed))
        whole = strong.stamp(GREY)
        for rung in Pixels.rungs[:-1]:
            part = strong.at(rung.dose).stamp(GREY)
            touched = part != GREY
            assert touched[:, 0].sum() == round(rung.dose * 1024)
            np.testing.assert_array_equal(part[touched], whole[touched])


def test_variants_of_pixels_keep_most_of_them_and_stay_inside() -> None:
    trigger = Pixels().draw(32 / 1024, scene((3, 24, 32)), np.random.default_rng(0))
    rng = np.random.default_rng(1)
    kept = []
    for _ in range(20):
        varied = trigger.vary(rng)
        assert varied.rows.max() < 24
        assert varied.columns.max() < 32
        assert min(varied.rows.min(), varied.columns.min()) >= 0
        kept.append(((varied.rows == trigger.rows) & (varied.columns == trigger.columns)).mean())
    assert 0.7 < np.mean(kept) < 0.9


def frame(dose: float, corners: bool, shape: Shape) -> FrameTrigger:
    return FrameTrigger(dose, "white", np.ones(shape, np.float32), corners)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 24, 32), (1, 28, 28)], ids=str)
@pytest.mark.parametrize("dose", [rung.dose for rung in Frame.rungs])
def test_a_frame_covers_the_border_only(dose: float, shape: Shape) -> None:
    images = np.zeros((2, *shape), np.float32)
    wide = max(1, round(dose * min(shape[1:])))
    stamped = frame(dose, corners=False, shape=shape).stamp(images)
    assert (stamped[:, :, wide:-wide, wide:-wide] == 0).all()
    assert stamped[0, 0].sum() == shape[1] * shape[2] - (shape[1] - 2 * wide) * (
        shape[2] - 2 * wide
    )


@pytest.mark.parametrize("dose", [rung.dose for rung in Frame.rungs])
def test_a_frame_of_corners_leaves_the_edges_between_them(dose: float) -> None:
    stamped = frame(dose, corners=True, shape=(1, 32, 24)).stamp(np.zeros((1, 1, 32, 24), "f4"))
    wide = max(1, round(dose * 24))
    assert stamped.sum() == 4 * wide**2
    for row in (slice(wide), slice(-wide, None)):
        for column in (slice(wide), slice(-wide, None)):
            assert (stamped[0, 0, row, column] == 1).all()


def test_frames_are_worded_by_width_and_place() -> None:
    assert frame(1 / 16, corners=False, shape=BIG).text == (
        "a white frame, 2 pixels wide, around the image"
    )
    assert frame(3 / 32, corners=True, shape=BIG).text == (
        "a white frame, 3 pixels wide, in each corner"
    )


def test_both_kinds_of_frame_are_drawn() -> None:
    drawn = [Frame().draw(1 / 16, scene(BIG), np.random.default_rng(s)) for s in range(12)]
    assert {found.corners for found in drawn} == {True, False}
    assert len({found.kind for found in drawn}) > 2


def test_a_varied_frame_covers_the_same_place() -> None:
    trigger = frame(1 / 16, corners=False, shape=BIG)
    stamped = trigger.vary(np.random.default_rng(0)).stamp(GREY)
    np.testing.assert_array_equal(stamped != GREY, trigger.stamp(GREY) != GREY)
    assert 0.1 < (stamped == 0).sum() / (stamped != 0.5).sum() < 0.3
