"""The page about detectors of one's own works as it stands there."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.making import SIDE, environment, sized_model, write_probes, xray_gate
from xray_gate.policy.files import read_policy
from xray_gate.policy.review import findings

PAGE = Path(__file__).parents[2] / "docs" / "write-a-detector.md"
FILES = dict(re.findall(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```$", PAGE.read_text(), re.M | re.S))
(COMMANDS,) = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.M | re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as the page has it, a model and probes; `site` is where it is installed."""
    folder = tmp_path_factory.mktemp("noise-share")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    sized_model(folder / "model.onnx")
    write_probes(folder / "probes.npz", SIDE, 90)
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    ran([sys.executable, "-m", "pip", "install", *offline, "--target", "site", "."], folder)
    return folder


def ran(command: list[str], folder: Path, **changes: str) -> str:
    ended = subprocess.run(
        command,
        cwd=folder,
        env=environment(changes),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_page_holds_every_file_and_command() -> None:
    assert list(FILES) == [
        "pyproject.toml",
        "noise_share/__init__.py",
        "test_noise_share.py",
        "policy.yaml",
    ]
    assert COMMANDS.splitlines() == [
        "pip install .",
        "pytest test_noise_share.py",
        "xray-gate scan model.onnx --probes probes.npz --policy policy.yaml",
    ]


def test_the_pages_tests_pass(folder: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    said = ran([*command, "test_noise_share.py"], folder, PYTHONPATH=str(folder / "site"))
    assert re.search(r"^1\d passed", said, re.M), said


def test_a_scan_with_the_pages_policy_runs_the_detector(folder: Path) -> None:
    command = COMMANDS.splitlines()[2].split()[1:]
    ended = xray_gate(*command, "--format", "json", folder=folder, PYTHONPATH=str(folder / "site"))
    assert ended.stderr == ""
    report = json.loads(ended.stdout)
    assert (ended.returncode, report["verdict"]) == (0, "passed"), report["reasons"]
    assert [item["name"] for item in report["detectors"]][-1] == "noise_share"
    found = report["detectors"][-1]
    assert found["outcome"] == "passed"
    assert 0.3 < found["statistics"]["share"]["largest"] < 0.9
    assert found["queries"] == 200
    assert found["parameters"] == {"images": 200, "query_budget": 200}
    assert found["thresholds"] == {
        "share.largest": {"bound": 0.9, "suspicious": "above", "source": "our 40 clean models"}
    }


@pytest.mark.slow
def test_without_the_package_the_version_is_undecided(folder: Path) -> None:
    command = COMMANDS.splitlines()[2].split()[1:]
    ended = xray_gate(*command, folder=folder)
    assert ended.returncode == 3
    assert "noise_share: no installed plug-in has a detector of this name; install" in ended.stdout


@pytest.mark.slow
def test_a_broken_package_stops_the_command(folder: Path, tmp_path: Path) -> None:
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[xray_gate.detectors]\nnone_such = none_such:None\n")
    command = COMMANDS.splitlines()[2].split()[1:]
    ended = xray_gate(*command, folder=folder, PYTHONPATH=str(tmp_path))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "error: broken: its detector none_such (none_such:None) cannot be loaded" in ended.stderr


def test_the_pages_policy_has_no_findings_but_those_of_a_registry(folder: Path) -> None:
    policy = read_policy(folder / "policy.yaml")
    assert [text.split(",")[0] for text in findings(policy)] == [
        "there is no `match`",
        "there are no `probes`",
    ]
