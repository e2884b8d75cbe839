"""What `xray-gate filter` refuses: it says why, and leaves no table behind."""

import numpy as np
import pytest

from tests.backends.tiny_onnx import FLOAT, INT64, node, save
from tests.cli.conftest import Command, Filter
from tests.cli.filter_place import Place, refused, report_of, shown, untouched
from tests.policy.builders import document, write
from tests.report.b3d_builders import scanned
from tests.support.planted import SIDE, planted_model, samples
from xray_gate.scan.digest import model_digest


def test_another_model_than_the_scans_is_refused(run_filter: Filter, place: Place) -> None:
    other = planted_model(place.folder / "other.onnx", {})
    said = refused(run_filter(model=other), place)
    assert f"other.onnx: has the digest {model_digest(other)}, but the report is about" in said
    assert f"{model_digest(place.model)}; give the model that was scanned, or scan" in said


def test_a_model_that_gives_labels_only_is_refused(run_filter: Filter, place: Place) -> None:
    nodes = [
        node("Flatten", ["image"], "flat"),
        node("MatMul", ["flat", "weights"], "scores"),
        node("ArgMax", ["scores"], "answer", axis=1, keepdims=0),
    ]
    weights = {"weights": np.random.default_rng(0).random((SIDE * SIDE, 5))}
    shape = ("batch", 1, SIDE, SIDE)
    model = save(
        place.folder / "labels.onnx",
        nodes,
        shape=shape,
        output=(INT64, ("batch",)),
        weights=weights,
    )
    folder = scanned(place.folder / "labels", [shown()], report_of(model))
    said = refused(run_filter(model=model, report=folder), place)
    assert "the model gives labels, and the filter compares probabilities; export it with" in said


def test_a_model_without_the_triggers_label_is_refused(run_filter: Filter, place: Place) -> None:
    folder = scanned(place.folder / "far", [shown(label=9)], report_of(place.model))
    said = refused(run_filter("--label", "9", report=folder), place)
    assert "a trigger leads to label 9, but the model knows 5 labels; scan the model again" in said


def test_a_constant_model_leaves_nothing_to_reject(run_filter: Filter, place: Place) -> None:
    nodes = [
        node("Flatten", ["image"], "flat"),
        node("MatMul", ["flat", "nothing"], "zeros"),
        node("Add", ["zeros", "bias"], "answer"),
    ]
    weights = {"nothing": np.zeros((SIDE * SIDE, 5)), "bias": np.zeros(5)}
    shape = ("batch", 1, SIDE, SIDE)
    model = save(
        *(place.folder / "constant.onnx", nodes),
        shape=shape,
        output=(FLOAT, ("batch", 5)),
        weights=weights,
    )
    lenient = write(place.folder / "lenient.yaml", document(min_probe_accuracy=0.0))
    folder = scanned(place.folder / "constant", [shown()], report_of(model))
    said = refused(run_filter("--policy", lenient, model=model, report=folder), place)
    assert "100 of 100 clean samples do not change their answer" in said
    said = refused(run_filter(model=model, report=folder), place)
    assert "probes.npz: the model is right on 20.0% of the probes, under min_probe_accuracy" in said


def test_a_folder_without_a_report_is_refused(run_filter: Filter, place: Place) -> None:
    said = refused(run_filter(report=place.folder), place)
    assert "holds no report.json that can be read (No such file or directory)" in said


def test_a_scan_without_a_reversed_trigger_is_refused(run_filter: Filter, place: Place) -> None:
    (place.report / "triggers" / "b3d_label_3.npz").unlink()
    said = refused(run_filter(), place)
    assert f"{place.report}: holds no reversed trigger of the scan in report.json; scan" in said


def test_a_broken_trigger_is_refused(run_filter: Filter, place: Place) -> None:
    path = place.report / "triggers" / "b3d_label_3.npz"
    path.write_bytes(path.read_bytes()[:100])
    assert f"{path}: cannot be read as .npz" in refused(run_filter(), place)


