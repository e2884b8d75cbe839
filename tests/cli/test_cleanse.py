"""The command over real ONNX files; every question goes to the model's own process."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from tests.cli.cleanse_place import CleansePlace, cleanse_refused, inspected, shown_patch
from tests.cli.conftest import Cleanse, Command
from tests.cli.filter_place import shown
from tests.cli.making import xray_gate
from tests.fakes.soft_backdoors import CORNER, OTHER_CORNER, PlantedOracle
from tests.policy.builders import document, write
from tests.probing.making_training_data import png
from tests.report.b3d_builders import scanned
from tests.support.planted import CENTRES, SIDE, planted_model, write_samples
from tests.support.poisoned import poisoned
from xray_gate.core.verdict import Outcome
from xray_gate.mitigation.cleansing import inspected_samples
from xray_gate.probing.preprocessing import Preprocessing
from xray_gate.probing.training_data import open_training_data
from xray_gate.probing.trigger_files import read_trigger
from xray_gate.scan.digest import model_digest

COLUMNS = ["row", "name", "label", "before", "after", "drop", "suspected"]


def read(path: Path) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = pq.read_table(path).to_pydict()
    return found


def suspects(path: Path) -> list[int]:
    table = read(path)
    return [row for row, is_so in zip(table["row"], table["suspected"], strict=True) if is_so]


def test_the_poisoned_samples_are_listed(run_cleanse: Cleanse, cleanse_place: CleansePlace) -> None:
    ended = run_cleanse()
    assert (ended.code, ended.err) == (0, "")
    table = read(cleanse_place.out)
    assert list(table) == COLUMNS
    rows = np.flatnonzero(cleanse_place.data.labels == 3)
    assert table["row"] == rows.tolist()
    assert table["name"] == [f"train.npz: row {row}" for row in rows]
    assert set(table["label"]) == {3}
    assert suspects(cleanse_place.out) == cleanse_place.data.rows.tolist()
    assert all(-1 <= drop <= 1 for drop in table["drop"])
    predicted = sum(label == 3 for label in table["before"])
    assert 110 < predicted <= 120
    assert ended.out == (
        f"{cleanse_place.out}: 40 of 400 training samples suspected\n"
        f"  label 3: 40 of 120 samples, of which the model predicts {predicted} so without the "
        "patch\n"
        "Look at the suspected samples, remove them, and train the model again without them; "
        "then scan the new one.\n"
    )
    assert not list(cleanse_place.folder.glob(".*"))


def test_the_table_holds_what_the_model_says(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    assert run_cleanse("--seed", "9").code == 0
    stored = read_trigger(cleanse_place.report / "triggers" / "dtinspector_label_3.npz")
    training = open_training_data(cleanse_place.training)
    (found,) = inspected_samples(PlantedOracle(CENTRES, {3: CORNER}), training, [stored])
    table = read(cleanse_place.out)
    assert table["before"] == found.before.tolist()
    assert table["after"] == found.after.tolist()
    np.testing.assert_allclose(table["drop"], found.drops, atol=1e-3)


def test_programs_read_json(run_cleanse: Cleanse, cleanse_place: CleansePlace) -> None:
    ended = run_cleanse("--format", "json")
    assert ended.code == 0
    table = read(cleanse_place.out)
    assert json.loads(ended.out) == {
        "out": str(cleanse_place.out),
        "training_data": str(cleanse_place.training),
        "samples": 400,
        "suspected": 40,
        "labels": [
            {"label": 3, "samples": 120, "predicted": table["before"].count(3), "suspected": 40}
        ],
        "without_patch": [],
        "model": model_digest(cleanse_place.model),
        "scan_id": "3f2c9a",
    }


def test_a_process_of_its_own_ends_with_0(cleanse_place: CleansePlace) -> None:
    ended = xray_gate(
        *("cleanse", "model.onnx", "--report", "scan", "--training-data", "train.npz"),
        *("--out", "samples.parquet"),
        folder=cleanse_place.folder,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("samples.parquet: 40 of 400 training samples suspected\n")
    assert suspects(cleanse_place.out) == cleanse_place.data.rows.tolist()


def test_data_larger_than_a_batch_are_read_in_passes(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    """5000 samples, of which 1400 have the label: more than one question holds."""
    data = poisoned(7, count=5000)
    data.write(cleanse_place.training)
    ended = run_cleanse()
    assert ended.code == 0
    assert read(cleanse_place.out)["row"] == np.flatnonzero(data.labels == 3).tolist()
    found = set(suspects(cleanse_place.out))
    carrying = set(data.rows.tolist())
    assert len(found & carrying) > 0.99 * len(carrying)
    assert len(found - carrying) < 0.02 * len(found)


def test_all_accused_labels_are_looked_at(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    planted_model(cleanse_place.model, {3: CORNER, 1: OTHER_CORNER})
    both = scanned(
        cleanse_place.folder / "both",
        [shown_patch(3), shown_patch(1)],
        inspected(cleanse_place.model, (3, 1)),
    )
    ended = run_cleanse("--format", "json", report=both)
    assert (ended.code, ended.err) == (0, "")
    said = json.loads(ended.out)
    assert [(part["label"], part["samples"]) for part in said["labels"]] == [
        (label, int((cleanse_place.data.labels == label).sum())) for label in (1, 3)
    ]
    assert said["suspected"] == sum(part["suspected"] for part in said["labels"])
    assert set(read(cleanse_place.out)["label"]) == {1, 3}
    assert run_cleanse("--label", "1", report=both).code == 0
    assert set(read(cleanse_place.out)["label"]) == {1}


def test_an_accused_label_without_a_patch_is_told(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    report = inspected(cleanse_place.model, (3, 0, 4))
    folder = scanned(cleanse_place.folder / "more", [shown_patch()], report)
    ended = run_cleanse("--format", "json", report=folder)
    assert ended.code == 0
    assert ended.err == (
        "note: the report accuses labels 0, 4, too, and stores no patch for it; cleanse, train and "
        "scan again to find what is left\n"
    )
    assert json.loads(ended.out)["without_patch"] == [0, 4]


def test_a_label_that_nobody_accuses_can_be_chosen(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    passed = scanned(
        cleanse_place.folder / "passed",
        [shown_patch(1)],
        inspected(cleanse_place.model, (), Outcome.PASSED),
    )
    said = cleanse_refused(run_cleanse(report=passed), cleanse_place)
    assert said == (
        f"error: {passed}: dtinspector accuses no label there, and the patches are for label 1; if "
        "you want to look for samples by one of them all the same, choose it with --label\n"
    )
    ended = run_cleanse("--label", "1", report=passed)
    assert ended.code == 0
    assert ended.err.startswith("note: dtinspector does not accuse label 1; the patch for a clean")


def test_where_the_policy_alone_accuses_the_label_has_to_be_chosen(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    """A policy with a lower bound than the detector's fails a model that this marks no label of."""
    report = inspected(cleanse_place.model, (), Outcome.FAILED)
    strict = scanned(cleanse_place.folder / "strict", [shown_patch()], report)
    said = cleanse_refused(run_cleanse(report=strict), cleanse_place)
    assert "dtinspector accuses no label by name there, and the patches are for label 3; if" in said
    ended = run_cleanse("--label", "3", report=strict)
    assert (ended.code, ended.err) == (0, "")


