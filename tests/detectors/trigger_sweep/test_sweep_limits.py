"""Models and probes with which a sweep can do little."""

from typing import Any

import numpy as np
import pytest

from tests.detectors.trigger_sweep.making import world
from tests.detectors.trigger_sweep.running import LEVEL, completed, inconclusive, planted, sweep
from tests.fakes.backdoors import HashOracle
from tests.fakes.oracles import OneLabelOracle, RandomOracle, RegionsOracle
from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES
from xray_gate.probing.probe_set import ProbeSet

NOT_ON_FLAT = sorted(n for n, family in ALL_FAMILIES.items() if not family.for_flat_images)

pytestmark = pytest.mark.usefixtures("few_trials")


def test_a_model_of_one_label_is_inconclusive() -> None:
    _, probes = world(5, 20)
    oracle = OneLabelOracle(5, label=2)
    run = sweep(oracle, probes, labels=np.full(100, 2, np.int64))
    assert "predicts one label only: 2 for all 100 probes" in inconclusive(run)
    assert oracle.queries == 0


def test_a_sound_model_of_two_labels_is_not_suspect() -> None:
    centres, probes = world(2, 30)
    found = completed(sweep(RegionsOracle(centres), probes))
    assert found["p_value"] > LEVEL
    assert len(found["flip_rate_by_label"]) == 2


def test_a_backdoor_in_a_model_of_two_labels_is_found() -> None:
    centres, probes = world(2, 30)
    run = sweep(planted(centres, 1), probes)
    assert completed(run)["p_value"] < LEVEL
    assert [suspect.label for suspect in run.evidence.suspected_labels] == [1]


@pytest.mark.parametrize("per_call", [True, False])
@pytest.mark.parametrize("classes", [10, 50])
def test_a_model_that_answers_by_chance_is_flagged_as_all_to_all(
    classes: int, per_call: bool
) -> None:
    _, probes = world(classes, 100 // classes)
    rng = np.random.default_rng(0)
    oracle = RandomOracle(classes, rng) if per_call else HashOracle(classes)
    found = completed(sweep(oracle, probes))
    assert found["p_value"] < LEVEL
    assert found["candidate"]["reading"]["kind"] == "all-to-all"
    assert found["total_flip_rate"] > 0.8


@pytest.mark.parametrize("per_call", [True, False])
@pytest.mark.parametrize("classes", [2, 3])
def test_answers_by_chance_of_few_labels_end_without_an_error(classes: int, per_call: bool) -> None:
    _, probes = world(classes, 60 // classes)
    rng = np.random.default_rng(0)
    oracle = RandomOracle(classes, rng) if per_call else HashOracle(classes)
    found = completed(sweep(oracle, probes))
    # Half or two thirds move under every trigger: the model's own pull, which is allowed.
    assert found["total_flip_rate"] > 0.4
    assert 0 < found["p_value"] <= 1
    assert classes > 2 or found["p_value"] > LEVEL


@pytest.mark.parametrize("correct", [0, 5, 23])
def test_too_few_correct_probes_are_inconclusive(correct: int) -> None:
    centres, probes = world(5, 12)
    labels = (probes.labels + 1) % 5
    labels[:correct] = probes.labels[:correct]
    oracle = RegionsOracle(centres)
    reason = inconclusive(sweep(oracle, probes, labels=labels))
    assert f"only {correct} probes are classified as labelled, and 24 are needed" in reason
    assert oracle.queries == 0


def test_just_enough_correct_probes_are_swept() -> None:
    centres, probes = world(4, 12)
    labels = (probes.labels + 1) % 4
    labels[:24] = probes.labels[:24]
    found = completed(sweep(RegionsOracle(centres), probes, queries=8_000, labels=labels))
    assert found["images"] == {"swept": 12, "held_out": 12}


def test_correct_probes_of_a_single_class_are_swept() -> None:
    centres, probes = world(5, 40)
    labels = np.where(probes.labels == 1, 1, 0)
    labels[probes.labels == 0] = 1
    found = completed(sweep(RegionsOracle(centres), probes, queries=8_000, labels=labels))
    assert found["images"] == {"swept": 20, "held_out": 20}
    assert found["sources_not_tested"] == [0, 2, 3, 4]


def on_black(classes: int, each: int) -> tuple[np.ndarray[Any, Any], ProbeSet]:
    """Grey bars on plain black, a class for each height."""
    centres = np.zeros((classes, 1, 28, 28), np.float32)
    for label in range(classes):
        centres[label, :, 4 + 5 * label : 7 + 5 * label, 4:24] = 0.7
    labels = np.arange(classes * each) % classes
    noise = np.random.default_rng(0).normal(0, 0.1, (len(labels), 1, 28, 28))
    images = np.where(centres[labels] > 0, centres[labels] + noise, 0)
    return centres, ProbeSet(np.clip(images, 0, 0.95).astype(np.float32), labels)


def test_on_flat_images_families_that_cannot_be_judged_are_left_out_and_named() -> None:
    centres, probes = on_black(4, 15)
    found = completed(sweep(RegionsOracle(centres), probes, queries=8_000))
    assert found["families_not_judged"] == NOT_ON_FLAT
    assert not {tested["family"] for tested in found["tested"]} & set(NOT_ON_FLAT)
    assert [kind["kind"] for kind in found["detection_limit"]["kinds"]] == ["patch", "pixels"]


def test_on_other_images_every_family_is_judged() -> None:
    centres, probes = world(4, 15)
    found = completed(sweep(RegionsOracle(centres), probes, queries=8_000))
    assert found["families_not_judged"] == []


def test_flat_images_with_no_family_left_are_inconclusive() -> None:
    centres, probes = on_black(4, 15)
    oracle = RegionsOracle(centres)
    reason = inconclusive(sweep(oracle, probes, families=["stripes", "ghost"]))
    assert "most of every probe is plain black or white" in reason
    assert "(stripes, ghost)" in reason
    assert reason.endswith("add patch or pixels")
    assert oracle.queries == 0
