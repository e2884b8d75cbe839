import numpy as np
import pytest

from tests.probing.asking import images, rng, stamps
from xray_gate.probing.batches import Batch, Images, JoinedPlanes, Stamps
from xray_gate.probing.clean_rows import CleanSamples, clean_rows
from xray_gate.probing.planes import plane_through

CLEAN = CleanSamples(images(50).pixels, np.arange(50, dtype=np.int64) % 4)
OTHERS = Images(rng(9).random((9, 1, 4, 4)).astype(np.float32))
PLANE = plane_through(CLEAN.images[:3]).points(6, 5.0, clip=False)
FOREIGN = plane_through(OTHERS.pixels[:3]).points(6, 5.0, clip=False)
BATCHES: dict[str, Batch] = {
    "images": OTHERS,
    "stamps": stamps(),
    "some stamps": stamps().take(np.array([7, 7, 0, 29])),
    "plane": PLANE,
    "planes": JoinedPlanes.join([FOREIGN, PLANE]),
}


@pytest.mark.parametrize("batch", BATCHES.values(), ids=list(BATCHES))
def test_a_batch_holds_its_own_questions_and_clean_samples(batch: Batch) -> None:
    own = len(batch)
    found = clean_rows(batch, CLEAN, 5, rng())
    rows = rng(1).permutation(own + 5)
    whole = found.ask(rows)
    assert len(whole) == own + 5
    assert type(whole) is type(batch)
    pixels = np.empty((own + 5, 1, 4, 4), dtype=np.float32)
    pixels[rows] = whole.images(0, own + 5)
    np.testing.assert_array_equal(pixels[own:], CLEAN.images[found.samples])
    np.testing.assert_allclose(pixels[:own], batch.images(0, own), atol=1e-5)


@pytest.mark.parametrize("batch", [OTHERS, stamps()], ids=["images", "stamps"])
def test_which_samples_stand_there_is_drawn(batch: Batch) -> None:
    drawn = {tuple(clean_rows(batch, CLEAN, 4, rng(seed)).samples) for seed in range(10)}
    assert len(drawn) > 5


def test_of_planes_all_that_begin_at_a_sample_are_used() -> None:
    planes = [plane_through(CLEAN.images[i : i + 3]).points(6, 5.0, clip=True) for i in (7, 11, 3)]
    joined = JoinedPlanes.join(planes)
    assert set(clean_rows(joined, CLEAN, 40, rng()).samples.tolist()) == {7, 11, 3}
    # The last plane has no question among these, and would not be sent.
    assert set(clean_rows(joined.take(np.arange(40)), CLEAN, 40, rng()).samples) == {7, 11}


@pytest.mark.parametrize(
    "batch",
    [
        FOREIGN,
        JoinedPlanes.join([FOREIGN, FOREIGN]),
        Images(np.zeros((3, 3, 4, 4), np.float32)),
        Stamps(
            np.zeros((2, 1, 8, 8), np.float32),
            np.zeros((3, 8, 8), np.float32),
            np.zeros((3, 1, 8, 8), np.float32),
        ),
    ],
    ids=["plane", "planes", "images", "stamps"],
)
def test_where_none_fits_the_batch_stays_as_it_is(batch: Batch) -> None:
    found = clean_rows(batch, CLEAN, 5, rng())
    assert len(found.samples) == 0
    rows = np.array([2, 0, 0])
    np.testing.assert_array_equal(found.ask(rows).images(0, 3), batch.take(rows).images(0, 3))


def test_stamps_bring_two_new_images_and_one_trigger_whatever_their_number() -> None:
    """More images than fit into a message would be sent once for every trigger."""
    whole = clean_rows(stamps(), CLEAN, 100, rng()).ask(np.arange(130))
    assert isinstance(whole, Stamps)
    assert (len(whole.pixels), len(whole.masks)) == (12, 4)


def test_an_image_that_only_looks_like_a_sample_is_none() -> None:
    other = CLEAN.images[4].copy()
    other[0, 3, 3] += np.float32(1e-7)
    assert CLEAN.index_of(CLEAN.images[4]) == 4
    assert CLEAN.index_of(other) is None
    twice = CleanSamples(np.concatenate([other[None], CLEAN.images[:5]]), np.zeros(6, np.int64))
    assert (twice.index_of(other), twice.index_of(CLEAN.images[4])) == (0, 5)
