"""The command as other programs see it: exit code, stdout and stderr of a process."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.backends.tiny_onnx import endless
from tests.cli.conftest import Files
from tests.cli.making import (
    ALWAYS_FAILS,
    SIDE,
    backdoored_model,
    clean_model,
    environment,
    leaning_model,
    sized_model,
    write_policy,
    write_probes,
    xray_gate,
)
from tests.support.site import children
from xray_gate.report.json_v1 import read_report


def test_a_passed_scan_ends_with_0_and_writes_only_json_to_stdout(files: Files) -> None:
    ended = xray_gate(
        *("scan", "clean.onnx", "--probes", "probes.npz", "--policy", "policy.yaml"),
        *("--format", "json", "--seed", 7),
        folder=files.folder,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    report = read_report(ended.stdout)
    assert (report.verdict, report.seed, report.model.ref) == ("passed", 7, "clean.onnx")
    assert report.probes is not None
    assert report.probes.accuracy == 1.0


def test_a_failed_scan_ends_with_1_whatever_the_policys_mode(files: Files) -> None:
    write_policy(files.policy, ALWAYS_FAILS, enforcement="audit", probes="probes.npz")
    ended = xray_gate("scan", "clean.onnx", "--policy", "policy.yaml", folder=files.folder)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout.startswith("FAILED  clean.onnx\n")


@pytest.mark.parametrize(
    ("make", "code", "verdict", "said"),
    [
        (sized_model, 0, "passed", "trigger_sweep: no candidate trigger moves more images"),
        (backdoored_model, 1, "failed", "white patch .* sends 100 % of the images to label 2"),
    ],
)
def test_the_packaged_policy_decides_by_the_sweep(
    make: Callable[[Path], Path], code: int, verdict: str, said: str, files: Files
) -> None:
    make(files.folder / "model.onnx")
    write_probes(files.folder / "many.npz", side=SIDE, count=90)
    ended = xray_gate(
        *("scan", "model.onnx", "--probes", "many.npz", "--format", "json"), folder=files.folder
    )
    assert (ended.returncode, ended.stderr) == (code, "")
    report = json.loads(ended.stdout)
    assert (report["verdict"], report["policy"]["name"]) == (verdict, "default")
    (reason,) = report["reasons"]
    assert re.search(said, reason)
    assert [(item["name"], item["outcome"]) for item in report["detectors"]] == [
        ("model_xray", "inconclusive"),
        ("trigger_sweep", verdict),
        ("b3d", "skipped"),
        ("dtinspector", "skipped"),
    ]
    assert "sets no thresholds" in report["detectors"][0]["reason"]


def test_a_scan_that_finds_too_little_to_go_by_ends_with_3(files: Files) -> None:
    write_policy(files.policy, trigger_sweep={}, model_xray={"mode": "optional"})
    write_probes(files.folder / "few.npz", count=12)
    ended = xray_gate(
        *("scan", "clean.onnx", "--probes", "few.npz", "--policy", "policy.yaml"),
        folder=files.folder,
    )
    assert (ended.returncode, ended.stderr) == (3, "")
    assert ended.stdout.startswith("UNDECIDED  clean.onnx\n  - trigger_sweep: ")


def test_unusable_input_ends_with_2_and_leaves_stdout_empty(files: Files) -> None:
    ended = xray_gate("scan", "gone.onnx", "--probes", "probes.npz", folder=files.folder)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "error: gone.onnx: there is no such file or folder; check the path\n"


def test_an_mlflow_address_that_cannot_be_reached_ends_with_2(files: Files) -> None:
    ended = xray_gate(
        *("scan", "models:/signs/1", "--probes", "probes.npz"),
        folder=files.folder,
        MLFLOW_TRACKING_URI="http://127.0.0.1:9",
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    last = ended.stderr.splitlines()[-1]
    assert "models:/signs/1: could not be downloaded" in ended.stderr
    assert last.endswith("check the name and MLFLOW_TRACKING_URI")


def test_a_reader_that_went_away_is_neither_a_pass_nor_a_failure(files: Files) -> None:
    gone, pipe = os.pipe()
    os.close(gone)
    with os.fdopen(pipe, "wb") as stdout:
        ended = subprocess.run(
            [sys.executable, "-m", "xray_gate", "--help"],
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=environment(),
            cwd=files.folder,
            timeout=60,
        )
    assert (ended.returncode, ended.stderr) == (2, b"")


def model_process(scan: int) -> int | None:
    """The process that has loaded the runtime for a scan, once there is one.

    A sandbox may stand between the two.
    """
    with suppress(OSError):
        for child in children(scan):
            if "onnxruntime" in Path(f"/proc/{child}/maps").read_text():
                return child
    return None


def test_an_interrupt_ends_the_scan_and_the_models_process(files: Files) -> None:
    endless(files.folder / "endless.onnx")
    scan = subprocess.Popen(
        [
            *(sys.executable, "-m", "xray_gate", "scan", "endless.onnx"),
            *("--probes", "probes.npz", "--policy", "policy.yaml"),
        ],
        cwd=files.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite that runs in the background has SIGINT switched off, and passes that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        deadline = time.monotonic() + 60
        while (model := model_process(scan.pid)) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        scan.send_signal(signal.SIGINT)
        out, err = scan.communicate(timeout=30)
    finally:
        scan.kill()
    assert (scan.returncode, out) == (130, "")
    assert err.strip() == "interrupted"
    assert model is not None
    assert not Path(f"/proc/{model}").exists()


def test_help_needs_no_runtime_and_no_mlflow(files: Files) -> None:
    code = (
        "import sys\n"
        "from xray_gate.cli.main import cli\n"
        "cli.main(['--help'], standalone_mode=False)\n"
        "heavy = {'torch', 'onnxruntime', 'onnx', 'mlflow', 'sqlalchemy', 'scipy', 'pyarrow'}\n"
        "sys.exit(repr(sorted(heavy & set(sys.modules))))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=files.folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.stderr == "[]\n"
    assert "calibrate" in ended.stdout


BLOCKER = """
import sys
from importlib.abc import MetaPathFinder

