import numpy as np

from benchmarks.lab.data.splits import Split
from benchmarks.lab.training.recipes import RECIPES, Recipe, prepare


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
