"""Training data that nobody gave to this very scan, and what becomes of broken ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.soft_oracles import SoftOracle
from tests.scan.making import CENTRES, TINY, probe_set, scan, tiny_policy
from xray_gate.core.errors import InputError
from xray_gate.core.evidence import DetectorEvidence, Evidence, RunState
from xray_gate.core.file_digest import file_digest
from xray_gate.probing.training_data import TrainingData
from xray_gate.scan.training import found_training_data, given_training_data
from xray_gate.scan.work import MissingTraining, TrainingFiles

RULES = tiny_policy(
    detectors={"model_xray": TINY, "dtinspector": {"samples": 10, "iterations": 5, "batch": 4}}
)
NAME = "runs:/r/train.npz"


def files(folder: Path, **changes: Any) -> TrainingFiles:
    """100 samples in a file whose last row, if it is changed, only a whole pass sees."""
    probes = probe_set(100)
    images = probes.images.copy()
    images[-1] = changes.get("last", images[-1])
    path = folder / "train.npz"
    np.savez(path, images=images, labels=probes.labels)
    return TrainingFiles(NAME, path)


def scanned(folder: Path, training: TrainingData | MissingTraining) -> Evidence:
    return scan(folder, lambda: SoftOracle(CENTRES), RULES, training=training).evidence


def inspector(evidence: Evidence) -> DetectorEvidence:
    return next(found for found in evidence.detectors if found.name == "dtinspector")


def test_sound_data_go_by_the_name_that_people_know(tmp_path: Path) -> None:
    training = files(tmp_path)
    found = found_training_data(training, None, probe_set())
    evidence = scanned(tmp_path, found)
    assert evidence.environment["training_data"] == {
        "source": NAME,
        "samples": 100,
        "sha256": file_digest(training.path),
    }
    assert inspector(evidence).statistics["training_samples"] == 100
    assert inspector(evidence).statistics["training_accuracy"] == 1.0
    assert not isinstance(found, MissingTraining)
    assert found.name(7) == "train.npz: row 7"


def test_why_data_are_missing_is_what_the_detector_says(tmp_path: Path) -> None:
    evidence = scanned(tmp_path, MissingTraining("the run logged none; log some"))
    told = inspector(evidence)
    assert told.state is RunState.SKIPPED
    assert told.reason == "needs the model's own training data: the run logged none; log some"
    assert evidence.environment["training_data"] == {"missing": "the run logged none; log some"}


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_a_broken_file_is_missing_and_named_without_its_folder(
    content: bytes, tmp_path: Path
) -> None:
    training = files(tmp_path)
    training.path.write_bytes(content)
    found = found_training_data(training, None, probe_set())
    assert isinstance(found, MissingTraining)
    assert found.reason.startswith(f"{NAME}: cannot be read as .npz (File is not a zip file); ")
    with pytest.raises(InputError, match=r"^/.*train\.npz: cannot be read as \.npz"):
        given_training_data(training, None, probe_set())


def test_a_broken_row_ends_one_detector_where_the_policy_led_to_it(tmp_path: Path) -> None:
    broken = files(tmp_path, last=2.5)
    found = found_training_data(broken, None, probe_set())
    assert not isinstance(found, MissingTraining)
    evidence = scanned(tmp_path, found)
    told = inspector(evidence)
    assert told.state is RunState.ERRORED
    assert str(told.reason).startswith(f"{NAME}: row 99: pixels range from 2.5 to 2.5; ")
    assert evidence.detectors[0].state is RunState.COMPLETED
    assert evidence.obstacle is None


def test_a_broken_row_is_an_input_error_where_it_was_given(tmp_path: Path) -> None:
    given = given_training_data(files(tmp_path, last=2.5), None, probe_set())
    with pytest.raises(InputError, match=r"row 99: pixels range from 2\.5"):
        scanned(tmp_path, given)
