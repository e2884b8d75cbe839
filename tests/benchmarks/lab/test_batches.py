from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
import torch

from benchmarks.lab.data.splits import Split
from benchmarks.lab.training.batches import ERASED, Batch, Course
from benchmarks.lab.training.device_batches import device_batches
from benchmarks.lab.training.host_batches import host_batches
from benchmarks.lab.training.recipes import RECIPES, Recipe

Drawing = Callable[[Split, int, Course, Recipe, np.random.Generator], Iterator[Batch]]


@pytest.fixture(params=["host", "device"])
def draw(request: pytest.FixtureRequest) -> Drawing:
    on_cpu = partial(device_batches, device=torch.device("cpu"))
    return host_batches if request.param == "host" else on_cpu


def drawn(draw: Drawing, train: Split, course: Course, recipe: Recipe) -> list[Batch]:
    return list(draw(train, 4, course, recipe, np.random.default_rng(3)))


def rows(batch: Batch) -> list[bytes]:
    """The images as bytes again."""
    images = (batch.pixels * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    return [image.tobytes() for image in images]


@pytest.mark.parametrize("name", RECIPES)
def test_batches_are_decided_by_the_seed(name: str, draw: Drawing, small: Split) -> None:
    def sums() -> list[float]:
        found = drawn(draw, small, Course(2, 4, True), RECIPES[name])
        return [float(batch.pixels.sum()) for batch in found]

    first = sums()

    assert first == sums()
    assert len(set(first)) == len(first) == 6


def test_an_epoch_passes_every_image_once_but_for_an_incomplete_batch(
    draw: Drawing, small: Split
) -> None:
    known = {
        image.tobytes(): label for image, label in zip(small.images, small.labels, strict=True)
    }

    batches = drawn(draw, small, Course(2, 4, True, batch=80), Recipe(crops=False))

    assert [len(batch.labels) for batch in batches] == [80] * 4
    for epoch in (batches[:2], batches[2:]):
        images = [image for batch in epoch for image in rows(batch)]
        labels = torch.cat([batch.labels for batch in epoch]).tolist()
        assert len(set(images)) == 160
        assert [known[image] for image in images] == labels
    assert rows(batches[0]) != rows(batches[2])


def test_crops_are_windows_of_the_padded_images_and_half_are_mirrored(
    draw: Drawing, small: Split
) -> None:
    few = small.take(np.arange(64))
    padded = np.pad(few.images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    windows = {
        (
            -1 if mirrored else 1,
            label,
            np.ascontiguousarray(cut[:, :: -1 if mirrored else 1]).tobytes(),
        )
        for image, label in zip(padded, few.labels, strict=True)
        for top in range(5)
        for left in range(5)
        for cut in [image[top : top + 32, left : left + 32]]
        for mirrored in (False, True)
    }

    (flipping,) = drawn(draw, few, Course(1, 2, flips=True), Recipe())
    (keeping,) = drawn(draw, few, Course(1, 2, flips=False), Recipe())

    def turned(batch: Batch) -> list[set[int]]:
        pairs = zip(batch.labels.tolist(), rows(batch), strict=True)
        return [{way for way in (1, -1) if (way, *pair) in windows} for pair in pairs]

    assert all(turned(flipping))
    assert 16 <= turned(flipping).count({-1}) <= 48
    assert turned(keeping) == [{1}] * 64


def test_strong_augmentation_erases_a_square_and_stays_in_range(
    draw: Drawing, small: Split
) -> None:
    batches = drawn(draw, small, Course(1, 4, True), Recipe(crops=False, strong=True))

    pixels = torch.cat([batch.pixels for batch in batches])
    black = (pixels == 0).all(dim=1).float()
    squares = torch.nn.functional.avg_pool2d(black[:, None], ERASED, stride=1)
    assert (squares.amax(dim=(1, 2, 3)) == 1).all()
    assert pixels.min() >= 0
    assert pixels.max() <= 1
    grey = (pixels[:, 0] == pixels[:, 1]).all(dim=(1, 2)).float().mean()
    assert 0.1 < grey < 0.3


def test_mixup_mixes_labels_as_it_mixes_images(draw: Drawing, small: Split) -> None:
    flat = Split(
        np.broadcast_to(
            (small.labels * 50).astype(np.uint8)[:, None, None, None], small.images.shape
        ).copy(),
        small.labels,
    )

    batches = drawn(draw, flat, Course(4, 4, True), Recipe(crops=False, mixup=1.0))

    shares = torch.cat([batch.wanted for batch in batches])
    shades = torch.cat([batch.pixels[:, 0, 0, 0] for batch in batches]) * 255 / 50
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(len(shares)))
    torch.testing.assert_close(shares @ torch.arange(4.0), shades)
    assert ((shares > 0.01) & (shares < 0.99)).any()


def test_channels_come_last_in_memory(draw: Drawing, small: Split) -> None:
    for recipe in (Recipe(), RECIPES["strong_augmentation"], RECIPES["mixup"]):
        batch = drawn(draw, small, Course(1, 4, True), recipe)[0]
        assert batch.pixels.is_contiguous(memory_format=torch.channels_last)
