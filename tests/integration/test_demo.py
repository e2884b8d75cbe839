"""The demo, as somebody types it after a clone."""

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_the_demo_admits_the_clean_model_and_blocks_the_backdoored_one(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    run = subprocess.run(
        [sys.executable, "-m", "xray_gate", "demo", "--dir", str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 version admitted, 1 version blocked." in run.stdout
    assert "The alias champion points to version 1." in run.stdout
    assert "suspected target label 5 (dog)" in run.stdout
    assert "PERMISSION_DENIED" in run.stdout
    for kind in ("clean", "backdoored"):
        report = folder / "reports" / kind
        assert (report / "report.html").stat().st_size > 100_000
        assert (report / "planes" / "plane_000.png").read_bytes().startswith(b"\x89PNG")
        outcome = {"clean": "passed", "backdoored": "failed"}[kind]
        detectors = json.loads((report / "report.json").read_text())["detectors"]
        assert {item["name"]: item["outcome"] for item in detectors} == {
            "model_xray": outcome,
            "trigger_sweep": outcome,
            "b3d": "skipped",
            "dtinspector": "skipped",
        }


def test_the_demo_leaves_a_folder_alone_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    run = subprocess.run(
        [sys.executable, "-m", "xray_gate", "demo", "--dir", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 2
    assert "name another with --dir" in run.stderr
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_served_demo_stops_its_server_when_it_is_told_to_end(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    demo = subprocess.Popen(
        [sys.executable, "-m", "xray_gate", "demo", "--serve", "--dir", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert demo.stdout is not None
    uri = next(line.split()[-1] for line in demo.stdout if line.startswith("MLflow listens on"))
    assert any("The server stays up" in line for line in demo.stdout)
    with urllib.request.urlopen(f"{uri}/health", timeout=10) as answer:
        assert answer.status == 200
    demo.terminate()
    demo.stdout.close()
    assert demo.wait(timeout=60) == 128 + signal.SIGTERM
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{uri}/health", timeout=10)
