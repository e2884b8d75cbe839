from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.fakes.oracles import RegionsOracle
from tests.fakes.soft_backdoors import CORNER, OTHER_CORNER, PlantedOracle
from tests.fakes.soft_oracles import GivenProbabilities, SoftOracle
from tests.mitigation.patches import patch
from tests.support.planted import CENTRES, samples
from tests.support.poisoned import TARGET, poisoned
from xray_gate.core.errors import InputError, ModelAnswerError
from xray_gate.detectors.dtinspector.detector import DTInspector
from xray_gate.detectors.interface import Subject
from xray_gate.mitigation.cleansing import Inspected, inspected_samples
from xray_gate.probing.batches import FloatArray, Images
from xray_gate.probing.oracle import HardLabelOracle
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.probing.training_data import TrainingData, open_training_data
from xray_gate.probing.trigger_files import StoredTrigger

QUICK = {"samples": 25, "iterations": 150, "batch": 20}
SEEDS = range(6)
BUDGET = "xray_gate.mitigation.cleansing._MOST_VALUES"


def planted() -> PlantedOracle:
    return PlantedOracle(CENTRES, {TARGET: CORNER})


def whole(oracle: HardLabelOracle, training: TrainingData, *patches: StoredTrigger) -> Inspected:
    parts = list(inspected_samples(oracle, training, patches))
    names = ("rows", "labels", "before", "after", "drops")
    return Inspected(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def under(image: FloatArray, laid: StoredTrigger) -> FloatArray:
    return (1 - laid.mask) * image + laid.mask * laid.pattern


def learned(seed: int, training: TrainingData) -> StoredTrigger:
    """The patch for the infected label that DTInspector itself learns and shows."""
    oracle, probes = planted(), ProbeSet(*samples(50, 100 + seed))
    subject = Subject(oracle, probes, oracle.labels(probes.as_batch()), training=training)
    run = DTInspector.from_json(QUICK).run(subject, np.random.default_rng(seed))
    (shown,) = [trigger for trigger in run.triggers if trigger.label == TARGET]
    assert shown.mask is not None
    assert shown.pattern is not None
    return StoredTrigger(TARGET, shown.mask, shown.pattern, shown.detector, "scan-1")


def test_a_learned_patch_gives_poisoned_samples_away(tmp_path: Path) -> None:
    recalls, precisions = [], []
    for seed in SEEDS:
        data = poisoned(seed)
        training = data.opened(tmp_path)
        found = whole(planted(), training, learned(seed, training))
        carrying = np.isin(found.rows, data.rows)
        assert carrying.sum() == len(data.rows) == 40
        recalls.append(found.suspected[carrying].mean())
        precisions.append(carrying[found.suspected].mean())
    assert min(recalls) > 0.65
    assert np.mean(recalls) > 0.9
    assert min(precisions) > 0.97


def test_what_is_found_is_what_the_model_says(tmp_path: Path) -> None:
    data = poisoned(0)
    found = whole(planted(), data.opened(tmp_path), patch())
    np.testing.assert_array_equal(found.rows, np.flatnonzero(data.labels == TARGET))
    assert set(found.labels) == {TARGET}
    images = data.images[found.rows]
    answers = [
        planted().probabilities(Images(pixels)) for pixels in (images, under(images, patch()))
    ]
    np.testing.assert_array_equal(found.before, answers[0].argmax(axis=1))
    np.testing.assert_array_equal(found.after, answers[1].argmax(axis=1))
    drops = (answers[0] - answers[1])[:, TARGET]
    np.testing.assert_allclose(found.drops, drops, atol=1e-5)
    assert found.drops.dtype == np.float64
    assert np.abs(found.drops).max() <= 1
    assert {values.dtype for values in (found.rows, found.labels, found.before, found.after)} == {
        np.dtype(np.int64)
    }


def test_a_patch_that_breaks_the_trigger_finds_every_poisoned_sample(tmp_path: Path) -> None:
    data = poisoned(1)
    found = whole(planted(), data.opened(tmp_path), patch())
    np.testing.assert_array_equal(found.rows[found.suspected], data.rows)
    carrying = np.isin(found.rows, data.rows)
    assert found.drops[carrying].min() > 0.8
    assert found.drops[~carrying].max() < 0.5


def test_each_label_has_its_own_patch(tmp_path: Path) -> None:
    first, second = poisoned(2, target=3, place=CORNER), poisoned(3, target=1, place=OTHER_CORNER)
    images = np.concatenate([first.images, second.images])
    labels = np.concatenate([first.labels, second.labels])
    np.savez(tmp_path / "both.npz", images=images, labels=labels)
    training = open_training_data(tmp_path / "both.npz")
    oracle = PlantedOracle(CENTRES, {3: CORNER, 1: OTHER_CORNER})
    patches = {3: patch(3), 1: patch(1, OTHER_CORNER)}
    found = whole(oracle, training, patches[3], patches[1])
    np.testing.assert_array_equal(found.rows, np.flatnonzero((labels == 3) | (labels == 1)))
    np.testing.assert_array_equal(found.labels, labels[found.rows])
    for label, laid in patches.items():
        mine = found.labels == label
        after = oracle.labels(Images(under(images[found.rows[mine]], laid)))
        np.testing.assert_array_equal(found.after[mine], after)
        alone = whole(oracle, training, laid)
        np.testing.assert_array_equal(alone.rows, found.rows[mine])
        np.testing.assert_array_equal(alone.suspected, found.suspected[mine])
    carrying = np.concatenate([first.rows, 400 + second.rows])
    assert set(carrying) <= set(found.rows[found.suspected])


def test_a_sample_that_never_had_the_label_is_not_suspected(tmp_path: Path) -> None:
    """A wrong label that the model did not learn: not the patch takes it away."""
    images, labels = samples(100, 1)
    wrong = np.flatnonzero(labels == 2)[:5]
    labels = labels.copy()
    labels[wrong] = TARGET
    np.savez(tmp_path / "wrong.npz", images=images, labels=labels)
    found = whole(planted(), open_training_data(tmp_path / "wrong.npz"), patch())
    mine = np.isin(found.rows, wrong)
    assert mine.sum() == 5
    assert (found.before[mine] == 2).all()
    assert (found.after[mine] != TARGET).all()
    assert not found.predicted[mine].any()
    assert not found.suspected[mine].any()
    assert (found.before[~mine] == TARGET).mean() > 0.9


def test_pieces_do_not_grow_with_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = poisoned(4, count=1000)
    training = data.opened(tmp_path)
    expected = whole(planted(), training, patch())
    # An image has 64 values, and its two answers have 5 each.
    monkeypatch.setattr(BUDGET, 50 * 74)
    oracle = planted()
    parts = list(inspected_samples(oracle, training, [patch()]))
    # 300 samples have the label, and all but the last piece are full.
    assert [len(part) for part in parts] == [50] * 6
    assert oracle.soft_batches == [50] * 12
    np.testing.assert_array_equal(np.concatenate([part.rows for part in parts]), expected.rows)
    np.testing.assert_array_equal(np.concatenate([part.drops for part in parts]), expected.drops)


def test_the_last_piece_is_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = poisoned(4)
    monkeypatch.setattr(BUDGET, 50 * 74)
    parts = list(inspected_samples(planted(), data.opened(tmp_path), [patch()]))
    assert [len(part) for part in parts] == [50, 50, 20]


def test_one_image_is_asked_about_however_large_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BUDGET, 1)
    oracle = planted()
    found = whole(oracle, poisoned(4, count=40).opened(tmp_path), patch())
    assert len(found) == 12
    assert oracle.soft_batches == [1] * 24