@pytest.mark.parametrize("keep", [0, 200, -200])
def test_broken_inputs_are_refused(keep: int, run_filter: Filter, place: Place) -> None:
    place.inputs.write_bytes(place.inputs.read_bytes()[:keep])
    assert f"{place.inputs}: cannot be read as .npz" in refused(run_filter(), place)


def test_inputs_that_break_off_leave_no_table(run_filter: Filter, place: Place) -> None:
    images = np.concatenate([samples(600, 2)[0]])
    images[500, 0, 0, 0] = np.nan
    np.savez(place.inputs, images=images)
    place.out.write_text("an earlier one")
    ended = run_filter()
    assert (ended.code, ended.out) == (2, "")
    assert "inputs.npz: row 500: pixels range from nan to nan" in ended.err
    assert place.out.read_text() == "an earlier one"
    assert not list(place.folder.glob(".*"))


@pytest.mark.parametrize("which", ["inputs", "probes"])
def test_images_of_another_size_are_refused(which: str, run_filter: Filter, place: Place) -> None:
    images, labels = samples(60, 2)
    wide = np.concatenate([images, images], axis=3)
    path = place.folder / "wide.npz"
    np.savez(path, images=wide, labels=labels)
    said = refused(run_filter(**{which: path}), place)
    assert f"{path}: is of 8 x 16 pixels and 1 channels, but the trigger was reversed for" in said
    assert "images of 8 x 8 pixels and 1 channels; give images such as were scanned" in said


def test_images_in_colour_are_refused_by_a_grey_model(run_filter: Filter, place: Place) -> None:
    np.savez(place.inputs, images=np.repeat(samples(5, 2)[0], 3, axis=1))
    assert "has 3 channels instead of 1, which the model takes" in refused(run_filter(), place)


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("gone/scores.parquet", "cannot be written there (there is no such folder); name a file"),
        ("scan", "cannot be written there (is a folder); name a file"),
        ("inputs.npz", "holds the inputs; name another file with --out"),
    ],
)
def test_a_table_that_cannot_be_written_is_refused_before_anything_is_asked(
    out: str, said: str, run_filter: Filter, place: Place
) -> None:
    before = place.inputs.read_bytes()
    assert said in refused(run_filter(out=place.folder / out, report=place.folder / "gone"), place)
    assert place.inputs.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rate", "0"], "Invalid value for '--rate'"),
        (["--rate", "1"], "Invalid value for '--rate'"),
        (
            ["--rate", "0.005"],
            "100 clean samples are too few for a rate of 0.005; give 199 or more",
        ),
        (["--label", "-1"], "Invalid value for '--label'"),
        (["--label", "4"], "holds no reversed trigger for label 4"),
        (["--device", "tpu"], "Invalid value for '--device'"),
        (["--format", "sarif"], "Invalid value for '--format'"),
        (["--policy", "gone.yaml"], "gone.yaml: cannot be read"),
        (["--inputs", "gone.npz"], "gone.npz: no such file or folder"),
        (["--probes", "gone.npz"], "gone.npz: no such file or folder"),
        (["--inputs", "notes.txt"], "notes.txt: no such file or folder"),
    ],
)
def test_options_that_cannot_be_used_end_with_2(
    options: list[str], said: str, run_filter: Filter, place: Place
) -> None:
    assert said in refused(run_filter(*options), place)


@pytest.mark.parametrize("missing", ["--report", "--inputs", "--probes", "--out"])
def test_what_is_needed_is_asked_for(missing: str, command: Command) -> None:
    options = [name for name in ("--report", "--inputs", "--probes", "--out") if name != missing]
    ended = command("filter", "model.onnx", *(part for name in options for part in (name, "x")))
    assert (ended.code, ended.out) == (2, "")
    assert f"Missing option '{missing}'" in ended.err


def test_a_link_instead_of_the_model_ends_with_3(run_filter: Filter, place: Place) -> None:
    link = place.folder / "link.onnx"
    link.symlink_to(place.model)
    ended = run_filter(model=link)
    assert (ended.code, ended.out) == (3, "")
    assert "link.onnx: is a symbolic link" in ended.err
    assert untouched(place)
