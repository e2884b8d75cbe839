from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tests.fakes.soft_backdoors import CORNER, OTHER_CORNER, Patch, planted_subject
from tests.fakes.soft_oracles import SoftOracle
from xray_gate.core.evidence import RunState
from xray_gate.detectors.b3d.detector import B3D
from xray_gate.detectors.interface import DetectorRun, Subject
from xray_gate.probing.batches import Images
from xray_gate.probing.probe_set import ProbeSet

QUICK = {"iterations": 150, "batch": 12, "samples": 20, "learning_rate": 0.1}
SEEDS = range(8)


def scan(
    planted: Mapping[int, Patch], seed: int, parameters: Mapping[str, Any] | None = None
) -> DetectorRun:
    detector = B3D.from_json({**QUICK, **(parameters or {})})
    return detector.run(planted_subject(planted, seed), np.random.default_rng(seed))


def suspected(run: DetectorRun) -> list[int]:
    assert run.evidence.state is RunState.COMPLETED
    return sorted(found.label for found in run.evidence.suspected_labels)


@pytest.fixture(scope="module")
def one_target() -> list[DetectorRun]:
    return [scan({3: CORNER}, seed) for seed in SEEDS]


def test_the_label_of_a_planted_patch_is_found(one_target: list[DetectorRun]) -> None:
    found = Counter(str(suspected(run)) for run in one_target)
    assert found["[3]"] >= 6
    # Where the search misses the patch it accuses nobody else.
    assert set(found) <= {"[3]", "[]"}


def test_the_mask_overlaps_the_patch(one_target: list[DetectorRun]) -> None:
    for run in one_target:
        if suspected(run) == [3]:
            (shown,) = run.triggers
            assert shown.mask is not None
            # Of 64 pixels the patch has four.
            assert shown.mask[CORNER].sum() > 0.3 * shown.mask.sum()


def test_clean_models_are_not_suspected() -> None:
    assert [suspected(scan({}, seed)) for seed in SEEDS] == [[]] * len(SEEDS)


def test_two_infected_labels_are_both_reported() -> None:
    found = Counter(str(suspected(scan({1: OTHER_CORNER, 3: CORNER}, seed))) for seed in SEEDS)
    assert found["[1, 3]"] >= 4
    assert found["[]"] <= 1


def test_the_statistics_hold_an_entry_for_each_label(one_target: list[DetectorRun]) -> None:
    found = one_target[1].evidence.statistics
    lists = ["mask_l1", "anomaly_index", "success_rate", "success_rate_by_class", "reached"]
    assert all(len(found[name]) == 5 for name in [*lists, "iterations", "stopped"])
    assert all(0 <= size <= 64 for size in found["mask_l1"])
    assert all(0 <= rate <= 1 for rate in found["success_rate"])
    # No image of the label itself can move there.
    assert all(str(label) not in found["success_rate_by_class"][label] for label in range(5))
    assert sorted(found["success_rate_by_class"][0]) == ["1", "2", "3", "4"]
    assert found["held_back"] in (39, 40)


def test_the_success_rate_is_measured_on_images_that_were_not_fitted_to() -> None:
    subject = planted_subject({3: CORNER}, seed=1)
    run = B3D.from_json(QUICK).run(subject, np.random.default_rng(1))
    (shown,) = run.triggers
    assert shown.mask is not None
    assert shown.pattern is not None
    found = run.evidence.statistics
    by_class = found["success_rate_by_class"][3]
    # All classes are as frequent, so that the rate is about their mean.
    assert found["success_rate"][3] == pytest.approx(np.mean(list(by_class.values())), abs=0.1)
    mask, others = shown.mask, subject.probe_labels != 3
    images = subject.probes.images[others]
    labels = subject.oracle.labels(Images((1 - mask) * images + mask * shown.pattern))
    assert (labels == 3).mean() > 0.85


def test_what_is_shown_are_held_back_images_of_other_labels(one_target: list[DetectorRun]) -> None:
    (shown,) = one_target[1].triggers
    assert shown.text.startswith("a reversed trigger of ")
    assert shown.text.endswith(" pixels for label 3")
    assert shown.before.shape == shown.after.shape == (4, 1, 8, 8)
    assert (shown.labels_before != 3).all()
    assert ((shown.after >= 0) & (shown.after <= 1)).all()
    assert shown.mask is not None
    assert shown.pattern is not None
    expected = (1 - shown.mask) * shown.before + shown.mask * shown.pattern
    np.testing.assert_allclose(shown.after, expected, atol=1e-6)


def test_without_a_suspect_the_smallest_trigger_is_shown() -> None:
    run = scan({}, 0)
    (shown,) = run.triggers
    smallest = int(np.argmin(run.evidence.statistics["mask_l1"]))
    assert shown.text.endswith(f"label {smallest}")


def test_the_budget_follows_from_the_parameters_and_the_classes() -> None:
    detector = B3D()
    assert detector.query_budget is None
    assert detector.budget(10) - detector.budget(9) == 300 * 101 * 32 + 200
    run = scan({}, 0, {"iterations": 3})
    assert run.evidence.queries <= run.evidence.parameters["query_budget"]


def test_with_three_classes_nothing_can_stand_out() -> None:
    run = B3D.from_json(QUICK).run(planted_subject(classes=3), np.random.default_rng(0))
    assert run.evidence.state is RunState.INCONCLUSIVE
    assert "the model knows 3 labels, and among fewer than 4 masks" in str(run.evidence.reason)


def test_too_few_correct_probes_are_inconclusive() -> None:
    run = B3D.from_json(QUICK).run(planted_subject(count=30), np.random.default_rng(0))
    assert run.evidence.state is RunState.INCONCLUSIVE
    assert "and 32 are needed to fit triggers and to measure them" in str(run.evidence.reason)


def test_progress_counts_the_iterations_of_all_labels() -> None:
    seen: list[tuple[int, int]] = []
    detector = B3D.from_json({**QUICK, "iterations": 5})
    detector.run(
        planted_subject(), np.random.default_rng(0), lambda done, total: seen.append((done, total))
    )
    assert seen == [(5 * step, 25) for step in range(1, 6)]


def test_synthetic_images_do_as_well_on_a_planted_patch() -> None:
    runs = [scan({3: CORNER}, seed, {"images": "synthetic"}) for seed in range(4)]
    assert sum(suspected(run) == [3] for run in runs) >= 3
    assert runs[0].evidence.parameters["images"] == "synthetic"


def test_synthetic_images_are_refused_where_they_do_not_help() -> None:
    images = np.random.default_rng(0).random((60, 1, 80, 80)).astype(np.float32)
    oracle = SoftOracle(images[:5])
    probes = ProbeSet(images, oracle.labels(ProbeSet(images, np.arange(60)).as_batch()))
    detector = B3D.from_json({**QUICK, "images": "synthetic"})
    run = detector.run(Subject(oracle, probes, probes.labels), np.random.default_rng(0))
    assert run.evidence.state is RunState.INCONCLUSIVE
    assert "synthetic images do not help at 80x80 pixels" in str(run.evidence.reason)
