"""What a sweep finds, and what it says of that."""

import json
from collections.abc import Iterator

import pytest

from tests.detectors.trigger_sweep.making import Shape, from_one, next_label, to_label, world
from tests.detectors.trigger_sweep.running import LEVEL, completed, planted, sweep
from tests.fakes.backdoors import BackdooredOracle, noise_everywhere, white_in_the_corner
from tests.fakes.oracles import RegionsOracle
from xray_gate.core.evidence import SuspectedLabel
from xray_gate.detectors.interface import DetectorRun
from xray_gate.detectors.trigger_sweep import detection_limit
from xray_gate.detectors.trigger_sweep.allowances import excess

pytestmark = pytest.mark.usefixtures("few_trials")


@pytest.mark.parametrize("seed", [0, 1])
def test_a_patch_that_sends_all_to_one_label_is_found(seed: int) -> None:
    centres, probes = world(5, 20, seed=seed)
    fires = white_in_the_corner()
    oracle = BackdooredOracle(RegionsOracle(centres), fires, to_label(3))
    run = sweep(oracle, probes, seed, families=["patch"])
    found = completed(run)
    candidate = found["candidate"]
    assert found["p_value"] == candidate["p_value"] < 1e-6
    assert candidate["family"] == "patch"
    assert "patch at the bottom " in candidate["text"]
    assert candidate["reading"] == {"kind": "all-to-one", "label": 3, "source": None}
    assert candidate["share"] == candidate["moved"] / candidate["asked"] > 0.95
    assert found["excess"] > 0.9
    assert found["flip_rate"] > 0.95
    assert run.evidence.suspected_labels[0] == SuspectedLabel(3, candidate["share"])
    assert fires(run.triggers[0].after).mean() > 0.9
    assert run.triggers[0].text == candidate["text"]


def test_a_blend_is_found() -> None:
    centres, probes = world(5, 20)
    oracle = BackdooredOracle(RegionsOracle(centres), noise_everywhere(0.11), to_label(2))
    run = sweep(oracle, probes, families=["noise_blend", "warp"])
    found = completed(run)
    assert found["p_value"] < 1e-6
    assert found["candidate"]["family"] == "noise_blend"
    assert found["candidate"]["reading"]["label"] == 2
    assert "a noise image blended in at " in found["candidate"]["text"]
    assert [suspect.label for suspect in run.evidence.suspected_labels] == [2]


def test_a_patch_that_sends_every_label_to_the_next_is_found() -> None:
    centres, probes = world(5, 20)
    oracle = BackdooredOracle(RegionsOracle(centres), white_in_the_corner(), next_label(5))
    run = sweep(oracle, probes)
    found = completed(run)
    assert found["p_value"] < 1e-6
    assert found["candidate"]["reading"] == {"kind": "all-to-all", "label": None, "source": None}
    assert found["candidate"]["share"] > 0.95
    assert found["total_flip_rate"] > 0.95
    assert found["flip_rate"] < 0.6


def test_a_patch_for_one_class_is_found_with_enough_images_of_it() -> None:
    centres, probes = world(3, 40)
    fires = white_in_the_corner(pixels=1)
    oracle = BackdooredOracle(RegionsOracle(centres), fires, from_one(2, 0))
    run = sweep(oracle, probes)
    found = completed(run)
    assert found["p_value"] < LEVEL
    assert found["candidate"]["reading"] == {"kind": "source-specific", "label": 0, "source": 2}
    assert found["candidate"]["share"] == 1.0
    assert run.evidence.suspected_labels[0] == SuspectedLabel(0, 1.0)
    assert found["sources_not_tested"] == []


def test_classes_with_too_few_images_for_a_test_of_their_own_are_named() -> None:
    centres, probes = world(10, 8)
    found = completed(sweep(RegionsOracle(centres), probes))
    assert found["sources_not_tested"] == list(range(10))


def test_a_backdoor_among_a_hundred_classes_is_found() -> None:
    centres, probes = world(100, 2)
    oracle = planted(centres, 42)
    run = sweep(oracle, probes)
    assert completed(run)["p_value"] < 1e-6
    assert run.evidence.suspected_labels[0].label == 42


