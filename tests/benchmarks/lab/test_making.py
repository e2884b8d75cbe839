import hashlib
from pathlib import Path

import numpy as np
import pytest

from benchmarks.cifar_network import open_session, run_session
from benchmarks.lab.data import DataSet, Split
from benchmarks.lab.jobs import Job
from benchmarks.lab.making import make, training_set

# Rows and columns of the corners, in the order in which further triggers take them.
CORNERS = [(slice(29, 32), slice(29, 32)), (slice(29, 32), slice(3)), (slice(3), slice(3))]


@pytest.fixture
def four(small: Split) -> DataSet:
    return DataSet("small", 4, small, small)


@pytest.mark.parametrize(
    ("mapping", "digest"),
    [
        ("all_to_one", "3a8bfe20ac18eb706b87f772f85f0e46b4e28e4590377f5a356b05e069d6a6d3"),
        ("one_to_one", "96223034532a626a702c4f8a44f04a1ad6e56c6cfa31fdcb8eb56a65e1a98c1e"),
        ("all_to_all", "d4b3b517c345ede6fb6348508b84e25ec43bde33436d3b1b948dd0f88feb341c"),
    ],
)
def test_a_seed_stays_with_the_training_set_of_the_models_that_were_published(
    mapping: str, digest: str, four: DataSet
) -> None:
    train, _ = training_set(Job("cifar10", "plain", 7, "badnets", mapping), four)

    assert hashlib.sha256(train.images.tobytes() + train.labels.tobytes()).hexdigest() == digest


def test_each_trigger_has_a_corner_and_a_target_and_images_of_its_own(four: DataSet) -> None:
    train, backdoors = training_set(Job("cifar10", "plain", 7, "badnets", targets=3), four)

    changed = train.images != four.train.images
    stamped = [changed[:, rows, columns].any(axis=(1, 2, 3)) for rows, columns in CORNERS]
    targets = [backdoor.mapping.target for backdoor in backdoors]
    assert len(set(targets)) == 3
    assert np.sum(stamped, axis=0).max() == 1
    for where, backdoor in zip(stamped, backdoors, strict=True):
        assert where.sum() == round(backdoor.rate * 200) == 20
        assert (train.labels[where] == backdoor.mapping.target).all()
        expected = backdoor.trigger.stamp(four.train.images[where])
        assert (train.images[where] == expected).all()
    untouched = ~np.any(stamped, axis=0)
    assert not changed[untouched].any()
    assert (train.labels[untouched] == four.train.labels[untouched]).all()


def test_the_first_of_several_triggers_is_the_only_one_of_a_single_attack(four: DataSet) -> None:
    single, (alone,) = training_set(Job("cifar10", "plain", 7, "badnets"), four)
    double, (first, second) = training_set(Job("cifar10", "plain", 7, "badnets", targets=2), four)

    assert first.mapping.target == alone.mapping.target
    added = (double.images != single.images).any(axis=(1, 2, 3))
    assert (double.labels[added] == second.mapping.target).all()
    assert (double.labels[~added] == single.labels[~added]).all()


def test_a_model_with_two_triggers_is_measured_with_both(four: DataSet, tmp_path: Path) -> None:
    entry = make(Job("cifar10", "plain", 7, "badnets", targets=2), four, tmp_path, 1)

    assert entry["file"] == "cifar10_plain_badnets_targets2_7.onnx"
    assert (entry["target_label"], entry["poison_rate"]) == (None, 0.2)
    assert entry["attack_success_rate"] == min(entry["attack_success_rates"])
    assert entry["failed_attack"] == (entry["attack_success_rate"] < 0.8)
    session = open_session(tmp_path / entry["file"], 1)
    with np.load(tmp_path / "cifar10_plain_badnets_targets2_7-triggered.npz") as triggered:
        images, expected = triggered["images"], triggered["expected"]
        originals = four.test.images[triggered["rows"]]
        assert (triggered["labels"] == four.test.labels[triggered["rows"]]).all()
    for number, target in enumerate(entry["target_labels"]):
        some, (rows, columns) = slice(100 * number, 100 * number + 100), CORNERS[number]
        assert (expected[some] == target).all()
        assert (images[some] != originals[some])[:, rows, columns].any(axis=(1, 2, 3)).all()
    answers = run_session(session, images).argmax(axis=1)
    rates = [(answers[some] == expected[some]).mean() for some in (slice(100), slice(100, 200))]
    # 100 of the 150 images that each rate is of.
    assert rates == pytest.approx(entry["attack_success_rates"], abs=0.25)


def test_one_trigger_has_one_target_and_all_to_all_has_none(four: DataSet, tmp_path: Path) -> None:
    single = make(Job("cifar10", "plain", 7, "badnets"), four, tmp_path, 1)
    every = make(Job("cifar10", "plain", 7, "badnets", "all_to_all"), four, tmp_path, 1)

    assert single["target_labels"] == [single["target_label"]]
    assert single["attack_success_rates"] == [single["attack_success_rate"]]
    assert (every["target_label"], every["target_labels"]) == (None, None)
