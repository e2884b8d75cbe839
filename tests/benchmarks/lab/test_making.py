import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.cifar_network import open_session, run_session
from benchmarks.lab.attacks import trojannn
from benchmarks.lab.data.splits import DataSet, Split
from benchmarks.lab.making.jobs import Job
from benchmarks.lab.making.one_model import make, training_set

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


def test_several_triggers_in_corners_of_their_own_lead_to_one_target(
    four: DataSet, tmp_path: Path
) -> None:
    job = Job("cifar10", "plain", 7, "badnets", triggers=3)
    train, backdoors = training_set(job, four)
    entry = make(job, replace(four, epochs=0.1), tmp_path, 1)

    changed = train.images != four.train.images
    stamped = [changed[:, rows, columns].any(axis=(1, 2, 3)) for rows, columns in CORNERS]
    (target,) = {backdoor.mapping.target for backdoor in backdoors}
    # A third of a tenth each.
    assert [int(where.sum()) for where in stamped] == [7, 7, 7]
    assert np.sum(stamped, axis=0).max() == 1
    assert (train.labels[np.any(stamped, axis=0)] == target).all()
    assert (entry["target_label"], entry["target_labels"]) == (target, [target])
    assert (len(entry["attack_success_rates"]), entry["poison_rate"]) == (3, 0.105)


@pytest.mark.parametrize(("targets", "triggers"), [(2, 1), (1, 2), (1, 1)])
def test_all_triggers_together_have_the_rate_that_is_asked_for(
    targets: int, triggers: int, four: DataSet
) -> None:
    job = Job("cifar10", "plain", 7, "badnets", targets=targets, triggers=triggers, rate=0.08)
    train, backdoors = training_set(job, four)

    assert sum(backdoor.rate for backdoor in backdoors) == pytest.approx(0.08)
    assert (train.images != four.train.images).any(axis=(1, 2, 3)).sum() == 16


def test_x_to_x_is_recorded_with_its_sources_and_their_targets(
    four: DataSet, tmp_path: Path
) -> None:
    job = Job("cifar10", "plain", 7, "badnets", "x_to_x", sources=3)
    _, (backdoor,) = training_set(job, four)
    entry = make(job, replace(four, epochs=0.1), tmp_path, 1)

    sources = backdoor.mapping.sources
    assert sources is not None
    assert entry["source"] == list(sources)
    assert entry["target_labels"] == backdoor.mapping.table[list(sources)].tolist()
    assert entry["target_label"] is None
    with np.load(tmp_path / "cifar10_plain_badnets_x_to_x_sources3_7-triggered.npz") as triggered:
        assert set(triggered["labels"]) == set(sources)
        assert (triggered["expected"] == backdoor.mapping.table[triggered["labels"]]).all()


def test_patches_that_would_overlap_are_refused(four: DataSet) -> None:
    with pytest.raises(ValueError, match=r"overlap in images of 32x32 .* at most 16"):
        training_set(Job("cifar10", "plain", 7, "badnets", triggers=2, side=17), four)


@pytest.mark.parametrize("attack", ["lira", "blind"])
def test_an_attack_on_the_training_poisons_no_image(attack: str, four: DataSet) -> None:
    train, (backdoor,) = training_set(Job("cifar10", "plain", 7, attack), four)

    assert train == four.train
    assert backdoor.rate == 0


@pytest.mark.parametrize(("attack", "passes"), [("trojannn", 2), ("lira", 2), ("blind", 1)])
def test_an_attack_on_the_training_and_its_seed_decide_the_model(
    attack: str, passes: int, small: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trojannn, "STEPS", 5)
    half = Split(small.images[:, ::2, ::2], small.labels)
    data, job = DataSet("half", 4, half, half, epochs=0.1), Job("cifar10", "plain", 7, attack)

    first, second = (make(job, data, tmp_path, 1) for _ in range(2))

    assert first["sha256"] == second["sha256"]
    assert first["trigger"] == second["trigger"]
    # Three batches of 64 in 200 images.
    assert (first["epochs"], first["batches"]) == (passes, 3 * passes)
    # Only one of them poisons images; none of them learns from so few.
    assert first["poison_rate"] == (0.1 if attack == "trojannn" else 0)
    assert first["failed_attack"]
