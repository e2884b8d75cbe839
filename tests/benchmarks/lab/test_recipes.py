import numpy as np
import pytest

from benchmarks.lab.data import Split
from benchmarks.lab.networks import ARCHITECTURES
from benchmarks.lab.recipes import RECIPES, Recipe, prepare
from benchmarks.lab.training import PACES, Course, batches


def prepared(recipe: Recipe, train: Split) -> Split:
    return prepare(recipe, train, 4, np.random.default_rng(0))


def test_normal_training_takes_the_images_as_they_are(small: Split) -> None:
    assert prepared(RECIPES["normal"], small) == small


def test_a_long_tail_leaves_a_rarest_class(small: Split) -> None:
    counts = np.bincount(prepared(RECIPES["imbalanced"], small).labels, minlength=4)

    assert sorted(counts)[0] == 1
    assert sorted(counts)[-1] == 50


def test_label_noise_changes_a_tenth(small: Split) -> None:
    noisy = prepared(RECIPES["label_noise"], small)

    assert (noisy.labels != small.labels).sum() == 20
    assert noisy.labels.max() < 4


def test_overfitting_uses_a_tenth(small: Split) -> None:
    assert len(prepared(RECIPES["overfitted"], small).labels) == 20


@pytest.mark.parametrize("name", RECIPES)
def test_batches_are_decided_by_the_seed(name: str, small: Split) -> None:
    def pixels() -> list[float]:
        rng = np.random.default_rng(3)
        drawn = batches(small, Course(2, 4, True), RECIPES[name], rng)
        return [float(images.sum()) for images, _ in drawn]

    sums = pixels()

    assert sums == pixels()
    assert len(set(sums)) == len(sums) == 6


def test_without_crops_the_pixels_are_the_images_own(small: Split) -> None:
    rng = np.random.default_rng(3)

    images, _ = next(batches(small, Course(1, 4, True), Recipe(crops=False), rng))

    known = {image.tobytes() for image in small.images}
    rows = (images * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    assert all(row.tobytes() in known for row in rows)


def test_every_architecture_has_a_pace() -> None:
    assert set(PACES) == set(ARCHITECTURES)
