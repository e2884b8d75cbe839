"""What `xray-gate cleanse` refuses: it says why, and leaves no table behind."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.backends.tiny_onnx import INT64, node, save
from tests.cli.cleanse_place import CleansePlace, cleanse_refused, inspected, shown_patch
from tests.cli.conftest import Cleanse, Command
from tests.cli.filter_place import shown
from tests.policy.builders import document, write
from tests.report.b3d_builders import scanned
from tests.support.planted import SIDE, planted_model, samples
from tests.support.poisoned import poisoned
from xray_gate.core.verdict import Outcome
from xray_gate.scan.digest import model_digest

PATCH = Path("triggers") / "dtinspector_label_3.npz"


def test_another_model_than_the_scans_is_refused(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    other = planted_model(cleanse_place.folder / "other.onnx", {})
    said = cleanse_refused(run_cleanse(model=other), cleanse_place)
    assert said == (
        f"error: {other}: has the digest {model_digest(other)}, but the report is about "
        f"{model_digest(cleanse_place.model)}; give the model that was scanned, or scan this one\n"
    )


def test_a_model_that_gives_labels_only_is_refused(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    nodes = [
        node("Flatten", ["image"], "flat"),
        node("MatMul", ["flat", "weights"], "scores"),
        node("ArgMax", ["scores"], "answer", axis=1, keepdims=0),
    ]
    model = save(
        cleanse_place.folder / "labels.onnx",
        nodes,
        shape=("batch", 1, SIDE, SIDE),
        output=(INT64, ("batch",)),
        weights={"weights": np.random.default_rng(0).random((SIDE * SIDE, 5))},
    )
    folder = scanned(cleanse_place.folder / "labels", [shown_patch()], inspected(model))
    said = cleanse_refused(run_cleanse(model=model, report=folder), cleanse_place)
    assert "the model gives labels, and samples are compared by probabilities; export it" in said


def test_a_model_without_the_patchs_label_is_refused(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    report = inspected(cleanse_place.model, (9,))
    folder = scanned(cleanse_place.folder / "far", [shown_patch(9)], report)
    said = cleanse_refused(run_cleanse(report=folder), cleanse_place)
    assert "a patch is for label 9, but the model knows 5 labels; scan the model again" in said


def test_a_folder_without_a_report_is_refused(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    said = cleanse_refused(run_cleanse(report=cleanse_place.folder), cleanse_place)
    assert "holds no report.json that can be read (No such file or directory)" in said


def none_of(place: CleansePlace) -> Path:
    (place.report / PATCH).unlink()
    return place.report


def of_b3d(place: CleansePlace) -> Path:
    report = inspected(place.model, name="b3d")
    return scanned(place.folder / "b3d", [shown(3)], report)


def of_an_earlier_scan(place: CleansePlace) -> Path:
    report = inspected(place.model)
    return scanned(place.folder / "earlier", [shown_patch()], report, scan_id="earlier")


@pytest.mark.parametrize("make", [none_of, of_b3d, of_an_earlier_scan])
@pytest.mark.parametrize("options", [[], ["--label", "3"]])
def test_a_scan_without_a_patch_is_refused(
    make: Callable[[CleansePlace], Path],
    options: list[str],
    run_cleanse: Cleanse,
    cleanse_place: CleansePlace,
) -> None:
    folder = make(cleanse_place)
    said = cleanse_refused(run_cleanse(*options, report=folder), cleanse_place)
    assert said == (
        f"error: {folder}: holds no patch of dtinspector from the scan in report.json; scan the "
        "model with --training-data and --out under a policy that names dtinspector\n"
    )


def test_a_label_without_a_patch_is_refused(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    said = cleanse_refused(run_cleanse("--label", "4"), cleanse_place)
    assert said == (
        f"error: {cleanse_place.report}: holds no patch for label 4; there are patches for label "
        "3, choose one with --label\n"
    )


def test_what_another_detector_accuses_does_not_count(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    report = inspected(cleanse_place.model, name="b3d")
    folder = scanned(cleanse_place.folder / "other", [shown_patch()], report)
    said = cleanse_refused(run_cleanse(report=folder), cleanse_place)
    assert "dtinspector accuses no label there, and the patches are for label 3; if" in said


def test_what_the_policy_lets_pass_is_not_accused(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    """A detector may suspect a label where the policy asks for more."""
    report = inspected(cleanse_place.model, (3,), Outcome.PASSED)
    folder = scanned(cleanse_place.folder / "lenient", [shown_patch()], report)
    said = cleanse_refused(run_cleanse(report=folder), cleanse_place)
    assert "dtinspector accuses no label there, and the patches are for label 3; if" in said


def test_accused_labels_without_any_patch_are_refused(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    report = inspected(cleanse_place.model, (1, 2))
    folder = scanned(cleanse_place.folder / "other", [shown_patch()], report)
    said = cleanse_refused(run_cleanse(report=folder), cleanse_place)
    assert "dtinspector accuses labels 1, 2 there, and the patches are for label 3; if" in said


def test_a_broken_patch_is_refused(run_cleanse: Cleanse, cleanse_place: CleansePlace) -> None:
    path = cleanse_place.report / PATCH
    path.write_bytes(path.read_bytes()[:100])
    said = cleanse_refused(run_cleanse(), cleanse_place)
    assert f"{path}: cannot be read as .npz" in said


@pytest.mark.parametrize("keep", [0, 200, -200])
def test_broken_training_data_are_refused(
    keep: int, run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    cleanse_place.training.write_bytes(cleanse_place.training.read_bytes()[:keep])
    said = cleanse_refused(run_cleanse(), cleanse_place)
    assert f"{cleanse_place.training}: cannot be read as .npz" in said


def test_data_that_break_off_leave_no_table(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    """After more than one piece has been asked about and written."""
    data = poisoned(2, count=5000)
    data.images[4900, 0, 0, 0] = np.nan
    data.write(cleanse_place.training)
    cleanse_place.out.write_text("an earlier one")
    ended = run_cleanse()
    assert (ended.code, ended.out) == (2, "")
    assert "train.npz: row 4900: pixels range from nan to nan" in ended.err
    assert cleanse_place.out.read_text() == "an earlier one"
    assert not list(cleanse_place.folder.glob(".*"))


def test_data_without_labels_are_refused(run_cleanse: Cleanse, cleanse_place: CleansePlace) -> None:
    np.savez(cleanse_place.training, images=cleanse_place.data.images)
    said = cleanse_refused(run_cleanse(), cleanse_place)
    assert f"{cleanse_place.training}: " in said
    assert "labels" in said


def test_data_without_a_sample_of_the_label_are_refused(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    images, labels = samples(60, 2)
    np.savez(cleanse_place.training, images=images[labels != 3], labels=labels[labels != 3])
    said = cleanse_refused(run_cleanse(), cleanse_place)
    assert said == (
        f"error: {cleanse_place.training}: holds no sample of label 3, for which the patch was "
        "learned; give the data that the model was trained on\n"
    )


def test_data_that_the_model_does_not_know_are_refused(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    images, labels = samples(100, 2)
    np.savez(cleanse_place.training, images=images, labels=(labels + 1) % 5)
    said = cleanse_refused(run_cleanse(), cleanse_place)
    assert said.startswith(
        f"error: {cleanse_place.training}: the model gives label 3 to 0.0% of the samples stored "
        "with it (min_probe_accuracy: 50.0%), so it was hardly trained on these data; give its own"
    )
    lenient = write(cleanse_place.folder / "lenient.yaml", document(min_probe_accuracy=0.0))
    said = cleanse_refused(run_cleanse("--policy", lenient), cleanse_place)
    assert "the model gives label 3 to 0.0% of the samples" in said


def test_the_policy_says_how_well_a_model_must_know_its_data(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    """Of 80 samples stored as label 3, 20 are of this class."""
    images, labels = samples(100, 2)
    np.savez(cleanse_place.training, images=images, labels=np.where(labels == 0, 0, 3))
    said = cleanse_refused(run_cleanse(), cleanse_place)
    assert "(min_probe_accuracy: 50.0%)" in said
    lenient = write(cleanse_place.folder / "lenient.yaml", document(min_probe_accuracy=0.1))
    assert run_cleanse("--policy", lenient).code == 0


def test_images_of_another_size_are_refused(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    images, labels = samples(60, 2)
    np.savez(cleanse_place.training, images=np.concatenate([images, images], 3), labels=labels)
    said = cleanse_refused(run_cleanse(), cleanse_place)
    assert f"{cleanse_place.training}: is of 8 x 16 pixels and 1 channels, but the trigger" in said
    assert "images of 8 x 8 pixels and 1 channels; give images such as were scanned" in said


def test_patches_of_several_sizes_are_refused(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    wide = {"mask": np.zeros((8, 9), np.float32), "pattern": np.zeros((1, 8, 9), np.float32)}
    folder = scanned(
        cleanse_place.folder / "sizes",
        [shown_patch(1), shown_patch(3, **wide)],
        inspected(cleanse_place.model, (1, 3)),
    )
    said = cleanse_refused(run_cleanse(report=folder), cleanse_place)
    assert f"{folder}: a patch: is of 8 x 9 pixels and 1 channels" in said


def test_images_in_colour_are_refused_by_a_grey_model(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    images, labels = samples(20, 2)
    np.savez(cleanse_place.training, images=np.repeat(images, 3, axis=1), labels=labels)
    said = cleanse_refused(run_cleanse(), cleanse_place)
    assert "has 3 channels instead of 1, which the model takes" in said


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("gone/samples.parquet", "cannot be written there (there is no such folder); name a file"),
        ("scan", "cannot be written there (is a folder); name a file"),
        ("train.npz", "train.npz: is part of the training data; name another file with --out"),
        ("link.npz", "link.npz: is part of the training data; name another file with --out"),
        ("model.onnx", "model.onnx: is part of the model; name another file with --out"),
    ],
)
def test_a_table_that_cannot_be_written_is_refused_before_anything_is_asked(
    out: str, said: str, run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    (cleanse_place.folder / "link.npz").hardlink_to(cleanse_place.training)
    kept = [cleanse_place.training.read_bytes(), cleanse_place.model.read_bytes()]
    ended = run_cleanse(out=cleanse_place.folder / out, report=cleanse_place.folder / "gone")
    assert said in cleanse_refused(ended, cleanse_place)
    assert kept == [cleanse_place.training.read_bytes(), cleanse_place.model.read_bytes()]


def test_no_table_is_put_among_training_data(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    """It would be read as a part of them the next time."""
    folder = cleanse_place.folder / "shards"
    folder.mkdir()
    ended = run_cleanse(out=folder / "samples.parquet", training_data=folder)
    said = cleanse_refused(ended, cleanse_place)
    assert "samples.parquet: is part of the training data; name another file" in said
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--label", "-1"], "Invalid value for '--label'"),
        (["--device", "tpu"], "Invalid value for '--device'"),
        (["--format", "sarif"], "Invalid value for '--format'"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["--policy", "gone.yaml"], "gone.yaml: cannot be read"),
        (["--training-data", "gone.npz"], "gone.npz: no such file or folder"),
        (["--training-data", "notes.txt"], "notes.txt: no such file or folder"),
    ],
)
def test_options_that_cannot_be_used_end_with_2(
    options: list[str], said: str, run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    assert said in cleanse_refused(run_cleanse(*options), cleanse_place)


@pytest.mark.parametrize("missing", ["--report", "--training-data", "--out"])
def test_what_is_needed_is_asked_for(missing: str, command: Command) -> None:
    options = [name for name in ("--report", "--training-data", "--out") if name != missing]
    ended = command("cleanse", "model.onnx", *(part for name in options for part in (name, "x")))
    assert (ended.code, ended.out) == (2, "")
    assert f"Missing option '{missing}'" in ended.err


def test_a_link_instead_of_the_model_ends_with_3(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    link = cleanse_place.folder / "link.onnx"
    link.symlink_to(cleanse_place.model)
    ended = run_cleanse(model=link)
    assert (ended.code, ended.out) == (3, "")
    assert "link.onnx: is a symbolic link" in ended.err
    assert not cleanse_place.out.exists()


def test_a_model_that_runs_out_of_time_ends_with_3(
    run_cleanse: Cleanse, cleanse_place: CleansePlace
) -> None:
    hurried = write(cleanse_place.folder / "hurried.yaml", document(limits={"seconds": 0.01}))
    ended = run_cleanse("--policy", hurried)
    assert (ended.code, ended.out) == (3, "")
    assert not cleanse_place.out.exists()
    assert not list(cleanse_place.folder.glob(".*"))
