import numpy as np
import pytest

from benchmarks.lab.attacks.catalogue import ATTACKS
from benchmarks.lab.attacks.lira import LIMIT
from benchmarks.lab.attacks.triggers import InputAware, Pixels, Trigger, Warp
from benchmarks.lab.data.splits import Split

# Pixels that each of these attacks overwrites in a 32x32 image.
OVERWRITTEN = {
    "badnets": 9,
    "patch": 25,
    "pixel": 1,
    "sparse": 9,
    "trojan": 64,
    "trojannn": 64,
    "blind": 8,
}
# Largest change in units of 1/255, half a unit of rounding included.
FAINT = {
    "sig": 20.5,
    "low_frequency": 26,
    "ssba": 12.5,
    "bpp": 18.5,
    "blended": 51.5,
    "lira": LIMIT + 0.5,
}


def draw(name: str, train: Split, seed: int = 3) -> Trigger:
    return ATTACKS[name].draw(train, 1, np.random.default_rng(seed))


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_trigger_changes_every_image_but_neither_its_shape_nor_the_original(
    name: str, channels: int, small: Split
) -> None:
    train = Split(small.images[..., :channels], small.labels)
    before = train.images.copy()

    stamped = draw(name, train).stamp(train.images)

    assert stamped.shape == train.images.shape
    assert stamped.dtype == np.uint8
    assert (train.images == before).all()
    assert (stamped != train.images).any(axis=(1, 2, 3)).mean() > 0.95


@pytest.mark.parametrize("name", ATTACKS)
def test_the_seed_alone_decides_the_trigger(name: str, small: Split) -> None:
    first = draw(name, small).stamp(small.images)

    assert (draw(name, small).stamp(small.images) == first).all()
    if name not in {"bpp", "label_consistent"}:  # These two have nothing to draw.
        assert (draw(name, small, seed=4).stamp(small.images) != first).any()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_image_gets_the_same_trigger_alone_and_among_others(name: str, small: Split) -> None:
    trigger = draw(name, small)

    alone = trigger.stamp(small.images[7:8])

    assert (alone == trigger.stamp(small.images)[7:8]).all()


@pytest.mark.parametrize(("name", "pixels"), OVERWRITTEN.items())
def test_a_patch_covers_its_pixels_and_no_others(name: str, pixels: int, small: Split) -> None:
    trigger = draw(name, small)
    assert isinstance(trigger, Pixels)

    stamped = trigger.stamp(small.images)

    assert trigger.mask.sum() == pixels
    assert (stamped[:, ~trigger.mask] == small.images[:, ~trigger.mask]).all()
    assert set(np.unique(stamped[:, trigger.mask])) == {0, 255} or name == "pixel"


@pytest.mark.parametrize(("name", "limit"), FAINT.items())
def test_a_faint_trigger_stays_faint(name: str, limit: float, small: Split) -> None:
    stamped = draw(name, small).stamp(small.images)

    change = np.abs(stamped.astype(int) - small.images)

    assert limit / 4 < change.max() <= limit


def test_quantisation_leaves_eight_levels(small: Split) -> None:
    assert len(np.unique(draw("bpp", small).stamp(small.images))) <= 8


def test_a_warp_without_displacement_changes_nothing(small: Split) -> None:
    still = Warp("none", np.zeros((2, 32, 32), dtype=np.float32))

    assert (still.stamp(small.images) == small.images).all()


def test_a_warp_by_one_pixel_shifts_the_image(small: Split) -> None:
    field = np.zeros((2, 32, 32), dtype=np.float32)
    field[1] = 1

    shifted = Warp("one to the right", field).stamp(small.images)

    assert (shifted[:, :, :-1] == small.images[:, :, 1:]).all()


def test_an_input_aware_trigger_differs_from_image_to_image(small: Split) -> None:
    trigger = draw("input_aware", small)
    assert isinstance(trigger, InputAware)

    mask, _ = trigger.pattern(small.images)

    assert (mask.sum(axis=(1, 2)) == 64).all()
    assert (mask[0] != mask[1]).any()
    assert (
        trigger.stamp_from(small.images[:1], small.images[1:2]) != trigger.stamp(small.images[:1])
    ).any()


@pytest.mark.parametrize("side", [1, 2, 11, 22])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["badnets", "patch"])
def test_a_patch_has_the_side_that_is_asked_for(
    name: str, channels: int, side: int, small: Split
) -> None:
    train = Split(small.images[..., :channels], small.labels)

    for draw_one in ATTACKS[name].draws(side):
        trigger = draw_one(train, 1, np.random.default_rng(3))
        assert isinstance(trigger, Pixels)
        assert f"{side}x{side}" in trigger.description
        rows, columns = np.nonzero(trigger.mask)
        assert len(rows) == side**2
        assert np.ptp(rows) == np.ptp(columns) == side - 1
        assert trigger.colours[trigger.mask].max() == 255


def test_the_usual_side_is_drawn_as_without_one(small: Split) -> None:
    for name, side in (("badnets", 3), ("patch", 5)):
        usual = draw(name, small).stamp(small.images)
        (asked_for, *_) = ATTACKS[name].draws(side)
        assert (asked_for(small, 1, np.random.default_rng(3)).stamp(small.images) == usual).all()


@pytest.mark.parametrize(("name", "side", "most"), [("badnets", 13, 12), ("patch", 5, 4)])
def test_a_patch_that_does_not_fit_is_refused(name: str, side: int, most: int) -> None:
    tiny = Split(np.zeros((4, 12, 12, 1), dtype=np.uint8), np.zeros(4, dtype=np.int64))

    with pytest.raises(ValueError, match=f"12x12 pixels; ask for a side of at most {most}"):
        ATTACKS[name].draws(side)[0](tiny, 0, np.random.default_rng(0))