def test_how_many_rows_are_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BUDGET, 150 * 74)
    told: list[int] = []
    training = poisoned(0).opened(tmp_path)
    assert list(inspected_samples(planted(), training, [patch()], told.append))
    assert told == [150, 300, 400]


def test_data_without_the_label_ask_nothing(tmp_path: Path) -> None:
    images, labels = samples(100, 1)
    kept = labels != TARGET
    np.savez(tmp_path / "t.npz", images=images[kept], labels=labels[kept])
    oracle = planted()
    training = open_training_data(tmp_path / "t.npz")
    assert list(inspected_samples(oracle, training, [patch()])) == []
    assert oracle.queries == 0


def test_a_constant_model_loses_nothing(tmp_path: Path) -> None:
    oracle = GivenProbabilities([0.1, 0.1, 0.1, 0.6, 0.1], 5)
    found = whole(oracle, poisoned(0).opened(tmp_path), patch())
    assert set(found.drops) == {0.0}
    assert found.predicted.all()
    assert not found.suspected.any()


class _Rounding(SoftOracle):
    """Certain of label 3 before, of another one after, with a probability a little above 1."""

    def _soft_answer(self, images: FloatArray) -> FloatArray:
        certain = np.zeros((len(images), 5), np.float32)
        certain[:, 3 if len(self.soft_batches) == 1 else 4] = 1.0005
        return certain


def test_a_drop_has_an_end(tmp_path: Path) -> None:
    found = whole(_Rounding(np.zeros((5, 1))), poisoned(0).opened(tmp_path), patch())
    assert set(found.drops) == {1.0}
    assert found.suspected.all()


@pytest.mark.parametrize(
    ("patches", "said"),
    [
        ([], "a patch for each label of 5, not for \\[\\]"),
        ([patch(3), patch(3)], "not for \\[3, 3\\]"),
        ([patch(5)], "not for \\[5\\]"),
        ([patch(3), patch(1, side=9)], "images of \\(1, 8, 8\\) and a patch of \\(1, 9, 9\\)"),
    ],
)
def test_patches_have_to_fit(patches: list[StoredTrigger], said: str, tmp_path: Path) -> None:
    training = poisoned(0).opened(tmp_path)
    with pytest.raises(ValueError, match=said):
        inspected_samples(planted(), training, patches)


def test_labels_alone_are_not_enough(tmp_path: Path) -> None:
    training = poisoned(0).opened(tmp_path)
    with pytest.raises(ModelAnswerError, match="gives labels, not probabilities"):
        inspected_samples(RegionsOracle(CENTRES), training, [patch()])


def test_a_broken_sample_is_named(tmp_path: Path) -> None:
    data = poisoned(0)
    data.images[350, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match=r"train\.npz: row 350: pixels range from nan"):
        whole(planted(), data.opened(tmp_path), patch())


def test_properties_follow_the_labels() -> None:
    def of(*labels: int) -> npt.NDArray[np.int64]:
        return np.array(labels)

    found = Inspected(of(4, 5, 6), of(1, 1, 1), of(1, 1, 2), of(1, 0, 0), np.array([0.0, 0.9, 0.1]))
    assert len(found) == 3
    assert found.predicted.tolist() == [True, True, False]
    assert found.suspected.tolist() == [False, True, False]
