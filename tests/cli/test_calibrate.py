import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.backends.tiny_onnx import brightest_channel
from tests.cli.conftest import Command, Files
from tests.cli.making import (
    clean_model,
    leaning_model,
    write_policy,
    wrong_labels,
)
from xray_gate.cli.calibrating import without_passwords
from xray_gate.policy.calibration import read_calibration


@pytest.fixture
def out(files: Files) -> Path:
    """A file that is there already and must stay whole whenever a calibration fails."""
    path = files.folder / "calibration.json"
    path.write_text("an earlier one")
    return path


def calibrate(
    command: Command, files: Files, out: Path, *clean: Path, more: tuple[object, ...] = ()
) -> tuple[int, str, str]:
    models = [part for path in clean for part in ("--clean", path)]
    ended = command(
        *("calibrate", *models, "--probes", files.probes, "--policy", files.policy, "--out", out),
        *more,
    )
    return ended.code, ended.out, ended.err


def leftovers(files: Files) -> list[str]:
    return [path.name for path in files.folder.iterdir() if "calibration.json." in path.name]


def clean_models(files: Files, count: int) -> Path:
    folder = files.folder / "models"
    folder.mkdir(exist_ok=True)
    for number in range(count):
        clean_model(folder / f"clean_{number}.onnx", number)
    return folder


def backdoored(files: Files, *names: str) -> Path:
    folder = files.folder / "badnets"
    folder.mkdir()
    for number, name in enumerate(names):
        leaning_model(folder / name, number)
    return folder


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
    said = f"{files.model}, {copy}: the same model counts once only; give each file once"
    assert said in err
    assert "1/2" not in err, "nothing is scanned for it"
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


def test_backdoored_models_are_kept_with_their_groups(
    command: Command, files: Files, out: Path
) -> None:
    folder = backdoored(files, "a.onnx", "b.onnx")
    alone = leaning_model(files.folder / "wanet.v2.onnx", 5)
    named = leaning_model(files.folder / "odd=name.onnx", 6)
    attacked = ("--backdoored", folder, "--backdoored", f"blended={alone}", "--backdoored", named)
    code, said, err = calibrate(command, files, out, files.model, more=attacked)
    assert code == 0, err
    assert said.startswith(f"{out}: calibration (1 clean and 4 backdoored references, ")
    kept = read_calibration(out)
    assert {item.name: item.group for item in kept.references} == {
        "clean.onnx": None,
        "a.onnx": "badnets",
        "b.onnx": "badnets",
        "wanet.v2.onnx": "blended",
        "odd=name.onnx": "odd=name",
    }
    assert "(clean.onnx, a.onnx, ...): 1 clean, 2 badnets, 1 blended, 1 odd=name; " in err
    assert "4/5 wanet.v2.onnx (blended): probe accuracy 100.0%" in err


def test_labelled_references_make_thresholds_that_a_policy_can_name(
    command: Command, files: Files, out: Path
) -> None:
    thresholds = {"calibration": out.name, "method": "f1", "statistics": ["renyi_entropy.valid"]}
    write_policy(files.policy, thresholds)
    attacked = ("--backdoored", backdoored(files, "a.onnx", "b.onnx"))
    code, _, err = calibrate(command, files, out, clean_models(files, 2), more=attacked)
    assert code == 0, err
    other = leaning_model(files.folder / "other.onnx", 9)
    ends = {files.folder / "models" / "clean_0.onnx": 0, other: 1}
    for model, verdict in ends.items():
        ended = command("scan", model, "--probes", files.probes, "--policy", files.policy)
        assert ended.code == verdict, ended.out
        assert "these thresholds promise no false-positive rate: 0 of the 2 clean" in ended.out
    checked = command("policy", "check", files.policy)
    assert checked.code == 1
    assert "promise no false-positive rate; family sha256:" in checked.out


@pytest.mark.parametrize(
    ("thresholds", "more", "said"),
    [
        (
            {"level": 0.05},
            ("--level", 0.25),
            "has 1 clean references, and level 0.25 for 1 score takes 3; calibrate on more",
        ),
        (
            {"suspicious": {"ats.valid": "both"}, "statistics": ["ats.valid"]},
            ("--level", 0.5),
            "family sha256:.* has 2 clean references, and level 0.5 for 1 score, on both sides "
            "takes 3; .*has 1 clean",
        ),
        ({"method": "f1"}, (), "has no backdoored references, and method f1 takes both"),
        ({"method": "f1"}, ("--level", 0.5), "by method f1, which promises no level; leave"),
    ],
)
def test_too_few_references_are_refused_before_anything_is_scanned(
    thresholds: dict[str, Any],
    more: tuple[object, ...],
    said: str,
    command: Command,
    files: Files,
    out: Path,
) -> None:
    rule = {"calibration": "c.json", "statistics": ["renyi_entropy.valid"], **thresholds}
    write_policy(files.policy, rule)
    clean = [clean_models(files, 2), brightest_channel(files.folder / "other.onnx")]
    code, stdout, err = calibrate(command, files, out, *clean, more=more)
    assert (code, stdout) == (2, "")
    assert re.search(said, err), err
    assert "probe accuracy" not in err
    assert out.read_text() == "an earlier one"
    assert leftovers(files) == []