def test_an_empty_list_says_so(run_cleanse: Cleanse, cleanse_place: CleansePlace) -> None:
    nothing = np.zeros((SIDE, SIDE), np.float32)
    harmless = scanned(
        cleanse_place.folder / "harmless",
        [shown_patch(mask=nothing)],
        inspected(cleanse_place.model),
    )
    ended = run_cleanse(report=harmless)
    assert (ended.code, ended.err) == (0, "")
    assert f"{cleanse_place.out}: 0 of 400 training samples suspected\n" in ended.out
    assert ended.out.endswith("changes none of them, so that it shows nothing to remove.\n")
    assert set(read(cleanse_place.out)["drop"]) == {0.0}


def test_other_triggers_in_the_folder_are_left_alone(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    folder = scanned(
        cleanse_place.folder / "mixed",
        [shown_patch(), shown(3), shown(1)],
        inspected(cleanse_place.model),
    )
    assert run_cleanse(report=folder).code == 0
    assert suspects(cleanse_place.out) == cleanse_place.data.rows.tolist()


def test_other_training_data_than_the_scans_are_told(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    report = inspected(cleanse_place.model)
    report["environment"]["training_data"] = {"source": "train.npz", "samples": 400}
    same = scanned(cleanse_place.folder / "same", [shown_patch()], report)
    assert run_cleanse(report=same).err == ""
    report["environment"]["training_data"]["samples"] = 399
    ended = run_cleanse(report=scanned(cleanse_place.folder / "o", [shown_patch()], report))
    assert ended.code == 0
    assert ended.err == (
        f"note: {cleanse_place.training} holds 400 samples, and the scan was given 399; the list "
        "is about the former\n"
    )


def test_training_data_may_be_a_folder_of_images(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    data = cleanse_place.data
    for row in [*np.flatnonzero(data.labels == 3)[:30], *np.flatnonzero(data.labels == 1)[:3]]:
        file = cleanse_place.folder / "in" / str(data.labels[row]) / f"{row:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(np.rint(255 * data.images[row].transpose(1, 2, 0)).astype(np.uint8)))
    assert run_cleanse(training_data=cleanse_place.folder / "in").code == 0
    table = read(cleanse_place.out)
    rows = np.flatnonzero(data.labels == 3)[:30]
    assert table["name"] == [f"3/{row:03d}.png" for row in rows]
    found = [name for name, is_so in zip(table["name"], table["suspected"], strict=True) if is_so]
    assert found == [f"3/{row:03d}.png" for row in rows if row in data.rows]


def test_the_policy_says_how_the_model_is_asked(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    policy = write(
        cleanse_place.folder / "policy.yaml", document(preprocessing={"size": [SIDE, SIDE]})
    )
    report = inspected(cleanse_place.model)
    asked = Preprocessing(layout="auto", dtype="auto", size=(SIDE, SIDE))
    report["environment"]["preprocessing"] = asked.to_json()
    folder = scanned(cleanse_place.folder / "sized", [shown_patch()], report)
    said = cleanse_refused(run_cleanse(report=folder), cleanse_place)
    assert "the scan asked the model with another preprocessing than the policy default" in said
    assert "give the scan's policy (default) with --policy" in said
    assert run_cleanse("--policy", policy, report=folder).code == 0


def test_a_copy_of_the_model_is_the_same_one(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    copy = Path(shutil.copy(cleanse_place.model, cleanse_place.folder / "copy.onnx"))
    assert run_cleanse(model=copy).code == 0


def test_a_scan_leads_to_a_list(
    run_cleanse: Cleanse, command: Command, cleanse_place: CleansePlace
) -> None:
    """From the model to the table, with the patch that DTInspector itself learns."""
    policy = write(
        cleanse_place.folder / "policy.yaml",
        document(detectors={"dtinspector": {"samples": 25, "iterations": 150, "batch": 20}}),
    )
    folder = cleanse_place.folder / "real"
    probes = write_samples(cleanse_place.folder / "probes.npz", 80, 4)
    scan = command(
        *("scan", cleanse_place.model, "--probes", probes, "--policy", policy, "--out", folder),
        *("--training-data", cleanse_place.training, "--seed", "1"),
    )
    assert scan.code == 1, scan.out + scan.err
    ended = run_cleanse("--policy", policy, report=folder)
    assert (ended.code, ended.err) == (0, "")
    found, carrying = set(suspects(cleanse_place.out)), set(cleanse_place.data.rows.tolist())
    assert len(found & carrying) >= 30
    assert len(found - carrying) <= 1
