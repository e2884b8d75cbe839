"""The command over real ONNX files; every question goes to the model's own process."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from tests.cli.conftest import Command, Filter
from tests.cli.filter_place import Place, carried, refused, report_of, shown
from tests.fakes.soft_backdoors import CORNER, OTHER_CORNER
from tests.mitigation.triggers import area_under_curve
from tests.policy.builders import document, write
from tests.probing.making_training_data import png
from tests.report.b3d_builders import scanned
from tests.support.planted import SIDE, planted_model, samples, with_patch, write_samples
from xray_gate.core.verdict import Outcome
from xray_gate.probing.preprocessing import Preprocessing
from xray_gate.probing.probe_files import read_probes
from xray_gate.scan.digest import model_digest


def read(path: Path) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = pq.read_table(path).to_pydict()
    return found


def test_inputs_that_carry_the_trigger_are_suspected(run_filter: Filter, place: Place) -> None:
    ended = run_filter()
    assert (ended.code, ended.err) == (0, "")
    table = read(place.out)
    assert list(table) == ["row", "name", "score", "suspected", "label", "trigger_label"]
    assert table["row"] == list(range(100))
    assert table["name"][7] == "inputs.npz: row 7"
    assert table["label"][60:] == table["trigger_label"][60:] == [3] * 40
    assert table["suspected"][60:] == [True] * 40
    assert sum(table["suspected"][:60]) < 10
    scores = np.array(table["score"])
    assert area_under_curve(scores[:60], scores[60:]) > 0.97
    count = sum(table["suspected"])
    assert ended.out.startswith(f"{place.out}: {count} of 100 inputs suspected (score under ")
    assert ended.out.endswith("as 100 probes set it for a rate of 0.05; trigger for label 3)\n")
    assert not list(place.folder.glob(".*"))


def test_programs_read_json(run_filter: Filter, place: Place) -> None:
    ended = run_filter("--format", "json", "--rate", "0.1", "--seed", "7")
    said = json.loads(ended.out)
    table = read(place.out)
    below = sum(score < said["threshold"] for score in table["score"])
    assert (said["suspected"], said["inputs"]) == (below, 100)
    assert (said["rate"], said["probes"], said["labels"]) == (0.1, 100, [3])
    assert said["model"] == model_digest(place.model)
    assert (said["scan_id"], said["out"]) == ("3f2c9a", str(place.out))


def test_the_rate_moves_the_threshold(run_filter: Filter, place: Place) -> None:
    low, high = (
        json.loads(run_filter("--format", "json", "--rate", rate).out)["threshold"]
        for rate in ("0.02", "0.4")
    )
    assert low < high


def test_of_several_triggers_the_nearest_counts(run_filter: Filter, place: Place) -> None:
    planted_model(place.model, {3: CORNER, 1: OTHER_CORNER})
    report = report_of(place.model)
    report["detectors"][1]["suspected_labels"].append({"label": 1, "share": 1.0})
    both = scanned(place.folder / "both", [shown(), shown(1)], report)
    images, labels = samples(80, 5)
    with_other = with_patch(images[(labels != 1) & (labels != 3)], OTHER_CORNER)
    np.savez(place.inputs, images=with_other)
    ended = run_filter(report=both)
    assert ended.out.endswith("trigger for label 1, 3)\n")
    assert set(read(place.out)["trigger_label"]) == {1}
    assert all(read(place.out)["suspected"])
    assert run_filter("--label", "3", report=both).code == 0
    assert set(read(place.out)["trigger_label"]) == {3}


def test_a_label_that_nobody_accuses_can_be_filtered_by(run_filter: Filter, place: Place) -> None:
    passed = scanned(place.folder / "p", [shown()], report_of(place.model, Outcome.PASSED))
    refused(run_filter(report=passed), place)
    assert run_filter("--label", "3", report=passed).code == 0


def test_inputs_may_be_a_folder_of_images(run_filter: Filter, place: Place) -> None:
    images = np.concatenate([samples(4, 2)[0], carried(2, 3)])
    for number, image in enumerate(images):
        file = place.folder / "in" / "all" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(np.rint(255 * image.transpose(1, 2, 0)).astype(np.uint8)))
    assert run_filter(inputs=place.folder / "in").code == 0
    table = read(place.out)
    assert table["name"] == [f"all/{number}.png" for number in range(6)]
    assert table["suspected"][4:] == [True, True]


def test_the_scans_own_probes_are_told(run_filter: Filter, place: Place) -> None:
    report = report_of(place.model)
    report["probes"]["sha256"] = read_probes(place.probes).sha256
    ended = run_filter(report=scanned(place.folder / "same", [shown()], report))
    assert ended.code == 0
    assert ended.err == (
        f"note: {place.probes} holds the scan's probes, to which the triggers were fitted; other "
        "clean samples give a better threshold\n"
    )


def test_the_policy_says_how_the_model_is_asked(run_filter: Filter, place: Place) -> None:
    policy = write(place.folder / "policy.yaml", document(preprocessing={"size": [SIDE, SIDE]}))
    report = report_of(place.model)
    asked = Preprocessing(layout="auto", dtype="auto", size=(SIDE, SIDE))
    report["environment"]["preprocessing"] = asked.to_json()
    folder = scanned(place.folder / "sized", [shown()], report)
    said = refused(run_filter(report=folder), place)
    assert "the scan asked the model with another preprocessing than the policy default" in said
    assert "give the scan's policy (default) with --policy" in said
    assert run_filter("--policy", policy, report=folder).code == 0


def test_a_copy_of_the_model_is_the_same_one(run_filter: Filter, place: Place) -> None:
    copy = Path(shutil.copy(place.model, place.folder / "copy.onnx"))
    assert run_filter(model=copy).code == 0


def test_a_scan_leads_to_a_filter(run_filter: Filter, command: Command, place: Place) -> None:
    """From the model to the table, with the trigger that B3D itself reverses."""
    policy = write(
        place.folder / "policy.yaml",
        document(
            detectors={"b3d": {"iterations": 300, "batch": 12, "samples": 20, "learning_rate": 0.1}}
        ),
    )
    folder = place.folder / "real"
    probes = write_samples(place.folder / "scanned.npz", 80, 4)
    scan = command(
        *("scan", place.model, "--probes", probes, "--policy", policy, "--out", folder),
        *("--seed", "1"),
    )
    assert scan.code == 1, scan.out + scan.err
    assert "label 3" in scan.out
    ended = run_filter("--policy", policy, report=folder)
    assert (ended.code, ended.err) == (0, "")
    table = read(place.out)
    assert sum(table["suspected"][60:]) >= 38
    scores = np.array(table["score"])
    assert area_under_curve(scores[:60], scores[60:]) > 0.95