def test_enough_references_for_the_level_are_scored(
    command: Command, files: Files, out: Path
) -> None:
    code, _, err = calibrate(command, files, out, clean_models(files, 3), more=("--level", 0.25))
    assert code == 0, err
    assert re.match(
        r"family sha256:[0-9a-f]{12} \(clean_0.onnx, clean_1.onnx, ...\): 3 clean; the clean ones "
        r"reach level 0.25 and above for 1 score\n1/3 ",
        err,
    )


def test_an_interrupted_calibration_goes_on_where_it_was(
    command: Command, files: Files, out: Path
) -> None:
    folder = clean_models(files, 2)
    wrong = wrong_labels(files.folder / "wrong.onnx")
    code, _, err = calibrate(command, files, out, folder, wrong)
    assert code == 2
    assert "2 scored reference(s) are kept in" in err
    assert out.read_text() == "an earlier one"
    assert leftovers(files) == ["calibration.json.unfinished.json"]
    renamed = (folder / "clean_1.onnx").rename(folder / "renamed.onnx")
    code, _, err = calibrate(command, files, out, folder, files.folder / "clean.onnx")
    assert code == 2
    assert f"{folder / 'clean_0.onnx'}, {files.model}: the same model counts once only" in err
    code, _, err = calibrate(command, files, out, folder, clean_model(files.folder / "n.onnx", 7))
    assert code == 0, err
    assert [line.endswith(", scored before") for line in err.splitlines() if "/3 " in line] == [
        True,
        True,
        False,
    ]
    names = [item.name for item in read_calibration(out).references]
    assert names == ["clean_0.onnx", renamed.name, "n.onnx"]
    assert leftovers(files) == []


def test_references_scored_otherwise_are_not_mixed_in(
    command: Command, files: Files, out: Path
) -> None:
    wrong = wrong_labels(files.folder / "wrong.onnx")
    calibrate(command, files, out, files.model, wrong)
    code, _, err = calibrate(command, files, out, files.model, more=("--seed", 9))
    assert code == 2
    assert "scored otherwise: seed is 9, the calibration's 0; take the same settings" in err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "no clean references: name models with --clean, or with --from-registry"),
        (("--backdoored", "clean.onnx"), "no clean references: "),
        (("--from-registry", "signs"), "--from-registry needs --registry-uri xray-gate+... and"),
        (
            ("--clean", "clean.onnx", "--backdoored", "x=clean.onnx", "--backdoored", "x=a"),
            "--backdoored x=a: there is a group 'x' already; give each one a name of its own",
        ),
        (
            ("--clean", "clean.onnx", "--backdoored", "x=gone.onnx"),
            "gone.onnx: there is no such model; check the path",
        ),
        (
            ("--clean", "clean.onnx", "--backdoored", "clean.onnx"),
            "clean.onnx, clean.onnx: the same model counts once only",
        ),
    ],
)
def test_a_command_line_that_contradicts_itself_ends_with_2(
    more: tuple[str, ...],
    said: str,
    command: Command,
    files: Files,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(files.folder)
    for variable in ("MLFLOW_REGISTRY_URI", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(variable, raising=False)
    code, _, err = calibrate(command, files, out, more=more)
    assert code == 2
    assert said in err
    assert out.read_text() == "an earlier one"


def test_clean_models_that_score_the_same_are_named(
    command: Command, files: Files, out: Path
) -> None:
    code, _, err = calibrate(command, files, out, clean_models(files, 2))
    assert code == 0
    assert ("have the same scores in everything" in err) == (
        len({tuple(item.scores.values()) for item in read_calibration(out).references}) == 1
    )


def test_a_password_is_not_written_into_the_file() -> None:
    uri = "xray-gate+postgresql://me:se@cr/et@db.example:5432/mlflow?x=a@b"
    kept = without_passwords(["calibrate", "--registry-uri", uri, f"--registry-uri={uri}", "a:b@c"])
    assert kept[4] == "a:b@c"
    for text in kept[2:4]:
        assert "cr" not in text.replace("xray", "")
        assert "xray-gate+postgresql://me:***@" in text
    assert without_passwords(["http://mlflow:5000", "sqlite:///a.db"]) == [
        "http://mlflow:5000",
        "sqlite:///a.db",
    ]
