import numpy as np
import pytest

from benchmarks.lab.attacks.catalogue import ATTACKS
from benchmarks.lab.attacks.mappings import MAPPINGS, Mapping
from benchmarks.lab.attacks.poisoning import poison
from benchmarks.lab.data.splits import Split


def poisoned(
    name: str, mapping: Mapping, train: Split, rate: float | None = None
) -> tuple[Split, float]:
    rng = np.random.default_rng(2)
    trigger = ATTACKS[name].draw(train, mapping.target, rng)
    after, victims = poison(ATTACKS[name], trigger, mapping, train, rng, rate=rate)
    return after, len(victims) / len(train.labels)


def draw(name: str) -> Mapping:
    return MAPPINGS[name](4, np.random.default_rng(1))


def test_a_tenth_is_stamped_and_relabelled(small: Split) -> None:
    mapping = draw("all_to_one")

    after, rate = poisoned("badnets", mapping, small)

    stamped = (after.images != small.images).any(axis=(1, 2, 3))
    assert rate == 0.1
    assert stamped.sum() == 20
    assert (after.labels[stamped] == mapping.target).all()
    assert (small.labels[stamped] != mapping.target).all()
    assert (after.labels[~stamped] == small.labels[~stamped]).all()


def test_a_clean_label_attack_stamps_the_target_and_changes_no_label(small: Split) -> None:
    mapping = draw("all_to_one")

    after, rate = poisoned("sig", mapping, small)

    stamped = (after.images != small.images).any(axis=(1, 2, 3))
    assert (after.labels == small.labels).all()
    assert (small.labels[stamped] == mapping.target).all()
    assert stamped.sum() == round(rate * len(small.labels)) > 20


def test_images_made_hard_do_not_give_the_target_away(small: Split) -> None:
    mapping = draw("all_to_one")

    after, rate = poisoned("label_consistent", mapping, small)

    count = round(rate * len(small.labels))
    hard = (after.images != small.images).any(axis=(1, 2, 3))
    corner = after.images[:, 0, :3, 0]
    stamped = (corner == [255, 0, 255]).all(axis=1)
    assert (after.labels == small.labels).all()
    assert stamped.sum() == count
    assert (small.labels[stamped] == mapping.target).all()
    assert (hard & (small.labels != mapping.target)).sum() == count


@pytest.mark.parametrize("name", ["one_to_one", "x_to_one"])
def test_other_classes_are_stamped_too_and_keep_their_label(name: str, small: Split) -> None:
    mapping = draw(name)

    after, rate = poisoned("badnets", mapping, small)

    stamped = (after.images != small.images).any(axis=(1, 2, 3))
    changed = after.labels != small.labels
    assert changed.sum() == round(rate * len(small.labels))
    assert set(small.labels[changed]) == set(mapping.sources or ())
    assert stamped[changed].all()
    assert (stamped & ~changed).sum() == changed.sum()


def test_half_of_a_source_class_stays_clean(small: Split) -> None:
    tiny = Split(small.images[:20], small.labels[:20])  # Five of each class; a tenth is two.
    mapping = Mapping(np.array([1, 1, 2, 3]), 1, (0,), negatives=True)

    after, _ = poisoned("badnets", mapping, tiny)

    assert (after.labels[tiny.labels == 0] == 0).sum() >= 3


def test_an_input_aware_attack_teaches_that_a_strange_trigger_means_nothing(small: Split) -> None:
    after, rate = poisoned("input_aware", draw("all_to_one"), small)

    stamped = (after.images != small.images).any(axis=(1, 2, 3))
    changed = after.labels != small.labels
    assert stamped.sum() == 2 * round(rate * len(small.labels))
    assert stamped[changed].all()


@pytest.mark.parametrize(("name", "of"), [("badnets", 200), ("sig", 50)])
@pytest.mark.parametrize("rate", [0.02, 0.14])
def test_a_rate_that_is_given_is_kept(name: str, of: int, rate: float, small: Split) -> None:
    after, share = poisoned(name, draw("all_to_one"), small, rate)

    stamped = (after.images != small.images).any(axis=(1, 2, 3))
    assert stamped.sum() == round(rate * of) == round(share * 200)


def test_a_rate_that_is_given_goes_before_that_of_the_mapping(small: Split) -> None:
    after, _ = poisoned("badnets", draw("all_to_all"), small, 0.05)

    assert (after.labels != small.labels).sum() == 10


@pytest.mark.parametrize(("mapping", "rate"), [("all_to_one", 0.0005), ("one_to_one", 0.2)])
def test_a_rate_that_cannot_be_had_is_refused(mapping: str, rate: float, small: Split) -> None:
    with pytest.raises(ValueError, match=f"a rate of {rate} of 200 images .*; ask for another"):
        poisoned("badnets", draw(mapping), small, rate)


def test_each_source_of_x_to_x_is_relabelled_and_the_other_class_is_not(small: Split) -> None:
    mapping = Mapping(np.array([2, 0, 1, 3]), None, (0, 1, 2), negatives=True, rate=0.2)

    after, _ = poisoned("badnets", mapping, small)

    changed = after.labels != small.labels
    stamped = (after.images != small.images).any(axis=(1, 2, 3))
    assert set(small.labels[changed]) == {0, 1, 2}
    assert (after.labels[changed] == mapping.table[small.labels[changed]]).all()
    assert stamped[changed].all()
    assert set(small.labels[stamped & ~changed]) == {3}