class Blocker(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {"torch", "onnxruntime", "onnx"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""


def test_the_wiring_can_be_imported_without_the_extras(files: Files) -> None:
    code = BLOCKER + (
        "from xray_gate.wiring import scanning\n"
        "assert scanning.default_policy().name == 'default'\n"
        "scanning.new_scan()\n"
        "assert not {'torch', 'onnxruntime', 'onnx'} & set(sys.modules)\n"
        "print('imported')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=files.folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "imported\n", "")


def test_a_scan_without_the_extras_says_what_to_install(files: Files) -> None:
    missing = files.folder / "site"
    missing.mkdir()
    for name in ("onnxruntime", "onnx", "torch"):
        (missing / f"{name}.py").write_text(
            f"raise ModuleNotFoundError('No module named {name}', name={name!r})\n"
        )
    ended = xray_gate(
        *("scan", "clean.onnx", "--probes", "probes.npz", "--policy", "policy.yaml"),
        folder=files.folder,
        PYTHONPATH=str(missing),
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: ")
    assert "onnxruntime cannot be imported" in ended.stderr
    assert "install `xray-gate[cpu]`" in ended.stderr


def test_models_are_calibrated_and_then_scanned(files: Files) -> None:
    """From clean models to a verdict that rests on them, each step a process of its own."""
    (files.folder / "models").mkdir()
    for number in range(3):
        clean_model(files.folder / "models" / f"clean_{number}.onnx", number + 1)
    thresholds = {
        "calibration": "made/small.json",
        "level": 0.25,
        "statistics": ["renyi_entropy.valid"],
    }
    write_policy(files.policy, thresholds, probes="probes.npz")
    made = xray_gate(
        *("calibrate", "--clean", "models", "--probes", "probes.npz", "--policy", "policy.yaml"),
        *("--out", "made/small.json", "--seed", 11),
        folder=files.folder,
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("made/small.json: small (3 clean references, ")
    family, *scored, note = made.stderr.splitlines()
    assert family.endswith(": 3 clean; the clean ones reach level 0.25 and above for 1 score")
    assert scored == [
        f"{number}/3 clean_{number - 1}.onnx: probe accuracy 100.0%" for number in (1, 2, 3)
    ]
    assert note.startswith("note: clean_0.onnx, clean_1.onnx, clean_2.onnx have the same scores")
    assert [path.name for path in (files.folder / "made").iterdir()] == ["small.json"]
    kept = json.loads((files.folder / "made" / "small.json").read_text())
    assert kept["command"] == (
        "xray-gate calibrate --clean models --probes probes.npz --policy policy.yaml "
        "--out made/small.json --seed 11"
    )
    ends = {"clean.onnx": (0, "passed"), "leaning.onnx": (1, "failed")}
    leaning_model(files.folder / "leaning.onnx")
    for model, (code, verdict) in ends.items():
        scanned = xray_gate(
            *("scan", model, "--policy", "policy.yaml", "--format", "json"), folder=files.folder
        )
        report = json.loads(scanned.stdout)
        assert (scanned.returncode, report["verdict"]) == (code, verdict)
        assert report["seed"] == 11
        threshold = report["detectors"][0]["thresholds"]["renyi_entropy.valid"]
        assert threshold["source"].startswith("calibration small (3 clean references")
        assert (threshold["p_value"] <= 0.25) == (verdict == "failed")
