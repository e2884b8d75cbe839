"""The page about policies: what it shows of files is what comes out."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import xray_gate

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "policies.md").read_text()
PROBES = Path(xray_gate.__file__).parent / "data" / "demo" / "probes.npz"
FILES = dict(re.findall(r"^`([\w/.]+\.yaml)`:\n\n```yaml\n(.*?)^```$", PAGE, re.M | re.S))
SHOWN = re.findall(r"^```console\n\$ (.*?)\n(.*?)^```$", PAGE, re.M | re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of whoever follows the page."""
    folder = tmp_path_factory.mktemp("team")
    for name in ("policies", "next"):
        shutil.copytree(Path(__file__).parent / "evidence", folder / name / "evidence")
        shutil.copy(PROBES, folder / name)
    for name, content in FILES.items():
        (folder / name).write_text(content)
    shutil.copy(folder / "policies" / "images.test.yaml", folder / "next")
    return folder


def test_the_page_writes_three_files_and_shows_five_commands() -> None:
    assert sorted(FILES) == [
        "next/images.yaml",
        "policies/images.test.yaml",
        "policies/images.yaml",
    ]
    assert len(SHOWN) == 5


@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=[command for command, _ in SHOWN])
def test_commands_say_what_the_page_shows(folder: Path, command: str, shown: str) -> None:
    first, *arguments = shlex.split(command)
    assert first == "xray-gate"
    done = subprocess.run(
        [sys.executable, "-m", "xray_gate", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    # A terminal shows both, in whichever order they come.
    assert sorted((done.stdout + done.stderr).splitlines()) == sorted(shown.splitlines())


def test_every_hook_of_the_manifest_is_explained() -> None:
    hooks = [hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())]
    assert re.findall(r"^- \*\*`(xray-gate-[\w-]+)`\*\*", PAGE, re.M) == hooks
    (config,) = re.findall(r"^```yaml\n(repos:.*?)^```$", PAGE, re.M | re.S)
    (repo,) = yaml.safe_load(config)["repos"]
    assert [hook["id"] for hook in repo["hooks"]] == hooks
