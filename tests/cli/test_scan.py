import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command, Files
from tests.cli.making import ALWAYS_PASSES, write_policy, write_probes, wrong_labels


def test_out_holds_the_report_of_stdout(command: Command, files: Files) -> None:
    out = files.folder / "report"
    ended = command(
        *("scan", files.model, "--probes", files.probes, "--policy", files.policy),
        *("--format", "json", "--out", out),
    )
    assert ended.code == 0
    assert json.loads(ended.out) == json.loads((out / "report.json").read_text())
    assert ended.err == f"report: {out / 'report.html'}\n"
    assert "<html" in (out / "report.html").read_text()
    assert len(list((out / "planes").glob("*.png"))) == 4


def test_an_out_that_cannot_be_written_ends_with_2(command: Command, files: Files) -> None:
    ended = command(
        *("scan", files.model, "--probes", files.probes, "--policy", files.policy),
        *("--out", files.model),
    )
    assert (ended.code, ended.out) == (2, "")
    assert f"{files.model}: the report cannot be written there" in ended.err
    assert ended.err.endswith("name a folder with --out\n")


def test_wrong_labels_end_with_3_and_name_the_likely_cause(command: Command, files: Files) -> None:
    wrong_labels(files.model)
    ended = command("scan", files.model, "--probes", files.probes, "--policy", files.policy)
    assert (ended.code, ended.err) == (3, "")
    assert ended.out.startswith("UNDECIDED")
    assert "0.0% of the probes, under min_probe_accuracy" in ended.out


def test_a_link_ends_with_3(command: Command, files: Files) -> None:
    link = files.folder / "link.onnx"
    link.symlink_to(files.model)
    ended = command("scan", link, "--probes", files.probes, "--policy", files.policy)
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == ("error: link.onnx: is a symbolic link; give the file or folder itself\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--probes", "gone.npz"], "gone.npz: no such file or folder; give a .npz"),
        ([], "no probes: name clean labelled samples with --probes, or in the policy's `probes`"),
        (["--format", "sarif"], "--format sarif is not part of this release; use text or json"),
        (["--format", "xml"], "Invalid value for '--format': 'xml' is not one of"),
        (["--seeed", "1"], "No such option"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["--device", "tpu"], "Invalid value for '--device'"),
        (["--policy", "gone.yaml"], "gone.yaml: cannot be read (No such file or directory); check"),
        (["--policy", "."], ".: is a folder; name the one policy file to scan with"),
        (["--policy", "broken.yaml"], "broken.yaml:5: enforcment: is not a setting; did you mean"),
        (["--training-data", "gone"], "gone: no such training data; check the path"),
        (["--probes", "large.npz"], "(n, 3, 4, 4), but the probes after preprocessing have the "),
        (["--probes", "probes.npz", "--policy", "nhwc.yaml"], "preprocessing.layout: nchw`"),
        (["more.onnx"], "Got unexpected extra argument"),
    ],
)
def test_input_that_cannot_be_used_ends_with_2(
    options: list[str],
    said: str,
    command: Command,
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(files.folder)
    Path("broken.yaml").write_text(
        "apiVersion: xray-gate/v1\nkind: Policy\nname: a\n"
        "detectors: {model_xray: {}}\nenforcment: audit\n"
    )
    write_probes(Path("large.npz"), side=5)
    write_policy(Path("nhwc.yaml"), ALWAYS_PASSES, preprocessing={"layout": "nhwc"})
    ended = command("scan", "clean.onnx", *options)
    assert (ended.code, ended.out) == (2, "")
    assert said in " ".join(ended.err.split())


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("gone.onnx", "gone.onnx: there is no such file or folder; check the path"),
        ("https://example.org/m.onnx", "the scheme 'https' is not one that can be scanned; give"),
        ("notes.txt", "the suffix '.txt' is not that of a model"),
        ("garbage.onnx", "garbage.onnx: the model cannot be loaded"),
        ("empty", "empty: the folder is empty; give a model"),
        ("x" * 300, "cannot be read (File name too long)"),
    ],
)
def test_models_that_cannot_be_read_end_with_2(
    model: str,
    said: str,
    command: Command,
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(files.folder)
    Path("notes.txt").write_text("no model")
    Path("garbage.onnx").write_bytes(b"no model either")
    Path("empty").mkdir()
    ended = command("scan", model, "--probes", files.probes, "--policy", files.policy)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


def without_times(report: dict[str, Any]) -> dict[str, Any]:
    detectors = [{**item, "seconds": 0} for item in report["detectors"]]
    kept = {key: value for key, value in report.items() if not key.endswith(("_at", "_id"))}
    return {**kept, "detectors": detectors}


def test_the_same_seed_gives_the_same_report(command: Command, files: Files) -> None:
    arguments = ("scan", files.model, "--probes", files.probes, "--policy", files.policy)
    first, second = (
        json.loads(command(*arguments, "--format", "json", "--seed", 5).out) for _ in range(2)
    )
    assert without_times(first) == without_times(second)
