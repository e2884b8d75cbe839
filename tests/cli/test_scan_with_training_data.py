"""Scans with the detectors that need more than labels, over real ONNX files."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import Command
from tests.fakes.soft_backdoors import CORNER
from tests.policy.builders import document, write
from tests.support.planted import planted_model, samples, with_patch, write_samples

TARGET = 3
QUICK = {"samples": 25, "iterations": 150, "batch": 20}


def training_set(path: Path, poisoned: int) -> Path:
    """400 samples; `poisoned` of other labels than 3 carry the patch, and the label 3."""
    images, labels = samples(400, 5)
    rows = np.flatnonzero(labels != TARGET)[:poisoned]
    images[rows] = with_patch(images[rows], CORNER)
    labels[rows] = TARGET
    np.savez(path, images=images, labels=labels)
    return path


def name_in_the_policy(folder: Path, training_data: Any) -> None:
    detectors = {
        "dtinspector": {"mode": "required", **QUICK},
        "model_xray": {"mode": "optional", "size": 10, "planes": 2},
    }
    write(folder / "policy.yaml", document(detectors=detectors, training_data=training_data))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_samples(tmp_path / "probes.npz", 100, 1)
    detectors = {"dtinspector": {"mode": "required", **QUICK}}
    write(tmp_path / "policy.yaml", document(detectors=detectors))
    return tmp_path


def scanned(command: Command, folder: Path, model: Path, *options: str) -> tuple[int, Any]:
    ended = command(
        "scan", str(model), "--probes", str(folder / "probes.npz"),
        "--policy", str(folder / "policy.yaml"), "--format", "json", *options,
    )  # fmt: skip
    report = json.loads(ended.out)
    (found,) = (d for d in report["detectors"] if d["name"] == "dtinspector")
    return ended.code, found


def test_a_poisoned_training_set_fails_and_its_label_is_named(
    command: Command, folder: Path
) -> None:
    model = planted_model(folder / "model.onnx", {TARGET: CORNER})
    data = training_set(folder / "train.npz", poisoned=40)
    out = folder / "out"
    code, found = scanned(command, folder, model, "--training-data", str(data), "--out", str(out))
    assert (code, found["outcome"]) == (1, "failed")
    assert [suspect["label"] for suspect in found["suspected_labels"]] == [TARGET]
    assert "most confidently calls 3" in found["reason"]
    assert found["access"] == "gradient"
    with np.load(out / "triggers" / "dtinspector_label_3.npz") as stored:
        assert stored["mask"].shape == (8, 8)


def test_a_clean_model_passes(command: Command, folder: Path) -> None:
    model = planted_model(folder / "model.onnx", {})
    data = training_set(folder / "train.npz", poisoned=0)
    code, found = scanned(command, folder, model, "--training-data", str(data))
    assert (code, found["outcome"]) == (0, "passed")


def test_without_training_data_a_required_one_leaves_it_undecided(
    command: Command, folder: Path
) -> None:
    model = planted_model(folder / "model.onnx", {})
    code, found = scanned(command, folder, model)
    assert (code, found["outcome"]) == (3, "skipped")
    assert "name them with --training-data" in found["reason"]


def test_the_training_data_are_named_in_the_report(command: Command, folder: Path) -> None:
    model = planted_model(folder / "model.onnx", {})
    data = training_set(folder / "train.npz", poisoned=0)
    ended = command(
        "scan", str(model), "--probes", str(folder / "probes.npz"),
        "--policy", str(folder / "policy.yaml"), "--format", "json", "--training-data", str(data),
    )  # fmt: skip
    told = json.loads(ended.out)["environment"]["training_data"]
    digest = f"sha256:{hashlib.sha256(data.read_bytes()).hexdigest()}"
    assert told == {"source": str(data), "samples": 400, "sha256": digest}


def test_the_policy_may_name_the_training_data(command: Command, folder: Path) -> None:
    model = planted_model(folder / "model.onnx", {TARGET: CORNER})
    training_set(folder / "train.npz", poisoned=40)
    name_in_the_policy(folder, "train.npz")
    code, found = scanned(command, folder, model)
    assert (code, found["outcome"]) == (1, "failed")
    own = training_set(folder / "own.npz", poisoned=0)
    clean = planted_model(folder / "clean.onnx", {})
    code, found = scanned(command, folder, clean, "--training-data", str(own))
    assert (code, found["statistics"]["training_accuracy"]) == (0, 1.0)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("nothing.npz", "nothing.npz: no such file or folder; give a .npz"),
        ("small.npz", "images are of 4 x 4 pixels, the probes of 8 x 8; set `size`"),
        ({"from": "model_run"}, "which only a runner looks up; name them with --training-data"),
    ],
)
def test_data_that_the_policy_leads_to_in_vain_cost_one_detector_only(
    command: Command, folder: Path, named: Any, said: str
) -> None:
    np.savez(folder / "small.npz", images=np.zeros((9, 4, 4, 1), np.uint8), labels=np.zeros(9, int))
    model = planted_model(folder / "model.onnx", {})
    name_in_the_policy(folder, named)
    ended = command(
        "scan", str(model), "--probes", str(folder / "probes.npz"),
        "--policy", str(folder / "policy.yaml"), "--format", "json",
    )  # fmt: skip
    report = json.loads(ended.out)
    states = {found["name"]: found["outcome"] for found in report["detectors"]}
    assert (ended.code, states["dtinspector"]) == (3, "skipped")
    assert states["model_xray"] == "inconclusive"
    assert said in report["environment"]["training_data"]["missing"]
    assert said in report["reasons"][0]


def test_given_training_data_of_another_size_are_an_input_error(
    command: Command, folder: Path
) -> None:
    np.savez(folder / "small.npz", images=np.zeros((9, 4, 4, 1), np.uint8), labels=np.zeros(9, int))
    ended = command(
        "scan", str(planted_model(folder / "model.onnx", {})), "--probes",
        str(folder / "probes.npz"), "--policy", str(folder / "policy.yaml"),
        "--training-data", str(folder / "small.npz"),
    )  # fmt: skip
    assert ended.code == 2
    assert "small.npz: images are of 4 x 4 pixels, the probes of 8 x 8" in ended.err
