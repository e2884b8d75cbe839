"""The hooks as pre-commit installs and runs them, from a clone of this repository."""

import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / ".pre-commit-hooks.yaml"
CONFIG = ROOT / ".pre-commit-config.yaml"
WEAK = """\
apiVersion: xray-gate/v1
kind: Policy
name: images
enforcment: audit
"""


def run(*command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    done = run("git", *who, *arguments, folder=folder)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", [MANIFEST, CONFIG], ids=lambda path: path.name)
def test_what_pre_commit_reads_is_valid(path: Path) -> None:
    kind = "validate-manifest" if path == MANIFEST else "validate-config"
    done = run(sys.executable, "-m", "pre_commit", kind, str(path), folder=ROOT)
    assert done.returncode == 0, done.stdout


def test_every_hook_ends_its_arguments_with_dashes() -> None:
    ours = yaml.safe_load(MANIFEST.read_text())
    (local,) = yaml.safe_load(CONFIG.read_text())["repos"]
    ours += [hook for hook in local["hooks"] if hook["id"].startswith("xray-gate")]
    assert len(ours) == 6
    for hook in ours:
        assert hook["args"][-1] == "--", hook["id"]


def test_the_repository_uses_its_own_hooks() -> None:
    (local,) = yaml.safe_load(CONFIG.read_text())["repos"]
    scripts = {hook["entry"] for hook in local["hooks"] if hook["language"] == "script"}
    assert scripts == {f"hooks/{hook['id']}" for hook in yaml.safe_load(MANIFEST.read_text())}
    for script in scripts:
        assert os.access(ROOT / script, os.X_OK)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A repository of somebody else's, with names as git may hand them out."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "a b.md").write_text("# A text\n")
    (folder / "-v").write_text("a name like an option\n")
    (folder / "new\nline.txt").write_text("a name of two lines\n")
    git(folder, "add", "-A")
    return folder


def add(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    git(folder, "add", "-A")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """pre-commit's environments go with the test; the command line is this environment's."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"PRE_COMMIT_HOME": str(tmp_path / "home"), "PATH": path, "PYTHONPATH": str(ROOT)}


def test_a_plain_git_hook_blocks_a_commit(scratch: Path, environment: dict[str, str]) -> None:
    (scratch / ".git" / "hooks" / "pre-commit").symlink_to(ROOT / "hooks" / "pre-commit")
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    first = run("git", *who, "commit", "-qm", "first", folder=scratch, **environment)
    assert first.returncode == 0, first.stderr
    add(scratch, {"notes.txt": pickle.dumps([1, 2]), "images.yaml": WEAK.encode()})
    second = run("git", *who, "commit", "-qm", "second", folder=scratch, **environment)
    assert second.returncode != 0
    said = second.stdout + second.stderr
    assert "notes.txt: notes.txt: is a pickle; export the model to ONNX" in said
    assert "enforcment: is not a setting; did you mean `enforcement`?" in said


def test_a_plain_git_hook_blocks_what_it_cannot_see(
    scratch: Path, environment: dict[str, str]
) -> None:
    (scratch / ".git" / "hooks" / "pre-commit").symlink_to(ROOT / "hooks" / "pre-commit")
    add(scratch, {"notes.txt": pickle.dumps([1, 2])})
    # What would be committed is not what lies there.
    (scratch / "notes.txt").write_text("a text\n")
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    hidden = run("git", *who, "commit", "-qm", "hidden", folder=scratch, **environment)
    assert hidden.returncode != 0
    assert "were changed and not staged; stage all of them, or stash the rest" in hidden.stderr
    git(scratch, "add", "-A")
    seen = run("git", *who, "commit", "-qm", "seen", folder=scratch, **environment)
    assert seen.returncode == 0, seen.stderr


@pytest.mark.slow
@pytest.mark.parametrize("hook", ["xray-gate-policy", "xray-gate-model", "xray-gate-no-pickle"])
def test_the_repositorys_own_files_pass(environment: dict[str, str], hook: str) -> None:
    command = (sys.executable, "-m", "pre_commit", "run", hook, "--all-files")
    done = run(*command, folder=ROOT, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed" in done.stdout


@pytest.mark.slow
def test_pre_commit_installs_the_hooks_and_runs_them(
    scratch: Path, environment: dict[str, str]
) -> None:
    # Of the tracked files as they are now, since try-repo would leave out what is not committed.
    clone = scratch.parent / "clone"
    clone.mkdir()
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if name.startswith(("xray_gate/", "pyproject", "README", "LICENSE", ".pre-commit-hooks")):
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            (clone / name).write_bytes((ROOT / name).read_bytes())
    git(clone, "init", "-q")
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "as it is")
    # Not this checkout, but what pip installed.
    del environment["PYTHONPATH"]
    command = (sys.executable, "-m", "pre_commit", "try-repo", str(clone), "--all-files")
    sound = run(*command, folder=scratch, **environment)
    assert sound.returncode == 0, sound.stdout + sound.stderr
    assert sound.stdout.count("Passed") == 2
    assert "xray-gate policy" in sound.stdout
    add(
        scratch,
        {
            "notes.txt": pickle.dumps([1, 2]),
            "images.yaml": WEAK.encode(),
            "model.pt": b"cos\nsystem\n(S'true'\ntR.",
        },
    )
    broken = run(*command, folder=scratch, **environment)
    assert broken.returncode == 1
    assert broken.stdout.count("Failed") == 3
    assert "notes.txt: notes.txt: is a pickle" in broken.stdout
    assert "enforcment: is not a setting; did you mean `enforcement`?" in broken.stdout
    assert "model.pt: model.pt: is a pickle that imports os.system" in broken.stdout
