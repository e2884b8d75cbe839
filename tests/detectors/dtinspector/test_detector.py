from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.soft_backdoors import CORNER, PlantedOracle, planted_subject
from xray_gate.core.access import Access
from xray_gate.core.evidence import RunState
from xray_gate.detectors.dtinspector.detector import DTInspector
from xray_gate.detectors.interface import DetectorRun, Subject
from xray_gate.probing.batches import FloatArray, Images, LabelArray
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.probing.training_data import TrainingData, open_training_data

QUICK = {"samples": 25, "iterations": 150, "batch": 20, "patches_by": "queries"}
BY_GRADIENTS = {"samples": 25, "steps": 200, "patches_by": "gradients"}
SEEDS = range(6)
TARGET = 3
SIDE = 8


def saved(folder: Path, images: FloatArray, labels: LabelArray) -> TrainingData:
    path = folder / "train.npz"
    np.savez(path, images=images, labels=labels)
    return open_training_data(path)


def trained(
    folder: Path,
    seed: int,
    poisoned: int = 40,
    count: int = 400,
    kind: type[PlantedOracle] = PlantedOracle,
) -> Subject:
    """A model, its probes and training data; `poisoned` of these carry a patch that leads to 3."""
    rng = np.random.default_rng(seed)
    centres = rng.random((5, 1, SIDE, SIDE))
    # No class may look like the patch by chance.
    centres[:, :, *CORNER] *= 0.4
    labels = np.arange(count) % 5
    # Between two classes now and then, so that the model is not equally sure of all.
    other = centres[rng.integers(0, 5, count)]
    mixed = rng.uniform(0, 0.35, (count, 1, 1, 1))
    noise = 0.1 * rng.standard_normal((count, 1, SIDE, SIDE))
    images = np.clip((1 - mixed) * centres[labels] + mixed * other + noise, 0, 1)
    probes = ProbeSet(np.asarray(images[:50], np.float32), labels[:50])
    oracle = kind(centres, {TARGET: CORNER} if poisoned else {})
    rows = rng.choice(np.flatnonzero(labels != TARGET), poisoned, replace=False)
    images, labels = images.copy(), labels.copy()
    images[rows, :, *CORNER] = 1.0
    labels[rows] = TARGET
    training = saved(folder, np.asarray(images, np.float32), labels)
    return Subject(oracle, probes, oracle.labels(probes.as_batch()), training=training)


def scan(subject: Subject, seed: int = 0, **parameters: int | str) -> DetectorRun:
    return DTInspector.from_json({**QUICK, **parameters}).run(subject, np.random.default_rng(seed))


def suspected(run: DetectorRun) -> list[int]:
    assert run.evidence.state is RunState.COMPLETED, run.evidence.reason
    return [found.label for found in run.evidence.suspected_labels]


def test_the_label_of_a_planted_patch_is_found(tmp_path: Path) -> None:
    found = Counter(str(suspected(scan(trained(tmp_path, seed), seed))) for seed in SEEDS)
    assert found["[3]"] >= 4
    assert set(found) <= {"[3]", "[]"}


def test_clean_models_are_not_suspected(tmp_path: Path) -> None:
    runs = [scan(trained(tmp_path, seed, poisoned=0), seed) for seed in SEEDS]
    assert [suspected(run) for run in runs] == [[]] * len(SEEDS)


def test_the_statistics_hold_an_entry_for_each_label(tmp_path: Path) -> None:
    evidence = scan(trained(tmp_path, 0)).evidence
    found = evidence.statistics
    assert evidence.access is Access.SOFT_LABEL
    for name in ("transfer_ratio", "fitted_ratio", "anomaly_index", "mask_l1", "samples"):
        assert len(found[name]) == 5
    assert all(0 <= ratio <= 1 for ratio in found["transfer_ratio"])
    assert found["labels_not_tested"] == []
    assert found["training_samples"] == sum(found["samples"]) == 400
    assert found["training_accuracy"] > 0.9
    assert (
        evidence.queries
        <= evidence.parameters["query_budget"]
        == DTInspector.from_json(QUICK).budget(5, 400)
    )


def test_a_seed_fixes_the_evidence(tmp_path: Path) -> None:
    subject = trained(tmp_path, 0)
    first, again, other = (scan(subject, seed, iterations=20).evidence for seed in (1, 1, 2))
    assert first.statistics == again.statistics
    assert first.statistics != other.statistics


def test_labels_with_too_few_samples_are_reported(tmp_path: Path) -> None:
    subject = trained(tmp_path, 0, poisoned=0)
    assert subject.training is not None
    images = subject.training.take(np.arange(400))
    labels = np.arange(400) % 5
    kept = np.flatnonzero((labels != 2) | (np.arange(400) < 60))
    few = saved(tmp_path, images[kept], labels[kept])
    found = scan(Subject(subject.oracle, subject.probes, subject.probe_labels, training=few))
    assert found.evidence.state is RunState.COMPLETED
    assert found.evidence.statistics["labels_not_tested"] == [2]
    assert found.evidence.statistics["transfer_ratio"][2] is None
    assert found.evidence.statistics["samples"][2] == 12


def test_too_few_labels_to_compare_are_inconclusive(tmp_path: Path) -> None:
    subject = trained(tmp_path, 0, poisoned=0)
    assert subject.training is not None
    images, labels = subject.training.take(np.arange(400)), np.arange(400) % 5
    kept = np.flatnonzero(labels < 3)
    few = saved(tmp_path, images[kept], labels[kept])
    found = scan(Subject(subject.oracle, subject.probes, subject.probe_labels, training=few))
    assert found.evidence.state is RunState.INCONCLUSIVE
    assert "only 3 of 5 labels have 25 training samples" in str(found.evidence.reason)


def test_without_training_data_it_is_skipped() -> None:
    evidence = scan(planted_subject()).evidence
    assert evidence.state is RunState.SKIPPED
    assert "needs the model's own training data" in str(evidence.reason)
    assert evidence.queries == 0


def test_data_that_the_model_was_not_trained_on_are_inconclusive(tmp_path: Path) -> None:
    subject = trained(tmp_path, 0)
    rng = np.random.default_rng(1)
    other = saved(tmp_path, rng.random((60, 1, SIDE, SIDE), dtype=np.float32), np.arange(60) % 5)
    evidence = scan(
        Subject(subject.oracle, subject.probes, subject.probe_labels, training=other)
    ).evidence
    assert evidence.state is RunState.INCONCLUSIVE
    assert "it was hardly trained on these data" in str(evidence.reason)


def test_what_is_shown_are_unconfident_samples_under_the_patch(tmp_path: Path) -> None:
    subject = trained(tmp_path, 1)
    run = scan(subject, 1)
    shown = run.triggers[0]
    assert shown.mask is not None
    assert shown.pattern is not None
    np.testing.assert_allclose(
        shown.after, (1 - shown.mask) * shown.before + shown.mask * shown.pattern, atol=1e-6
    )
    np.testing.assert_array_equal(shown.labels_after, subject.oracle.labels(Images(shown.after)))
    assert (shown.labels_before == shown.label).all()


@pytest.mark.parametrize(
    ("name", "value"), [("samples", 9), ("iterations", 0), ("batch", True), ("samples", 2.5)]
)
def test_parameters_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(Exception, match=f"dtinspector: {name} is {value}; set it to"):
        DTInspector.from_json({name: value})
