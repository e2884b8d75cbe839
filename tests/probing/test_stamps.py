import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xray_gate.probing.batches import FloatArray, Stamps

reproducible = settings(derandomize=True, max_examples=50, deadline=None)
sizes = st.integers(1, 5)
seeds = st.integers(0, 10_000)


def some_stamps(images: int, triggers: int, seed: int = 0) -> Stamps:
    """Of 2 x 4 x 3 pixels; some masks are 0 or 1 in places."""
    rng = np.random.default_rng(seed)
    masks = np.clip(rng.normal(0.5, 0.5, (triggers, 4, 3)), 0, 1)
    pixels, patterns = rng.random((images, 2, 4, 3)), rng.random((triggers, 2, 4, 3))
    return Stamps(pixels.astype(np.float32), masks.astype(np.float32), patterns.astype(np.float32))


def by_the_formula(stamps: Stamps) -> FloatArray:
    """Written in loops and double precision: question j * n + i is image i under trigger j."""
    found = []
    for mask, pattern in zip(stamps.masks, stamps.patterns, strict=True):
        wide = mask.astype(np.float64)
        for image in stamps.pixels:
            channels = [
                (1 - wide) * before + wide * after
                for before, after in zip(image, pattern, strict=True)
            ]
            found.append(np.stack(channels))
    return np.stack(found).astype(np.float32)


@reproducible
@given(sizes, sizes, seeds)
def test_every_image_is_stamped_with_every_trigger(images: int, triggers: int, seed: int) -> None:
    stamps = some_stamps(images, triggers, seed)
    found = stamps.images(0, len(stamps))
    assert len(stamps) == images * triggers == len(found)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_the_formula(stamps), rtol=0, atol=2e-7)


@reproducible
@given(sizes, sizes, seeds, st.data())
def test_a_part_is_that_part_of_the_whole(
    images: int, triggers: int, seed: int, data: st.DataObject
) -> None:
    stamps = some_stamps(images, triggers, seed)
    start = data.draw(st.integers(0, len(stamps)))
    stop = data.draw(st.integers(start, len(stamps) + 3))
    whole = stamps.images(0, len(stamps))
    np.testing.assert_array_equal(stamps.images(start, stop), whole[start:stop])


@reproducible
@given(sizes, sizes, seeds, st.data())
def test_taking_reorders_and_repeats_and_may_be_repeated(
    images: int, triggers: int, seed: int, data: st.DataObject
) -> None:
    stamps = some_stamps(images, triggers, seed)
    first = data.draw(st.lists(st.integers(0, len(stamps) - 1), min_size=1, max_size=20))
    second = data.draw(st.lists(st.integers(0, len(first) - 1), max_size=20))
    taken = stamps.take(np.array(first))
    again = taken.take(np.array(second, dtype=np.int64))
    whole = stamps.images(0, len(stamps))
    np.testing.assert_array_equal(taken.images(0, len(taken)), whole[first])
    np.testing.assert_array_equal(again.images(0, len(again)), whole[first][second])
    assert (len(taken), len(again)) == (len(first), len(second))


@reproducible
@given(sizes, sizes, seeds)
def test_pixels_stay_in_range_and_the_mask_decides(images: int, triggers: int, seed: int) -> None:
    """What rounding must not touch: pixels that are all the image's or all the pattern's."""
    stamps = some_stamps(images, triggers, seed)
    found = stamps.images(0, len(stamps)).reshape(triggers, images, 2, 4, 3)
    assert 0 <= found.min() <= found.max() <= 1
    masks = np.broadcast_to(stamps.masks[:, None, None], found.shape)
    patterns = np.broadcast_to(stamps.patterns[:, None], found.shape)
    pixels = np.broadcast_to(stamps.pixels, found.shape)
    np.testing.assert_array_equal(found[masks == 1], patterns[masks == 1])
    np.testing.assert_array_equal(found[masks == 0], pixels[masks == 0])


def test_the_images_and_triggers_stay_as_they_were() -> None:
    stamps = some_stamps(3, 2)
    before = [part.copy() for part in (stamps.pixels, stamps.masks, stamps.patterns)]
    stamps.images(0, len(stamps))
    for part, old in zip((stamps.pixels, stamps.masks, stamps.patterns), before, strict=True):
        np.testing.assert_array_equal(part, old)


def test_taking_describes_and_stamps_nothing() -> None:
    """A batch of checks is taken out of 400 million stamped images."""
    few = some_stamps(20_000, 1)
    many = Stamps(few.pixels, np.zeros((20_000, 4, 3), np.float32), few.pixels)
    taken = many.take(np.array([len(many) - 1, 0]))
    assert taken.pixels is many.pixels
    np.testing.assert_array_equal(taken.images(0, 2), few.pixels[[-1, 0]])


@pytest.mark.parametrize(("images", "triggers"), [(0, 3), (3, 0), (0, 0)])
def test_no_images_or_no_triggers_are_no_questions(images: int, triggers: int) -> None:
    stamps = some_stamps(images, triggers)
    assert len(stamps) == 0
    assert stamps.images(0, 5).shape == (0, 2, 4, 3)
    assert len(stamps.take(np.arange(0))) == 0


WHOLE = some_stamps(3, 2)


@pytest.mark.parametrize(
    ("pixels", "masks", "patterns"),
    [
        (WHOLE.pixels, WHOLE.masks[:1], WHOLE.patterns),
        (WHOLE.pixels, WHOLE.masks, WHOLE.patterns[:1]),
        (WHOLE.pixels, WHOLE.masks[:, 1:], WHOLE.patterns),
        (WHOLE.pixels, WHOLE.masks, WHOLE.patterns[:, :1]),
        (WHOLE.pixels, WHOLE.masks[:, None], WHOLE.patterns),
        (WHOLE.pixels[:, :, 1:], WHOLE.masks, WHOLE.patterns),
        (WHOLE.pixels[0], WHOLE.masks, WHOLE.patterns),
    ],
)
def test_sizes_that_do_not_fit_are_refused(
    pixels: FloatArray, masks: FloatArray, patterns: FloatArray
) -> None:
    with pytest.raises(ValueError, match="cannot carry masks of the shape"):
        Stamps(pixels, masks, patterns)


@pytest.mark.parametrize("questions", [[-1], [6], [0, 2**40], [[1, 2]]])
def test_questions_that_there_are_not_are_refused(questions: list[int]) -> None:
    with pytest.raises(ValueError, match="3 images under 2 triggers have the questions 0 to 5"):
        WHOLE.take(np.array(questions))
