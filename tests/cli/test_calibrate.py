import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Command, Files
from tests.cli.making import clean_model, write_policy, wrong_labels


@pytest.fixture
def out(files: Files) -> Path:
    """A file that is there already and must stay whole whenever a calibration fails."""
    path = files.folder / "calibration.json"
    path.write_text("an earlier one")
    return path


def calibrate(command: Command, files: Files, out: Path, *clean: Path) -> tuple[int, str, str]:
    models = [part for path in clean for part in ("--clean", path)]
    ended = command(
        *("calibrate", *models, "--probes", files.probes, "--policy", files.policy, "--out", out)
    )
    return ended.code, ended.out, ended.err


def leftovers(files: Files) -> list[str]:
    return [path.name for path in files.folder.iterdir() if path.name.endswith(".part")]


def test_an_earlier_file_is_replaced_as_a_whole(command: Command, files: Files, out: Path) -> None:
    other = clean_model(files.folder / "other.onnx", 1)
    code, said, _ = calibrate(command, files, out, files.model, other)
    assert code == 0
    assert said.startswith(f"{out}: calibration (2 clean references, ")
    kept = json.loads(out.read_text())
    assert [item["name"] for item in kept["references"]] == ["clean.onnx", "other.onnx"]
    assert kept["references"][0]["architecture"] == kept["references"][1]["architecture"]
    assert leftovers(files) == []


def test_the_calibration_that_the_policy_names_need_not_exist_yet(
    command: Command, files: Files
) -> None:
    thresholds = {"calibration": "new.json", "statistics": ["ats.valid"]}
    write_policy(files.policy, thresholds)
    code, _, err = calibrate(command, files, files.folder / "new.json", files.model)
    assert code == 0, err


def test_the_same_model_twice_is_refused(command: Command, files: Files, out: Path) -> None:
    copy = Path(shutil.copy(files.model, files.folder / "copy.onnx"))
    code, said, err = calibrate(command, files, out, files.model, copy)
    assert (code, said) == (2, "")
    assert "clean.onnx, copy.onnx: the same model counts once only; give each file once" in err
    assert out.read_text() == "an earlier one"
    assert leftovers(files) == []


def test_a_model_that_is_wrong_on_the_probes_is_refused(
    command: Command, files: Files, out: Path
) -> None:
    wrong = wrong_labels(files.folder / "wrong.onnx")
    code, said, err = calibrate(command, files, out, wrong)
    assert (code, said) == (2, "")
    assert f"{wrong}: is right on 0.0% of the probes only, so it cannot be a reference" in err
    assert out.read_text() == "an earlier one"


def test_an_out_that_is_a_folder_ends_with_2(command: Command, files: Files) -> None:
    place = files.folder / "taken"
    place.mkdir()
    code, said, err = calibrate(command, files, place, files.model)
    assert (code, said) == (2, "")
    assert "taken: the calibration cannot be written there" in err
    assert "name a file with --out" in err
    assert "1/1" not in err, "nothing is scanned for a file that cannot be written"


@pytest.mark.parametrize(
    ("clean", "said"),
    [
        ("gone.onnx", "gone.onnx: there is no such model; check the path"),
        ("empty", "empty: the folder holds no .onnx, .pt or .pt2; check the path"),
    ],
)
def test_models_that_are_not_there_end_with_2(
    clean: str, said: str, command: Command, files: Files, out: Path
) -> None:
    (files.folder / "empty").mkdir()
    code, _, err = calibrate(command, files, out, files.folder / clean)
    assert code == 2
    assert said in err
    assert out.read_text() == "an earlier one"