@pytest.mark.parametrize("seed", [0, 2, 4])
@pytest.mark.parametrize(
    ("side", "classes", "each", "queries"),
    [(16, 4, 20, 8_000), (16, 10, 10, 9_000), (16, 10, 20, 20_000), (32, 10, 8, 8_000)],
)
def test_a_sound_model_is_not_suspect(
    side: int, classes: int, each: int, queries: int, seed: int
) -> None:
    centres, probes = world(classes, each, (3, side, side), seed=seed)
    found = completed(sweep(RegionsOracle(centres), probes, seed, queries))
    assert found["p_value"] > LEVEL
    assert all(tested["p_value"] > LEVEL for tested in found["tested"])


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 24, 32)], ids=str)
def test_images_of_any_form_are_swept(shape: Shape) -> None:
    centres, probes = world(4, 15, shape)
    oracle = BackdooredOracle(RegionsOracle(centres), white_in_the_corner(10), to_label(1))
    clean, found = (
        completed(sweep(model, probes, queries=8_000, families=["patch", "frame"]))
        for model in (RegionsOracle(centres), oracle)
    )
    assert found["p_value"] < LEVEL < clean["p_value"]


@pytest.fixture(scope="module")
def backdoored() -> Iterator[DetectorRun]:
    """A sweep of a model with a patch for label 3."""
    centres, probes = world(5, 20)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(detection_limit, "TRIALS", 2)
        yield sweep(planted(centres), probes, queries=16_000)


def test_statistics_are_plain_json_with_shares_in_their_range(backdoored: DetectorRun) -> None:
    found = completed(backdoored)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    by_label = found["flip_rate_by_label"]
    assert len(by_label) == 5
    assert by_label[3] == 1.0
    assert max(by_label[:3] + by_label[4:]) < 1.0
    for share in (found["flip_rate"], found["total_flip_rate"], found["p_value"], *by_label):
        assert 0 <= share <= 1
    assert found["images"] == {"swept": 48, "held_out": 52}
    assert found["excess"] == max(excess(t["share"], t["allowance"]) for t in found["tested"])


def test_the_tested_triggers_come_with_the_smallest_p_first(backdoored: DetectorRun) -> None:
    found = completed(backdoored)
    values = [tested["p_value"] for tested in found["tested"]]
    assert values == sorted(values)
    assert found["tested"][0] == found["candidate"]
    assert 1 < len(values) <= 8


def test_a_family_that_was_not_asked_for_is_not_tried() -> None:
    centres, probes = world(5, 20)
    found = completed(sweep(RegionsOracle(centres), probes, families=["warp", "pixels"]))
    assert {tested["family"] for tested in found["tested"]} <= {"warp", "pixels"}
    assert [kind["kind"] for kind in found["detection_limit"]["kinds"]] == ["pixels"]


def test_the_detection_limit_of_a_sound_model_comes_with_the_evidence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(detection_limit, "TRIALS", 40)
    centres, probes = world(5, 20, (1, 16, 16))
    found = completed(sweep(RegionsOracle(centres), probes, queries=20_000))
    patches = found["detection_limit"]["kinds"][0]
    assert (patches["kind"], patches["smallest"]) == ("patch", 1 / 32)
    assert patches["text"].startswith("patches of 1x1 pixel")


def test_what_was_found_is_shown_once_for_every_label(backdoored: DetectorRun) -> None:
    assert 1 <= len(backdoored.triggers) <= 3
    best = backdoored.triggers[0]
    assert best.text == completed(backdoored)["candidate"]["text"]
    assert (best.labels_after == 3).all()
    assert 3 not in best.labels_before
    assert best.dose_curve is not None
    assert next(iter(best.dose_curve.shares)) == 3


def test_of_a_sound_model_the_strongest_trigger_is_shown() -> None:
    centres, probes = world(5, 20)
    run = sweep(RegionsOracle(centres), probes, queries=16_000)
    assert len(run.triggers) >= 1
    if run.evidence.statistics["excess"] <= 0:
        assert run.triggers[0].text == run.evidence.statistics["candidate"]["text"]


def test_the_weakest_dose_that_takes_a_label_over_is_told() -> None:
    centres, probes = world(5, 20)
    found = completed(sweep(planted(centres, 3), probes))
    (curve, *_) = found["dose_curves"]
    assert curve["doses"] == sorted(curve["doses"])
    assert len(curve["shares"]["3"]) == len(curve["doses"])
    weakest = curve["weakest_dose"]["3"]
    assert weakest in curve["doses"]
    before = curve["shares"]["3"][: curve["doses"].index(weakest)]
    assert all(share <= 0.5 for share in before)
